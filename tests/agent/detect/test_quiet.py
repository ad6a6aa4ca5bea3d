"""The proof that no bay left its band, made once and gone on from, against every single sample."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from agent.detect.front_end import FrontEnd
from agent.detect.quiet import Quiet
from agent.detect.sampled_sight import Wiring
from agent.detect.sight import CURRENTS, LINE, STABILISED, VOLTAGES, WATCHED, Band, Tap
from agent.records import Block, Channel, Layout
from tests.agent.detect.feeder import Array

RATE, EVERY = 1600, 128
CHANGES = slice(11, 16)
ROLES = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0")
LAYOUT = Layout("wire", tuple(Channel(role, "A") for role in ROLES), Fraction(RATE))
TAPS = {role: Tap(k, 0.1) for k, role in enumerate(ROLES)}


def waves(hz: float, noise: float, swell: float) -> Array:
    """Counts of a bay for a second; noise: standard deviation; swell: share that all
    have grown by at the end, slowly.
    """
    chance = np.random.default_rng(7)
    t = np.arange(RATE) / RATE
    turns = [0.0, -2.1, 2.1, 0.4, 0.3, -1.8, 2.4, 1.0]
    sizes = [3000.0, 3000.0, 3000.0, 40.0, 9000.0, 9000.0, 9000.0, 100.0]
    rows = [
        size * (1 + swell * t) * np.cos(2 * np.pi * hz * t + turn)
        for size, turn in zip(sizes, turns, strict=True)
    ]
    return np.asarray(np.rint(np.array(rows) + chance.normal(0, noise, (len(ROLES), t.size))))


def around(sight: Array, share: float, of: slice) -> Band:
    """A band around these rows at a decision, by a share of each, that leaves the others alone; of
    changes no lower end can be proven.
    """
    low, high = np.full(len(sight), -np.inf), np.full(len(sight), np.inf)
    width = share * np.abs(sight[of, -1])
    high[of] = sight[of, -1] + width
    if of != CHANGES:
        low[of] = sight[of, -1] - width
    return low.tolist(), high.tolist()


def left(sight: Array, band: Band) -> bool:
    """Whether any row is outside at any sample."""
    low, high = (np.array(limits)[:, None] for limits in band)
    watched = sight[: len(low)]
    return bool(((watched >= high) | (watched < low)).any())


def walk(samples: Array, of: slice, sizes: list[int], share: float) -> tuple[int, int]:
    """Stretches that were proven by going on, and that left their band; a proof that errs fails
    here. of: the rows that the band is of; it is set anew every twelve cycles.
    """
    wiring = Wiring([TAPS], len(ROLES))
    front_end, quiet = FrontEnd(LAYOUT, 50), Quiet(wiring, len(ROLES))
    bays = np.array([0])
    band: Band = ([-np.inf], [np.inf])
    count = proven = outside = at = 0
    while at < samples.shape[1]:
        size = sizes[count % len(sizes)]
        for stretch in front_end.stretches(Block(LAYOUT, at, 0, samples[:, at : at + size]), EVERY):
            sight = wiring.sight(front_end.exact(stretch), front_end.window, None, bays)[:, 0]
            gone = left(sight, band)
            count, outside = count + 1, outside + gone
            if stretch.proven:
                still = quiet.still(front_end, stretch.count)
                assert not (still and gone)
                proven += still
                if not still:
                    moved = quiet.moved(front_end.reach(), front_end.window)
                    assert not (gone and moved is None)
            if (stretch.first + stretch.count) % (3 * EVERY) == 0:
                band = around(sight, share, of)
                quiet.take_up(0, band)
        at += size
    return proven, outside


@pytest.mark.parametrize(
    "of", [CURRENTS, VOLTAGES, LINE, CHANGES, slice(STABILISED, STABILISED + 1)], ids=str
)
@pytest.mark.parametrize("sizes", [[8], [32, 5, 1]])
def test_what_is_gone_on_from_a_proof_never_covers_a_sample_outside(
    of: slice, sizes: list[int]
) -> None:
    proven = outside = 0
    for hz, noise, swell in ((50, 0, 0.5), (50, 1, -0.3), (50.1, 20, 0.5), (48, 60, 1.0)):
        for share in (0.02, 0.1, 0.5):
            more = walk(waves(hz, noise, swell), of, sizes, share)
            proven, outside = proven + more[0], outside + more[1]

    assert proven > 300
    assert outside > 50


def test_a_steady_feeder_is_proven_by_one_proof_in_four_cycles() -> None:
    samples = waves(50.02, 3, 0.0)
    wiring = Wiring([TAPS], len(ROLES))
    front_end, quiet = FrontEnd(LAYOUT, 50), Quiet(wiring, len(ROLES))
    high = [np.inf] * WATCHED
    high[:4] = [300.0, 300.0, 300.0, 30.0]
    high[11:16] = [20.0] * 5
    quiet.take_up(0, ([-np.inf] * WATCHED, high))
    whole = gone_on = 0
    for at in range(0, RATE, 8):
        for stretch in front_end.stretches(Block(LAYOUT, at, 0, samples[:, at : at + 8]), EVERY):
            if stretch.proven and quiet.still(front_end, stretch.count):
                gone_on += 1
            elif stretch.proven:
                whole += 1
                assert quiet.moved(front_end.reach(), front_end.window) is None
    assert gone_on >= 14 * whole


def test_nothing_is_gone_on_from_across_a_gap() -> None:
    samples = waves(50, 0, 0.0)
    front_end, quiet = FrontEnd(LAYOUT, 50), Quiet(Wiring([TAPS], len(ROLES)), len(ROLES))
    for stretch in front_end.stretches(Block(LAYOUT, 0, 0, samples[:, :400]), EVERY):
        if stretch.proven:
            assert quiet.moved(front_end.reach(), front_end.window) is None
    assert quiet.still(front_end, 8)

    quiet.forget()
    assert not quiet.still(front_end, 8)
