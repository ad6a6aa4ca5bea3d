"""The slow look against sines whose truth is their formula, and under both interpreters."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from agent.detect import tables
from agent.detect.detector import Detector
from agent.detect.look import CYCLES, ORDERS, Look
from agent.detect.look import Channel as OneChannel
from agent.detect.looking import Looking
from agent.detect.sequences import sequences
from agent.detect.settings import defaults
from agent.detect.sight import Tap, Taps
from agent.records import Block, Channel, Event, Layout
from agent.site import Bay

WINDOW, SCALE = 80, 0.05
BAY = Bay("feeder", "s1", 10_000, 50, "isolated", 300)


def wave(order: int, amplitude: float, degrees: float) -> Any:
    """RMS `amplitude` over four cycles. [counts]"""
    step = 2 * math.pi * order * np.arange(CYCLES * WINDOW) / WINDOW
    return np.rint(math.sqrt(2) * amplitude / SCALE * np.cos(step + math.radians(degrees)))


def look(*rows: Any) -> Look:
    taps = {role: Tap(k, SCALE) for k, role in enumerate(("ia", "ib")[: len(rows)])}
    (made,) = Looking([taps], [frozenset()], len(rows)).looks(
        np.stack(rows), WINDOW, (0, 79_750), 50_000
    )
    return made


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("degrees", [0, 30, 200])
def test_each_harmonic_is_measured_with_its_angle(order: int, degrees: int) -> None:
    channel = look(wave(1, 100.0, 0.0) + wave(order, 10.0, degrees)).channels["ia"]

    re, im = channel.phasor(order)
    own = 10.0 * complex(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
    assert complex(re, im) == pytest.approx(own + (100.0 if order == 1 else 0.0), abs=0.02)
    assert channel.cycle(2, order) == pytest.approx((re, im), abs=0.02)


def test_the_true_value_and_what_changed_from_cycle_to_cycle() -> None:
    row = wave(1, 100.0, 0.0)
    row[2 * WINDOW : 3 * WINDOW] += wave(3, 5.0, 0.0)[:WINDOW]
    channel = look(row).channels["ia"]

    assert channel.rms() == pytest.approx(math.sqrt(100.0**2 + 5.0**2 / 4), rel=1e-3)
    assert channel.jitter() == pytest.approx([0.0, 5.0, 5.0], abs=0.05)
    assert channel.top * SCALE == pytest.approx(100 * math.sqrt(2) + 5 * math.sqrt(2), rel=0.01)


def test_what_is_worked_out_for_all_channels_is_what_one_channel_says_to_the_last_bit() -> None:
    rows = np.stack([wave(k, 40.0 * k, 17.0 * k) for k in ORDERS])
    rows += np.rint(np.random.default_rng(4).normal(0, 9, rows.shape))
    bays: list[Taps] = [
        {"ia": Tap(4, 0.05), "ib": Tap(0, -0.3), "ic": Tap(2, 7e-3)},
        {"ua": Tap(2, 1.7), "ub": Tap(1, 0.11), "uc": Tap(5, 0.9), "u0": Tap(3, 1e-4)},
    ]
    tables_of = [tables.harmonic(WINDOW, order) for order in ORDERS]
    looks = Looking(bays, [frozenset()] * 2, len(rows)).looks(rows, WINDOW, (0, 79_750), 50_000)

    for taps, made in zip(bays, looks, strict=True):
        for role, tap in taps.items():
            row = [int(x) for x in rows[tap.index]]
            cycles = [row[k * WINDOW : (k + 1) * WINDOW] for k in range(CYCLES)]
            parts = [[float(np.dot(t, c)) for pair in tables_of for t in pair] for c in cycles]
            steps = [
                float(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))
                for a, b in itertools.pairwise(cycles)
            ]
            squares = [float(sum(x * x for x in c)) for c in cycles]
            total = [sum(column) for column in zip(*parts, strict=True)]
            ends = min(row), max(row), row.count(min(row)), row.count(max(row))
            one = OneChannel(tap.scale, WINDOW, parts, total, squares, steps, *ends)
            assert all_of(made.channels[role]) == all_of(one)
    assert looks[1].volts is not None
    assert looks[1].volts.phasors == [looks[1].channels[r].phasor() for r in ("ua", "ub", "uc")]
    assert looks[1].volts.sequences() == sequences(*looks[1].volts.phasors)
    assert looks[1].amps is None


def all_of(channel: OneChannel) -> list[Any]:
    """Everything that can be asked of it."""
    cycles = [channel.cycle(k, order) for k in range(CYCLES) for order in ORDERS]
    whole = [(channel.phasor(order), channel.size(order)) for order in ORDERS]
    extremes = channel.bottom, channel.top, channel.at_bottom(), channel.at_top()
    return [cycles, whole, channel.rms(), channel.jitter(), extremes]


def test_looks_come_every_four_cycles_with_sums_in_place_of_missing_sensors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Look] = []

    def kept(_: object, each: Look) -> list[Event]:
        seen.append(each)
        return []

    monkeypatch.setattr("agent.detect.bay.BayDetector.look", kept)
    layout = Layout("s", tuple(Channel(n, "A", SCALE) for n in ("ia", "ib", "ic")), Fraction(4000))
    taps = {name: Tap(k, SCALE) for k, name in enumerate(("ia", "ib", "ic"))}
    step = 2 * math.pi * np.arange(4000) / 80
    rows = [np.rint(2000 * np.cos(step - turn)) for turn in (0, 2 * math.pi / 3, -2 * math.pi / 3)]
    rows[0] *= 1.1

    for size in (13, 50):
        detector = Detector(layout, [(BAY, defaults(BAY), taps)])
        for first in range(0, 4000, size):
            counts = np.stack([row[first : first + size] for row in rows])
            detector.feed(Block(layout, first, 0, counts))

    times = [each.t_us for each in seen]
    assert times == [*range(79_750, 1_000_000, 80_000)] * 2
    assert all(each.summed == {"i0"} for each in seen)
    residual = complex(*seen[3].channels["i0"].phasor())
    assert abs(residual) == pytest.approx(200 * SCALE / math.sqrt(2), rel=0.01)
    assert seen[3].channels["i0"].phasor() == seen[15].channels["i0"].phasor()


def test_a_phasor_is_the_same_on_the_board(board: Any) -> None:
    parts = [tables.harmonic(WINDOW, order) for order in ORDERS]
    row = wave(1, 100.0, 40.0) + wave(5, 7.0, 10.0)
    cycles = [[int(x) for x in row[k * WINDOW : (k + 1) * WINDOW]] for k in range(CYCLES)]
    sums = [[float(np.dot(t, c)) for pair in parts for t in pair] for c in cycles]
    call = ("tests.agent.detect.scenarios", "look_phasor", (SCALE, WINDOW, sums))

    channel = look(row).channels["ia"]
    assert board([call]) == [[list(channel.phasor(5)), list(channel.cycle(1, 1))]]
