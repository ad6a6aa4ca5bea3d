from __future__ import annotations

import base64
import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import comtrade
from hil.report import waves
from tests.hil.report import demo_outcomes

RATE_HZ = 4000


def unpacked(text: str) -> list[int]:
    """By the description at the top of waves.py, one number after another."""
    words, rest, shift = [], 0, 0
    for byte in base64.b64decode(text):
        rest |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            words.append(rest)
            rest, shift = 0, 0
    value, slope, values = 0, 0, []
    for word in words:
        slope += -(word + 1) // 2 if word % 2 else word // 2
        value += slope
        values.append(value)
    return values


def sheet(**how: Any) -> comtrade.Sheet:
    return comtrade.Sheet.of(demo_outcomes.recording("F1", **how), station="demo")


def with_channels(*names: str) -> comtrade.Sheet:
    whole = sheet()
    rows = [k for k, analog in enumerate(whole.analogs) if analog.name in names]
    kept = [whole.analogs[k] for k in rows]
    return dataclasses.replace(whole, analogs=kept, counts=whole.counts[rows])


@given(st.lists(st.integers(-(2**20), 2**20)))
def test_packed_values_come_back(values: list[int]) -> None:
    assert unpacked(waves.packed(np.array(values, dtype=np.int64))) == values


def test_a_sine_takes_little_more_than_a_byte_a_sample() -> None:
    sine = np.rint(2000 * np.sin(np.arange(2000) * 2 * np.pi / 80)).astype(np.int64)

    assert len(waves.packed(sine)) < 1.4 * len(sine)


@pytest.mark.parametrize(
    ("seconds", "rate_hz", "spans"),
    [
        pytest.param(0.5, 4000, [(0, 2000, 1)], id="short-is-whole"),
        pytest.param(2.0, 4000, [(0, 8000, 14), (600, 801, 1)], id="long-also-close"),
        pytest.param(2.0, 25600, [(0, 51200, 86), (3840, 5121, 5)], id="fast-is-thinned-close"),
    ],
)
def test_a_record_is_held_whole_and_close_within_its_limits(
    seconds: float, rate_hz: int, spans: list[tuple[int, int, int]]
) -> None:
    drawn = waves.drawn(sheet(seconds=seconds, rate_hz=rate_hz), (0.15, 0.35))

    assert [(s["first"], s["count"], s["group"]) for s in drawn.data["spans"]] == spans
    assert len(drawn.notes) == sum(group > 1 for _, _, group in spans)
    for panel in drawn.data["panels"]:
        for curve in panel["curves"]:
            points = [sum(len(unpacked(text)) for text in tier) for tier in curve["tiers"]]
            assert all(n <= m for n, m in zip(points, _limits(len(points)), strict=True))


def _limits(tiers: int) -> list[int]:
    return [waves.NEAR_POINTS] if tiers == 1 else [waves.WHOLE_POINTS, waves.NEAR_POINTS]


def test_a_single_sample_that_stands_out_survives_the_thinning() -> None:
    long = sheet(seconds=10.0)
    row = [analog.name for analog in long.analogs].index("i0")
    long.counts[row] = 0
    long.counts[row, 23_456] = 1000

    drawn = waves.drawn(long, (0.1, 0.3)).data

    curve = drawn["panels"][1]["curves"][0]
    low, high = (unpacked(text) for text in curve["tiers"][0])
    assert max(high) * curve["step"] == pytest.approx(1000 * long.analogs[row].scale)
    group = drawn["spans"][0]["group"]
    assert high.index(max(high)) == 23_456 // group
    assert max(low) == 0


def test_each_drawn_sample_is_the_records_within_a_two_thousandth_of_the_peak() -> None:
    whole = sheet()

    curve = waves.drawn(whole, (0, 1)).data["panels"][0]["curves"][1]

    drawn = np.array(unpacked(curve["tiers"][0][0])) * curve["step"]
    true = whole.counts[1] * whole.analogs[1].scale
    assert np.max(np.abs(drawn - true)) <= np.max(np.abs(true)) / 2000


@pytest.mark.parametrize(
    ("channels", "titles"),
    [
        (
            ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0"),
            ["ia", "ib", "ic", "3I0", "ua", "ub", "uc", "U0"],
        ),
        (("ia", "ib", "ic"), ["ia", "ib", "ic", "3I0 = ia + ib + ic"]),
        (("ua", "ub", "uc"), ["ua", "ub", "uc", "U0 = (ua + ub + uc) / 3"]),
        (("ia", "ic"), ["ia", "ic"]),
    ],
)
def test_what_the_phases_make_is_its_own_channel_or_their_sum(
    channels: tuple[str, ...], titles: list[str]
) -> None:
    panels = waves.panels(with_channels(*channels))

    assert [curve.name for panel in panels for curve in panel.curves] == titles


def test_a_channel_of_no_known_role_is_drawn_too() -> None:
    whole = with_channels("ia")
    strange = dataclasses.replace(whole.analogs[0], name="idc", phase="N")

    panels = waves.panels(dataclasses.replace(whole, analogs=[strange]))

    assert [(panel.title, panel.curves[0].part) for panel in panels] == [("idc", "0")]


def test_the_thick_line_is_the_rms_of_the_last_cycle() -> None:
    t = np.arange(800) / RATE_HZ
    wave: npt.NDArray[np.float64] = 100 * np.sqrt(2) * np.sin(2 * np.pi * 50 * t) + 30.0

    envelope = waves.rms(wave, RATE_HZ / 50)

    assert np.isnan(envelope[:79]).all()
    assert envelope[79:] == pytest.approx(np.full(721, 100.0))


def test_contacts_are_drawn_while_they_are_closed() -> None:
    drawn = waves.drawn(sheet(), (0, 1)).data

    assert [(c["name"], c["closed"]) for c in drawn["contacts"]] == [
        ("breaker closed", [[0.0, pytest.approx(0.364)]])
    ]


def test_an_empty_record_is_said() -> None:
    empty = dataclasses.replace(sheet(), counts=np.zeros((8, 0), dtype=np.int32), statuses=())

    assert waves.drawn(empty, (0, 1)) == waves.Drawn({}, ["the record is empty"])
