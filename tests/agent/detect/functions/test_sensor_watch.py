"""Sensors that lie, from samples to events: named, told once, and nobody goes by them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agent.records import Event
from tests.agent.detect.measured import SWITCHED_S, Record, detect, recorded
from tests.agent.detect.open_phase import Source, State, load

THERE = load(150.0)
LIT = Source().feed(THERE)
DEAD = State(LIT.amps * 0, LIT.volts * 0)
SUMMED = ("ia", "ib", "ic", "ua", "ub", "uc")


def lost(*factors: float) -> State:
    return State(LIT.amps, LIT.volts * np.array(factors))


def amps(*factors: float) -> State:
    return State(LIT.amps * np.array(factors), LIT.volts)


def swapped() -> State:
    return State(LIT.amps[[1, 0, 2]], LIT.volts)


def turned_volts() -> State:
    return State(LIT.amps, LIT.volts[[0, 2, 1]])


def events(before: State, after: State, **more: Any) -> list[Event]:
    return detect(recorded(before, after, **more))


@pytest.mark.parametrize(
    ("state", "phases", "words"),
    [
        pytest.param(amps(1, 0, 1), "B", "ib: the circuit", id="an-open-transformer"),
        pytest.param(amps(1, 1, -1), "C", "ic: .*wrong way", id="one-turned-round"),
        pytest.param(lost(1, 1, 0.06), "C", "uc: no voltage", id="a-fuse"),
        pytest.param(lost(0, 0.05, 1), "AB", "ua, ub: no voltage", id="two-fuses"),
        pytest.param(swapped(), "AB", "ia, ib: two", id="two-currents-swapped"),
        pytest.param(turned_volts(), "BC", "ub, uc: two", id="two-voltages-swapped"),
    ],
)
@pytest.mark.parametrize("from_the_beginning", [False, True])
def test_it_is_named_once_and_nothing_else_is_told(
    state: State, phases: str, words: str, from_the_beginning: bool
) -> None:
    told = events(state if from_the_beginning else LIT, state)

    assert [(e.event, e.alarm, e.phases) for e in told] == [("sensor_trouble", False, phases)]
    (event,) = told
    begun_us = 0 if from_the_beginning else SWITCHED_S * 1e6
    assert begun_us < event.t_us < begun_us + 350_000
    assert _like(words, event.detail)


def _like(words: str, detail: str | None) -> bool:
    first, _, then = words.partition(".*")
    return detail is not None and detail.startswith(first) and then in detail


def test_all_three_voltages_lost_are_no_outage() -> None:
    told = events(LIT, lost(0, 0, 0))

    assert [(e.event, e.phases) for e in told] == [("sensor_trouble", "ABC")]


def test_all_three_lost_from_the_beginning_take_a_second() -> None:
    told = events(lost(0, 0, 0), lost(0, 0, 0), seconds=1.6)

    assert [(e.event, e.phases) for e in told] == [("sensor_trouble", "ABC")]


def test_an_outage_with_a_blown_fuse_is_still_an_outage() -> None:
    fused = lost(0.06, 1, 1)
    told = events(fused, State(DEAD.amps, DEAD.volts), seconds=1.2)

    assert [
        (e.event, e.alarm, e.phases) for e in told if e.event not in ("dip", "interruption")
    ] == [
        ("sensor_trouble", False, "A"),
        ("voltage_loss", True, "ABC"),
    ]


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_an_open_transformer_in_a_sum_is_no_earth_fault(phase: int) -> None:
    factors = [1.0, 1.0, 1.0]
    factors[phase] = 0.0
    told = events(LIT, amps(*factors), roles=SUMMED, noise_db=40.0)

    assert [(e.event, e.phases) for e in told] == [("sensor_trouble", "ABC"[phase])]


def test_a_phase_that_is_lost_in_the_network_is_not_blamed_on_the_sensor() -> None:
    told = events(LIT, Source(sags=(0.0, 1.0, 1.0)).feed(THERE))

    assert not [e for e in told if e.event == "sensor_trouble"]


def test_what_is_over_is_told_as_over() -> None:
    before, after = amps(1, 0, 1), LIT
    first, last = (e for e in events(before, after) if e.event == "sensor_trouble")

    assert (first.outcome, last.outcome) == (None, "self_cleared")
    assert last.detail == f"over: {first.detail}"


def spoilt(role: str, row: Any, seconds: float = 1.0) -> list[Event]:
    made = recorded(LIT, LIT, seconds=seconds, rate_hz=1_600)
    return detect(made.with_row(role, row(made.counts[made.roles.index(role)])))


@pytest.mark.parametrize("role", ["ia", "ic", "ub", "i0"])
def test_a_channel_that_stands_still(role: str) -> None:
    told = [e for e in spoilt(role, lambda row: 0 * row + 9_000.0) if e.event == "sensor_trouble"]

    assert [e.detail for e in told] == [f"{role}: it stands still"]


@pytest.mark.parametrize("role", ["ib", "uc"])
def test_a_channel_with_an_offset(role: str) -> None:
    assert spoilt(role, lambda row: row + 0.3 * np.max(row), 2.0) == []
    told = spoilt(role, lambda row: row + 0.3 * np.max(row), 3.5)

    assert [(e.event, e.detail) for e in told] == [("sensor_trouble", f"{role}: it has an offset")]


@pytest.mark.parametrize("role", ["ia", "ub"])
def test_a_converter_at_its_stop(role: str) -> None:
    told = spoilt(role, lambda row: np.clip(row, -0.9 * np.max(row), 0.9 * np.max(row)))

    assert [e.event for e in told] == ["sensor_trouble"]
    assert str(told[0].detail).startswith(f"{role}: its tops are cut off")


def test_a_sine_without_any_noise_repeats_itself_and_is_sound() -> None:
    assert events(LIT, LIT, noise_db=200.0) == []


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(recorded(LIT, lost(1, 0.05, 1)), id="a-fuse"),
        pytest.param(recorded(LIT, amps(0, 1, 1), roles=SUMMED), id="an-open-transformer"),
    ],
)
def test_blocks_change_nothing(made: Record) -> None:
    assert detect(made, block=89) == detect(made)
