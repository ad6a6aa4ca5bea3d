"""The story of an earth fault from samples to events, with the detector as it runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agent.records import Event
from tests.agent.detect.earthed import (
    ISOLATED,
    LOW,
    RESONANT,
    ROLES,
    VOLTS,
    Array,
    Network,
    Story,
    bay,
    behind,
    counts,
    detect,
    waves,
)

RATE = 4000
NETWORKS = pytest.mark.parametrize(
    "network",
    [
        pytest.param(ISOLATED, id="isolated"),
        pytest.param(RESONANT, id="resonant"),
        pytest.param(LOW, id="low-resistance"),
    ],
)


def told(network: Network, samples: Array, rate: int = RATE, **how: object) -> list[Event]:
    """Events of 67N."""
    events = detect(samples, rate, bay(network), **how)  # type: ignore[arg-type]  # detect's own
    return [event for event in events if event.element == "67N"]


def story(events: list[Event]) -> list[tuple[str, str | None, str | None, bool]]:
    return [(e.event, e.kind, e.direction, e.alarm) for e in events]


@NETWORKS
@pytest.mark.parametrize("ohm", [300.0, 3000.0])
def test_ahead_it_alarms_within_60_ms_and_elsewhere_never(network: Network, ohm: float) -> None:
    fault = Story(ohm, True, phase=1, angle=0.7, seconds=0.24)
    ahead = told(network, counts(waves(network, fault, RATE)))
    assert story(ahead) == [("fault", "BG", "forward", True)]
    assert ahead[0].t_us <= (fault.onset_s + 0.06) * 1e6
    assert ahead[0].onset_us == pytest.approx(fault.onset_s * 1e6, abs=3000)
    elsewhere = told(network, counts(waves(network, behind(fault), RATE)))
    assert not any(event.alarm for event in elsewhere)
    assert "forward" not in [event.direction for event in elsewhere]


@pytest.mark.parametrize("rate", [1000, 1600, 12_800, 25_600])
def test_other_rates_of_sampling(rate: int) -> None:
    fault = Story(500.0, True, phase=2, angle=0.7, seconds=0.22)
    events = told(RESONANT, counts(waves(RESONANT, fault, rate)), rate)
    assert story(events) == [("fault", "CG", "forward", True)]


@pytest.mark.parametrize("network", [ISOLATED, LOW], ids=["isolated", "low-resistance"])
def test_noise_of_40_db_delays_nothing_and_tells_nothing(network: Network) -> None:
    fault = Story(500.0, True, phase=2, angle=0.7, seconds=0.22)
    events = told(network, counts(waves(network, fault, RATE), 40.0))
    assert story(events) == [("fault", "CG", "forward", True)]
    quiet = Story(1e9, True, seconds=1.0)
    for seed in (1, 2):
        assert told(network, counts(waves(network, quiet, RATE), 40.0, seed)) == []


@pytest.mark.parametrize("block", [1, 7, 20])
def test_blocks_of_any_size_tell_the_same(block: int) -> None:
    fault = Story(800.0, True, angle=0.7, cleared_s=0.2, seconds=0.36)
    samples = counts(waves(RESONANT, fault, RATE))
    assert told(RESONANT, samples, block=block) == told(RESONANT, samples)


@NETWORKS
def test_it_is_cleared_when_u0_and_3i0_are_back(network: Network) -> None:
    fault = Story(300.0, True, angle=0.7, cleared_s=0.24, seconds=1.2)
    events = told(network, counts(waves(network, fault, RATE)))
    assert [event.event for event in events] == ["fault", "fault_cleared"]
    assert events[1].onset_us == events[0].onset_us
    # A coil's network swings on for some tenths of a second; a look is 80 ms long.
    slack = 0.7 if network is RESONANT else 0.2
    assert 0.24e6 < events[1].t_us < (0.24 + slack) * 1e6


@pytest.mark.parametrize("ahead", [True, False], ids=["ahead", "elsewhere"])
def test_a_restriking_fault_is_one_event_with_a_count(ahead: bool) -> None:
    strikes = tuple(0.14 + 0.1 * k for k in range(6))
    fault = Story(5.0, ahead, onset_s=0.14, strikes_s=strikes, seconds=1.8)
    events = told(RESONANT, counts(waves(RESONANT, fault, RATE)))
    words = [event.event for event in events]
    assert words == ["fault", "intermittent_earth_fault", "fault_cleared"]
    assert {event.direction for event in events[:2]} == {"forward" if ahead else "reverse"}
    assert [event.alarm for event in events] == [ahead, ahead, False]
    assert (events[1].detail or "").startswith("3 strikes")
    assert events[2].detail == "6 strikes"


@pytest.mark.parametrize("angle", [0.0, 0.8, 1.6, 2.4])
def test_an_arc_of_half_a_cycle_that_leaves_a_charge_is_told(angle: float) -> None:
    """The charge of an isolated network stands still: no fundamental is left of it to be seen."""
    fault = Story(5.0, True, phase=2, angle=angle, cleared_s=0.151, seconds=0.24)
    events = told(ISOLATED, counts(waves(ISOLATED, fault, RATE)))
    assert story(events)[:1] == [("fault", "CG", "forward", True)]
    elsewhere = told(ISOLATED, counts(waves(ISOLATED, behind(fault), RATE)))
    assert not any(event.alarm for event in elsewhere)


@pytest.mark.parametrize("spacing_s", [0.01, 0.02, 0.03])
def test_an_arc_that_pauses_beside_a_low_resistance_is_no_inrush(spacing_s: float) -> None:
    """Beyond the pickup of 50N, with gaps as a core makes them."""
    strikes = tuple(0.14 + spacing_s * k for k in range(12))
    fault = Story(5.0, True, phase=1, angle=0.8, strikes_s=strikes, seconds=0.5)
    events = detect(counts(waves(LOW, fault, RATE)), RATE, bay(LOW))
    first = next(e for e in events if e.event in ("fault", "inrush"))
    assert (first.event, first.kind, first.direction, first.alarm) == (
        "fault",
        "BG",
        "forward",
        True,
    )
    assert 0.14e6 < first.t_us <= 0.2e6


def test_one_that_is_there_from_the_start_is_named_without_direction() -> None:
    fault = Story(20.0, True, phase=1, onset_s=0.0, seconds=0.9)
    samples = counts(waves(ISOLATED, fault, RATE))[:, round(0.5 * RATE) :]
    events = told(ISOLATED, samples)
    assert story(events) == [("fault", "BG", "unknown", False)]
    assert "when the bay was first seen" in (events[0].undetermined or "")


def test_a_blown_fuse_of_the_voltage_transformers_is_no_earth_fault() -> None:
    rows = waves(ISOLATED, Story(1e9, True, seconds=0.5), RATE)
    since = round(0.2 * RATE)
    rows[4, since:] = 0.06 * (rows[5, since:] + rows[6, since:])
    rows[7] = (rows[4] + rows[5] + rows[6]) / 3
    assert told(ISOLATED, counts(rows)) == []
    assert told(ISOLATED, counts(rows)[:, since + RATE // 10 :]) == []  # nor from the start


@NETWORKS
def test_a_load_step_is_no_earth_fault(network: Network) -> None:
    """By 200 A, in a core that leaks by 0.1 % of one phase."""
    rows = waves(network, Story(1e9, True, seconds=0.5), RATE)
    since = round(0.2 * RATE)
    rows[:3, since:] *= 3.0
    rows[3] = 0.001 * rows[0]
    assert told(network, counts(rows)) == []


@NETWORKS
def test_poles_that_open_apart_are_no_earth_fault(network: Network) -> None:
    """Of an unloaded cable: for half a cycle its charging currents do not sum up to nothing."""
    rows = waves(network, Story(1e9, True, seconds=0.5, load=0.0), RATE)
    t = np.arange(rows.shape[1]) / RATE
    for k, opens_s in enumerate((0.2, 0.2033, 0.2067)):
        rows[k] = 8.0 * np.gradient(rows[4 + k], 1 / RATE) / (2 * np.pi * 50 * VOLTS)
        rows[k, t >= opens_s] = 0.0
    rows[3] = rows[:3].sum(axis=0)
    assert told(network, counts(rows)) == []


def test_without_voltages_the_faults_own_current_alarms_and_a_charging_one_does_not() -> None:
    without = ("ua", "ub", "uc", "u0")
    fault = Story(20.0, True, phase=1, seconds=0.24, angle=0.5)
    events = told(ISOLATED, counts(waves(ISOLATED, fault, RATE)), without=without)
    assert story(events) == [("fault", "BG", "unknown", True)]
    assert events[0].undetermined == "direction: there are no voltages"
    elsewhere = counts(waves(ISOLATED, behind(fault), RATE))
    assert told(ISOLATED, elsewhere, without=without) == []


@NETWORKS
def test_3i0_and_u0_may_be_summed(network: Network) -> None:
    fault = Story(100.0, True, phase=2, angle=0.7, seconds=0.24)
    samples = counts(waves(network, fault, RATE))
    events = told(network, samples, without=("i0", "u0"))
    assert story(events) == [("fault", "CG", "forward", True)]


def test_a_second_fault_ahead_is_told_though_one_elsewhere_stands() -> None:
    first = waves(ISOLATED, Story(2000.0, False, phase=1, seconds=0.8), RATE)
    later = waves(ISOLATED, Story(300.0, True, phase=1, onset_s=0.5, seconds=0.8), RATE)
    since = round(0.46 * RATE)
    spliced = np.concatenate((first[:, :since], later[:, since:]), axis=1)
    events = told(ISOLATED, counts(spliced))
    assert [(e.event, e.alarm) for e in events if e.alarm] == [("fault", True)]


def test_a_heavier_fault_is_left_to_the_short_circuits() -> None:
    fault = Story(1.0, True, angle=0.7, seconds=0.3)
    events = detect(counts(waves(LOW, fault, RATE)), RATE, bay(LOW))
    assert {event.element for event in events if event.event == "fault"} == {"50N"}


def test_a_decision_stands_on_samples_that_were_there() -> None:
    fault = Story(800.0, True, angle=0.7, seconds=0.3)
    samples = counts(waves(RESONANT, fault, RATE))
    whole = told(RESONANT, samples)
    upto = round(whole[0].t_us / 1e6 * RATE) + 1
    assert told(RESONANT, samples[:, :upto]) == whole[:1]


def test_the_reversed_phases_of_a_sound_network_tell_nothing() -> None:
    rows = waves(RESONANT, Story(1e9, True, seconds=0.4), RATE)
    swapped = rows[[1, 0, 2, 3, 4, 5, 6, 7]]
    assert swapped.shape == (len(ROLES), rows.shape[1])
    assert told(RESONANT, counts(swapped)) == []


def test_a_bay_that_was_noisy_still_sees_a_fault() -> None:
    rows = waves(ISOLATED, replace(Story(500.0, True, angle=0.7), onset_s=0.6, seconds=0.7), RATE)
    events = told(ISOLATED, counts(rows, 38.0))
    assert story(events) == [("fault", "AG", "forward", True)]
