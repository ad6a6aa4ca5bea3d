"""Sums that slide against the windows they stand for, and the proof against the samples."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.detect import tables
from agent.detect.front_end import Exact, FrontEnd
from agent.records import Block, Channel, Layout, Quality
from tests.agent.detect.feeder import Array

EVERY = 400


def layout(rate: Fraction | int, offset: float = 0.0) -> Layout:
    channels = tuple(Channel(name, "A", 1.0, offset) for name in "pqr")
    return Layout("wire", channels, Fraction(rate))


def restless(rate: float, seed: int, cycles: int = 12) -> Array:
    """Three channels of whole counts: a sine off its frequency, noise, a constant, and steps."""
    chance = np.random.default_rng(seed)
    t = np.arange(round(cycles * rate / 50)) / rate
    hz = chance.uniform(46, 64)
    wave = 3000 * np.cos(2 * np.pi * hz * t + chance.uniform(0, 6, (3, 1)))
    wave += chance.normal(0, chance.choice([0, 3, 300]), wave.shape) + chance.integers(-900, 900)
    wave[:, t.size // 2 :] *= chance.uniform(0, 4, (3, 1))
    return np.asarray(np.rint(wave))


def fundamental(exact: Exact) -> Array:
    return np.asarray(exact.even / exact.even_gain + 1j * exact.odd / exact.odd_gain)


def walked(front_end: FrontEnd, samples: Array, sizes: list[int]) -> list[tuple[int, Exact]]:
    """(first, quantities) of every stretch; each proof is checked on the way."""
    seen: list[tuple[int, Exact]] = []
    first = 0
    while first < samples.shape[1]:
        size = sizes[len(seen) % len(sizes)]
        block = Block(layout(1600), first, 0, samples[:, first : first + size])
        for stretch in front_end.stretches(block, EVERY):
            exact = front_end.exact(stretch)
            seen.append((stretch.first, exact))
            if stretch.proven:
                reach = front_end.reach()
                ends, sizes_seen = np.hypot(*reach.ends), np.abs(fundamental(exact))
                assert (sizes_seen.max(axis=1) <= reach.most * ends + reach.away).all()
                assert (sizes_seen.min(axis=1) >= reach.least * ends - reach.away).all()
                assert (exact.change.max(axis=1) <= reach.change).all()
        first += size
    return seen


@pytest.mark.parametrize(
    ("rate", "hz"),
    [(1600, 50), (12800, 50), (1000, 60), (800, 50), (Fraction("7678.36"), 60)],
)
def test_every_sample_has_the_fundamental_of_its_own_window(rate: Fraction | int, hz: int) -> None:
    samples = restless(float(rate), seed=3)
    front_end = FrontEnd(layout(rate), hz)
    tuning = tables.tuned(Fraction(rate).numerator, Fraction(rate).denominator, 1000 * hz)
    even, odd = np.array(tuning.weights()).T
    compared = 0
    for first, exact in walked(front_end, samples, [front_end.window // 4]):
        for k, found in enumerate(fundamental(exact).T):
            window = samples[:, first + k - tuning.length + 1 : first + k + 1]
            # Integer tables are true to some 2^-14 of what they weigh.
            assert np.allclose(found, window @ even + 1j * (window @ odd), atol=3.0)
            compared += 1
    assert compared > 8 * tuning.length


def test_the_change_is_what_a_window_holds_that_the_one_before_did_not() -> None:
    samples = restless(1600, seed=5)
    front_end = FrontEnd(layout(1600), 50)
    change = np.zeros_like(samples)
    change[:, 32:] = samples[:, 32:] - samples[:, :-32]
    for first, exact in walked(front_end, samples, [7, 20]):
        for k in range(exact.change.shape[1]):
            window = change[:, max(0, first + k - 31) : first + k + 1]
            assert exact.change[:, k].tolist() == (window * window).sum(axis=1).tolist()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 9999),
    sizes=st.lists(st.integers(1, 90), min_size=1, max_size=6),
)
def test_no_sample_leaves_what_was_proven_and_no_block_size_matters(
    seed: int, sizes: list[int]
) -> None:
    samples = restless(1600, seed)
    pieces = walked(FrontEnd(layout(1600), 50), samples, sizes)
    whole = walked(FrontEnd(layout(1600), 50), samples, [32])

    for part in ("even", "odd", "change"):
        ours, theirs = (
            np.concatenate([getattr(exact, part) for _, exact in run], axis=1)
            for run in (pieces, whole)
        )
        assert np.array_equal(ours, theirs)


def test_a_steady_feeder_is_proven_to_a_tenth() -> None:
    t = np.arange(1600) / 1600
    wave = 3000 * np.cos(2 * np.pi * 50.02 * t) + 90 * np.cos(2 * np.pi * 250 * t + 1)
    samples = np.rint(np.stack([wave, wave + 500, -wave]))
    front_end = FrontEnd(layout(1600), 50)
    front_end_seen = list(front_end.stretches(Block(layout(1600), 0, 0, samples), EVERY))

    reach = front_end.reach()
    assert front_end_seen[-1].proven
    assert np.hypot(*reach.ends) == pytest.approx([3000] * 3, rel=0.01)
    assert (reach.away < 300).all()


def test_the_offset_of_a_channel_is_taken_off_before_anything_else() -> None:
    samples = restless(1600, seed=8)
    plain = walked(FrontEnd(layout(1600), 50), samples, [40])
    shifted = walked(FrontEnd(layout(1600, offset=-300.0), 50), samples + 300, [40])

    assert [e.even.tolist() for _, e in plain] == [e.even.tolist() for _, e in shifted]


@pytest.mark.parametrize("quality", [Quality.GAP, Quality.INVALID])
def test_no_window_bridges_what_was_not_seen(quality: Quality) -> None:
    samples = restless(1600, seed=1)
    front_end = FrontEnd(layout(1600), 50)
    list(front_end.stretches(Block(layout(1600), 0, 0, samples[:, :100]), EVERY))

    again = list(front_end.stretches(Block(layout(1600), 100, 0, samples[:, :40], quality), EVERY))
    assert [(s.first, s.count, s.proven) for s in again] == [(131, 1, False), (132, 8, True)]

    jumped = list(front_end.stretches(Block(layout(1600), 141, 0, samples[:, :32]), EVERY))
    assert [(s.first, s.count) for s in jumped] == [(172, 1)]


def test_a_channel_alone_is_measured_as_it_is_among_the_others() -> None:
    samples = restless(1600, seed=2)
    together, alone = FrontEnd(layout(1600), 50), FrontEnd(layout(1600), 50)
    for first in range(0, samples.shape[1], 25):
        block = Block(layout(1600), first, 0, samples[:, first : first + 25])
        for ours, theirs in zip(
            together.stretches(block, EVERY), alone.stretches(block, EVERY), strict=True
        ):
            expected = together.exact(ours)
            found = alone.exact(theirs, np.array([2, 0]))
            assert found.even.tolist() == expected.even[[2, 0]].tolist()
            assert found.change.tolist() == expected.change[[2, 0]].tolist()


@pytest.mark.parametrize("order", [2, 5])
def test_harmonics_are_told_to_a_thousandth(order: int) -> None:
    t = np.arange(640) / 1600
    wave = 2000 * np.cos(2 * np.pi * 50 * t) + 400 * np.cos(2 * np.pi * 50 * order * t + 1)
    front_end = FrontEnd(layout(1600), 50)
    list(front_end.stretches(Block(layout(1600), 0, 0, np.rint(np.stack([wave] * 3))), EVERY))

    assert front_end.harmonic(order, [0, 1], before=5) == pytest.approx([400.0] * 2, rel=1e-3)
