"""Dips, interruptions and swells from samples to events; truth by circuit theory, no other code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agent.detect.detector import Detector, Tap
from agent.detect.settings import defaults
from agent.records import Block, Channel, Event, Layout, Reading
from tests.agent.detect.feeder import (
    BAY,
    ROLES,
    TAPS,
    Array,
    counts,
    detect,
    healthy_volts,
    layout,
)

ONSET_S = 0.2131
CYCLE_S = 0.02
OWN = {"dip", "interruption", "swell", "voltage_loss"}
PHASE_VOLTS = BAY.nominal_volts / 3**0.5


def instants(rate_hz: int, seconds: float, onset_s: float = ONSET_S) -> Array:
    return np.arange(round(rate_hz * seconds)) / rate_hz - onset_s


def shaken(volts: Array, noise_db: float = 50.0, seed: int = 1) -> Array:
    """Counts of voltages with noise, below the phase voltage by so much, and no currents."""
    sigma = PHASE_VOLTS * 10 ** (-noise_db / 20)
    noisy = volts + np.random.default_rng(seed).normal(0, sigma, volts.shape)
    return counts(np.zeros_like(volts), noisy)


def changed(t: Array, lasts_s: float, shares: tuple[float, float, float]) -> Array:
    """Voltages of a supply whose phases are these shares of nominal for a while."""
    during = (t >= 0) & (t < lasts_s)
    return healthy_volts(t) * np.where(during, np.array(shares)[:, None], 1.0)


def between(shares: tuple[float, float, float]) -> tuple[float, float, float]:
    """What lies between phases 120 degrees apart, shares of nominal: the law of cosines."""
    pairs = zip(shares, shares[1:] + shares[:1], strict=True)
    ab, bc, ca = (((x * x + y * y + x * y) / 3) ** 0.5 for x, y in pairs)
    return ab, bc, ca


def told(events: list[Event], name: str) -> list[Event]:
    return [event for event in events if event.event == name]


def story(events: list[Event]) -> list[str]:
    return [f"{event.event} over" if event.outcome else event.event for event in events]


@pytest.mark.parametrize("rate_hz", [4_000, 6_400, 12_800])
@pytest.mark.parametrize(
    ("shares", "lasts_s"),
    [
        ((0.4, 0.4, 0.4), 0.05),
        ((1.0, 0.3, 0.3), 0.0934),
        ((0.2, 1.0, 1.0), 0.211),
        ((0.85, 0.85, 0.85), 0.4),
        ((0.6, 0.6, 0.6), 0.0421),
    ],
)
def test_depth_and_length_of_a_dip(
    rate_hz: int, shares: tuple[float, float, float], lasts_s: float
) -> None:
    volts = changed(instants(rate_hz, 0.9), lasts_s, shares)
    events = detect(shaken(volts), rate_hz)
    assert story(events) == ["dip", "dip over"]
    begun, over = events
    assert [event.alarm for event in events] == [False, False]
    assert begun.onset_us == over.onset_us
    assert begun.onset_us == pytest.approx(ONSET_S * 1e6, abs=3_000)
    assert begun.bounds_us is not None
    assert begun.bounds_us[0] <= ONSET_S * 1e6 <= begun.bounds_us[1]
    assert begun.t_us <= ONSET_S * 1e6 + 45_000
    lowest = float(over.why["lowest_volts"]) / BAY.nominal_volts
    assert lowest == pytest.approx(min(between(shares)), abs=0.002)
    assert over.why["duration_s"] == pytest.approx(lasts_s, abs=CYCLE_S / 2)
    assert float(over.why["duration_least_s"]) <= lasts_s <= float(over.why["duration_most_s"])
    # A window that still holds a quarter of the dip counts as dipped.
    assert over.why["duration_by_rms_s"] == pytest.approx(lasts_s, abs=1.25 * CYCLE_S)
    assert over.why["measured"] == "phase to phase"


@pytest.mark.parametrize("kept", [0.895, 0.905])
def test_a_dip_begins_at_nine_tenths(kept: float) -> None:
    volts = changed(instants(4_000, 0.6), 0.2, (kept,) * 3)
    assert story(detect(shaken(volts, 70), 4_000)) == (["dip", "dip over"] if kept < 0.9 else [])


def test_one_that_lasts_is_followed_to_a_cycle_and_its_deepest_is_told() -> None:
    t = instants(4_000, 5.0)
    volts = changed(t, 3.5, (0.7, 0.7, 0.7))
    volts[:, (t > 2.0) & (t < 2.2)] *= 0.5 / 0.7
    begun, over = detect(shaken(volts), 4_000)
    assert over.why["duration_s"] == pytest.approx(3.5, abs=CYCLE_S)
    assert float(over.why["duration_least_s"]) <= 3.5 <= float(over.why["duration_most_s"])
    assert over.why["lowest_volts"] == pytest.approx(0.5 * BAY.nominal_volts, rel=0.004)
    assert over.t_us / 1e6 - ONSET_S - 3.5 <= 0.11  # the next slow look
    assert begun.onset_us == over.onset_us


def test_what_comes_after_one_that_lasted_is_seen_as_fast_as_before() -> None:
    t = instants(4_000, 4.0)
    volts = changed(t, 2.0, (0.8, 0.8, 0.8))
    volts[:, (t > 3.0) & (t < 3.1)] *= 0.5
    events = detect(shaken(volts), 4_000)
    assert story(events) == ["dip", "dip over"] * 2
    assert events[2].t_us / 1e6 - ONSET_S - 3.0 <= 0.045
    assert events[3].why["duration_s"] == pytest.approx(0.1, abs=CYCLE_S / 2)


@pytest.mark.parametrize("lasts_s", [0.2, 3.0])
def test_all_of_them_gone_is_an_interruption_and_no_dip(lasts_s: float) -> None:
    volts = changed(instants(4_000, lasts_s + 1.0), lasts_s, (0.0, 0.0, 0.0))
    events = detect(shaken(volts), 4_000)
    assert sorted(story(events)) == [
        "interruption",
        "interruption over",
        "voltage_loss",
        "voltage_restored",
    ]
    begun, over = told(events, "interruption")
    assert begun.onset_us == pytest.approx(ONSET_S * 1e6, abs=CYCLE_S * 1e6 / 2)
    assert over.why["duration_s"] == pytest.approx(lasts_s, abs=CYCLE_S)
    assert begun.phases == "ABC"


def test_a_supply_that_dies_away_is_a_dip_first() -> None:
    t = instants(4_000, 1.5)
    volts = healthy_volts(t) * np.where(t < 0, 1.0, np.exp(-np.maximum(t, 0) / 0.1))
    assert story(detect(shaken(volts), 4_000)) == ["dip", "voltage_loss", "interruption"]


@pytest.mark.parametrize("block", [1, 7, 80, 333])
def test_blocks_of_any_size_tell_the_same_bit_for_bit(block: int) -> None:
    t = instants(4_000, 2.6)
    volts = changed(t, 0.13, (0.3, 1.0, 1.0)) * np.where((t > 0.5) & (t < 1.9), 0.6, 1.0)
    samples = shaken(volts)
    assert detect(samples, 4_000, block) == detect(samples, 4_000)


def test_scaled_voltages_tell_the_same() -> None:
    samples = shaken(changed(instants(4_000, 0.7), 0.13, (0.3, 1.0, 1.0)))
    bay, wired = replace(BAY, nominal_volts=4 * BAY.nominal_volts), layout(4_000)
    taps = {r: Tap(t.index, t.scale * (4 if r[0] == "u" else 1)) for r, t in TAPS.items()}
    events = Detector(wired, [(bay, defaults(bay), taps)]).feed(Block(wired, 0, 0, samples))
    plain = detect(samples, 4_000)
    assert [(e.event, e.t_us, e.detail) for e in events] == [
        (e.event, e.t_us, e.detail) for e in plain
    ]


# --- what is no dip ------------------------------------------------------------------------------


def test_an_earth_fault_is_neither_dip_nor_loss_nor_swell() -> None:
    t = instants(4_000, 1.2)
    volts = healthy_volts(t)
    volts = np.where(t < 0, volts, volts - volts[0])  # A touches earth, the star point has its part
    assert not OWN & set(story(detect(shaken(volts), 4_000)))


def test_a_ferroresonance_in_the_star_point_is_silent() -> None:
    t = instants(4_000, 1.5)
    swinging = np.where(t < 0, 0.0, 1.2 * PHASE_VOLTS * 2**0.5 * np.sin(2 * np.pi * 25 * t))
    assert not OWN & set(story(detect(shaken(healthy_volts(t) + swinging), 4_000)))


def test_charge_that_is_trapped_on_a_dead_cable_is_no_supply() -> None:
    t = instants(4_000, 1.2)
    charge = np.array([[7_000.0], [-6_000.0], [5_000.0]])
    decays = charge * np.exp(-np.maximum(t, 0) / 5.0)
    events = detect(shaken(np.where(t < 0, healthy_volts(t), decays)), 4_000)
    assert "voltage_loss" in story(events)
    assert "voltage_restored" not in story(events)
    assert "interruption over" not in story(events)
    assert "swell" not in story(events)


def test_two_feeders_that_are_tied_for_a_while_are_silent() -> None:
    t = instants(4_000, 1.2)
    tied = (t > 0) & (t < 0.3)
    volts = healthy_volts(t) * np.where(tied, 0.985, 1.0)
    shifted = np.roll(volts, 4, axis=1)  # 18 degrees is more than any tie is closed at
    assert detect(shaken(np.where(t < 0.15, volts, shifted)), 4_000) == []


def test_a_short_circuit_nearer_to_the_source_is_no_loss_where_it_is_cleared_in_time() -> None:
    volts = changed(instants(4_000, 0.8), 0.055, (0.01, 0.01, 0.01))
    assert "voltage_loss" not in story(detect(shaken(volts), 4_000))


def test_a_sensor_that_is_known_to_lie_makes_no_dip() -> None:
    wired = layout(4_000)
    detector = Detector(wired, [(BAY, defaults(BAY), TAPS)])
    samples = shaken(changed(instants(4_000, 1.0), 10.0, (1.0, 0.06, 1.0)))
    before = round(0.2 * 4_000)
    events = detector.feed(Block(wired, 0, 0, samples[:, :before]))
    detector._bays[0]._situation.distrusted.add("ub")
    events += detector.feed(Block(wired, before, 0, samples[:, before:]))
    assert story(events) == []


# --- which voltages are meant --------------------------------------------------------------------


def test_in_a_solidly_earthed_network_phases_to_earth_are_meant() -> None:
    bay = replace(BAY, earthing="solid")
    samples = shaken(changed(instants(4_000, 0.7), 0.1, (0.8, 1.0, 1.0)))
    events = detect(samples, 4_000, settings=defaults(bay), bay=bay)
    assert [(e.phases, e.why["measured"]) for e in events] == [("A", "phase to earth")] * 2
    assert events[1].why["lowest_volts"] == pytest.approx(0.8 * PHASE_VOLTS, rel=0.003)
    assert detect(samples, 4_000) == []  # 0.903 between phases


METER = Layout("meter", tuple(Channel(r, "A" if r[0] == "i" else "V") for r in ROLES))


def polled(*volts: tuple[float, float, float]) -> list[Event]:
    taps = {role: Tap(tap.index, 1.0) for role, tap in TAPS.items()}
    detector = Detector(METER, [(BAY, defaults(BAY), taps)])
    return [
        event
        for k, row in enumerate(volts)
        for event in detector.feed(Reading(METER, k * 100_000, (50.0, 50.0, 50.0, *row)))
    ]


def test_a_meter_tells_dips_of_phases_to_earth_within_its_polls() -> None:
    up, low = (5774.0, 5774.0, 5774.0), (5774.0, 4000.0, 5774.0)
    begun, over = polled(up, up, low, low, low, up, up)
    assert (begun.event, begun.phases, begun.why["measured"]) == ("dip", "B", "phase to earth")
    assert begun.bounds_us == (100_000, 200_000)
    assert float(over.why["duration_least_s"]) == pytest.approx(0.2)
    assert float(over.why["duration_most_s"]) == pytest.approx(0.4)


def test_a_meter_tells_no_dip_and_no_loss_of_an_earth_fault() -> None:
    up, earthed = (5774.0, 5774.0, 5774.0), (0.0, 10_000.0, 10_000.0)
    assert polled(up, up, *[earthed] * 5, up, up) == []


# --- swells --------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [1.12, 1.3])
def test_height_and_length_of_a_swell(share: float) -> None:
    volts = changed(instants(6_400, 0.9), 0.25, (share,) * 3)
    begun, over = detect(shaken(volts), 6_400)
    assert story([begun, over]) == ["swell", "swell over"]
    assert over.why["highest_volts"] == pytest.approx(share * BAY.nominal_volts, rel=0.003)
    assert over.why["duration_s"] == pytest.approx(0.25, abs=CYCLE_S / 2)
    assert begun.onset_us == pytest.approx(ONSET_S * 1e6, abs=3_000)
