"""Detection from samples to events: what contract.md section 5 asks of short circuits."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.detect.detector import Detector, Tap
from agent.detect.settings import defaults
from agent.records import Block, Channel, Event, Layout, Quality, Reading
from tests.agent.detect.feeder import (
    ANGLES_15,
    BAY,
    PICKUP,
    TAPS,
    Array,
    counts,
    detect,
    driving_volts,
    healthy_volts,
    layout,
    three_phase,
    times,
    two_phase,
)

RATES = (1600, 4000, 12800)
ONSET_S = 0.1


def faults(events: list[Event]) -> list[Event]:
    return [event for event in events if event.event == "fault"]


def tau_of(x_over_r: float) -> float:
    return x_over_r / (2 * np.pi * 50)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("x_over_r", [1, 3, 10, 20, 40])
@pytest.mark.parametrize(
    ("short", "kind"), [pytest.param(three_phase, "ABC"), pytest.param(two_phase, "BC")]
)
def test_a_fault_of_twice_pickup_stands_within_20_ms_at_every_angle(
    rate: int, x_over_r: float, short: object, kind: str
) -> None:
    t = times(rate, 0.2, ONSET_S + 0.3 / rate)  # the inception lies between two samples
    for angle in ANGLES_15:
        for load in ((0.0, 0.0), (0.4 * PICKUP, -0.4), (0.4 * PICKUP, 2.0)):
            currents = short(t, 2 * PICKUP, angle, tau_of(x_over_r), load)  # type: ignore[operator]
            volts = driving_volts(t, short, angle, x_over_r)
            found = faults(detect(counts(currents, volts), rate, block=rate // 200))
            assert [event.kind for event in found] == [kind], f"angle {angle:.2f} load {load}"
            latency_s = found[0].t_us / 1e6 - (ONSET_S + 0.3 / rate)
            assert 0 < latency_s <= 0.020, f"angle {angle:.2f} load {load}"
            assert found[0].alarm
            assert found[0].direction == "forward"


@pytest.mark.parametrize("times_pickup", [1.3, 1.5, 1.8])
def test_a_balanced_fault_little_above_pickup_is_no_overload(times_pickup: float) -> None:
    t = times(1600, 0.4, ONSET_S)
    for angle in ANGLES_15:
        currents = three_phase(t, times_pickup * PICKUP, angle, tau_of(1.2), (0.3 * PICKUP, -0.4))
        # A line of X/R 1.2 behind a source that is like it: no transient in the voltage left.
        volts = driving_volts(t, three_phase, angle, 1.2) * np.where(t < 0, 1.0, 0.8)
        events = detect(counts(currents, volts), 1600)
        told = [(e.event, e.kind) for e in events if e.event not in ("operate", "dip")]
        assert told == [("fault", "ABC")], f"angle {angle:.2f}"
        assert faults(events)[0].t_us / 1e6 - ONSET_S <= 0.045


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("tau_s", [0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.15])
def test_a_steady_0_98_pickup_never_starts_whatever_its_decaying_dc(
    rate: int, tau_s: float
) -> None:
    t = times(rate, 0.5, ONSET_S)
    for angle in ANGLES_15:
        for load in ((0.0, 0.0), (0.5 * PICKUP, 1.0), (0.97 * PICKUP, angle + np.pi)):
            currents = three_phase(t, 0.98 * PICKUP, angle, tau_s, load)
            events = detect(counts(currents, healthy_volts(t)), rate)
            assert not [e for e in events if e.event in ("fault", "overload")]
        currents = two_phase(t, 0.98 * PICKUP, angle, tau_s)
        assert not faults(detect(counts(currents, healthy_volts(t)), rate))


def test_the_inception_is_told_to_within_a_fifth_of_a_cycle() -> None:
    t = times(4000, 0.2, ONSET_S)
    for angle in ANGLES_15:
        samples = counts(three_phase(t, 3 * PICKUP, angle, 0.05), healthy_volts(t))
        (fault,) = faults(detect(samples, 4000))
        assert fault.onset_us is not None
        assert 0 <= fault.onset_us - ONSET_S * 1e6 <= 4000


@pytest.mark.parametrize(
    ("rate", "hz"),
    [(Fraction("7678.36"), 60), (Fraction("5759.9"), 50), (1000, 60), (800, 50), (51200, 50)],
)
def test_any_rate_from_800_hz_to_51_khz_at_50_and_60_hz(rate: Fraction | int, hz: int) -> None:
    bay = replace(BAY, frequency_hz=hz)
    t = times(float(rate), 0.3, ONSET_S)
    omega = 2 * np.pi * hz
    rms = np.where(t < 0, 0.3, 3.0) * PICKUP * np.sqrt(2)
    currents = np.stack([rms * np.cos(omega * t + s) for s in (0.0, -2.0944, 2.0944)])
    volts = np.stack([8164.97 * np.cos(omega * t + s) for s in (0.0, -2.0944, 2.0944)])
    (fault,) = faults(detect(counts(currents, volts), rate, bay=bay))
    assert fault.kind == "ABC"
    assert fault.currents[0] == pytest.approx(3 * PICKUP, rel=0.5)


def test_the_meter_of_a_steady_feeder_is_right_to_a_thousandth() -> None:
    t = times(4000, 0.2, 0.0)
    currents = three_phase(t, 300.0, 0.3, 0.05, (300.0, 0.3))
    wired = layout(4000)
    detector = Detector(wired, [(BAY, defaults(BAY), TAPS)])
    detector.feed(Block(wired, 0, 0, counts(currents, healthy_volts(t))))
    (meter,) = detector.meters()
    assert meter.currents == pytest.approx((300.0, 300.0, 300.0), rel=1e-3)
    assert meter.voltages == pytest.approx((5773.5, 5773.5, 5773.5), rel=1e-3)
    assert meter.residual_amps is None  # there is no sensor for it
    assert meter.neutral_volts is None


def outage_with_fault(rate: int) -> Array:
    """Load, a two-phase fault with offset, its clearing, a dead feeder and its return."""
    t = times(rate, 0.9, ONSET_S)
    currents = two_phase(t, 2.4 * PICKUP, 1.0, 0.04, (250.0, -0.3))
    volts = healthy_volts(t)
    noise = np.random.default_rng(7).normal(0, 2, (6, t.size))
    dead = (t > 0.11) & (t < 0.5)
    currents[:, t > 0.11] = 0.0
    volts[:, dead] = 0.0
    return np.rint(counts(currents, volts) + noise)


@pytest.fixture(scope="module")
def told_at_once() -> dict[int, list[Event]]:
    return {rate: detect(outage_with_fault(rate), rate) for rate in (1600, 4000)}


def test_the_whole_story_is_told(told_at_once: dict[int, list[Event]]) -> None:
    story = [(event.event, event.kind or event.phases) for event in told_at_once[4000]]
    assert story == [
        ("fault", "BC"),
        ("fault_cleared", None),
        ("interruption", "ABC"),
        ("voltage_loss", "ABC"),
        ("interruption", "ABC"),
        ("voltage_restored", "ABC"),
    ]


@pytest.mark.parametrize("rate", [1600, 4000])
def test_every_block_size_up_to_a_cycle_tells_the_same_bit_for_bit(
    rate: int, told_at_once: dict[int, list[Event]]
) -> None:
    samples = outage_with_fault(rate)
    for block in (*range(1, rate // 50 + 1), 1000):
        assert detect(samples, rate, block) == told_at_once[rate], f"block of {block}"


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 80), min_size=1, max_size=12), seed=st.integers(0, 9999))
def test_uneven_blocks_of_a_random_network_tell_the_same(sizes: list[int], seed: int) -> None:
    chance = np.random.default_rng(seed)
    t = times(1600, 0.4, ONSET_S)
    short = three_phase if seed % 2 else two_phase
    amps = chance.uniform(0.5, 6) * PICKUP
    currents = short(t, amps, chance.uniform(0, 6.3), chance.uniform(0.005, 0.15), (200, 0.0))
    volts = healthy_volts(t) * np.where(t < 0, 1.0, chance.uniform(0, 1))
    samples = np.rint(counts(currents, volts) + chance.normal(0, 3, (6, t.size)))
    wired = layout(1600)
    detector = Detector(wired, [(BAY, defaults(BAY), TAPS)])
    events: list[Event] = []
    first = 0
    while first < t.size:
        size = sizes[first % len(sizes)]
        events += detector.feed(Block(wired, first, 0, samples[:, first : first + size]))
        first += size
    assert events == detect(samples, 1600)


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_the_same_ct_ratio_on_currents_and_pickups_changes_nothing_else(factor: float) -> None:
    samples = outage_with_fault(1600)
    wired = layout(1600)
    taps = {
        role: Tap(tap.index, tap.scale * (factor if role[0] == "i" else 1.0))
        for role, tap in TAPS.items()
    }
    bay = replace(BAY, rating_amps=BAY.rating_amps * factor)
    scaled = Detector(wired, [(bay, defaults(bay), taps)])
    events = scaled.feed(Block(wired, 0, 0, samples))
    plain = detect(samples, 1600)
    assert [(e.event, e.t_us, e.kind) for e in events] == [(e.event, e.t_us, e.kind) for e in plain]


@pytest.mark.parametrize("turns", [1, 2])
def test_rotating_the_phases_rotates_the_word(turns: int) -> None:
    samples = outage_with_fault(1600)
    order = np.roll([0, 1, 2], turns)
    (fault,) = faults(detect(np.concatenate((samples[order], samples[3:][order])), 1600))
    assert fault.kind == {1: "CA", 2: "AB"}[turns]


def test_no_sum_bridges_a_gap() -> None:
    t = times(4000, 0.3, ONSET_S)
    samples = counts(three_phase(t, 0.3 * PICKUP, 0.0, 0.02, (0.3 * PICKUP, 0.0)), healthy_volts(t))
    wired = layout(4000)
    detector = Detector(wired, [(BAY, defaults(BAY), TAPS)])
    detector.feed(Block(wired, 0, 0, samples[:, :600]))
    # 33 samples are missing: bridged, the phase jump would look like a change.
    events = detector.feed(Block(wired, 633, 0, samples[:, 640:1200], Quality.GAP))
    assert events == []


def test_the_decisions_why_states_what_it_compared() -> None:
    (fault,) = faults(detect(outage_with_fault(4000), 4000))
    assert fault.why["proof"] == "sinusoid"
    why = {name: float(value) for name, value in fault.why.items() if not isinstance(value, str)}
    assert why["phase_pickup_amps"] == PICKUP
    assert max(why["current_b"], why["current_c"]) >= PICKUP
    assert why["change_a"] < 0.4 * why["change_b"]


METER = Layout(
    "meter", tuple(Channel(role, "A" if role[0] == "i" else "V") for role in ("ia", *TAPS))[1:]
)


def readings(*rows: tuple[float | None, ...]) -> list[Event]:
    detector = Detector(
        METER, [(BAY, defaults(BAY), {r: Tap(t.index, 1.0) for r, t in TAPS.items()})]
    )
    events = []
    for k, row in enumerate(rows):
        events += detector.feed(Reading(METER, k * 100_000, row))
    return events


HEALTHY = (200.0, 200.0, 200.0, 5773.0, 5773.0, 5773.0)
SHORTED = (180.0, 4000.0, 4100.0, 5600.0, 2900.0, 2900.0)
GONE = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_a_meter_that_only_knows_rms_tells_fault_and_loss_within_its_polls() -> None:
    events = readings(HEALTHY, HEALTHY, SHORTED, GONE, GONE, GONE, HEALTHY, HEALTHY, HEALTHY)
    story = [(event.event, event.kind or event.phases) for event in events]
    assert ("fault", "BC") in story
    assert ("voltage_loss", "ABC") in story
    assert ("voltage_restored", "ABC") in story
    loss = next(event for event in events if event.event == "voltage_loss")
    assert loss.bounds_us == (100_000, 300_000)  # from the last healthy poll to the first dead


def test_a_stale_or_invalid_reading_decides_nothing() -> None:
    detector = Detector(
        METER, [(BAY, defaults(BAY), {r: Tap(t.index, 1.0) for r, t in TAPS.items()})]
    )
    for quality in (Quality.STALE, Quality.INVALID):
        assert detector.feed(Reading(METER, 0, SHORTED, quality)) == []


# --- the fast path against the slow one, and the frequency of the network ---


def random_network(seed: int) -> Array:
    """Load that steps and breathes, faults, sags and outages, near every threshold there is."""
    chance = np.random.default_rng(seed)
    t = times(1600, 1.0, ONSET_S)
    amps = PICKUP * chance.choice([0.3, 0.88, 0.96, 1.02, 1.1, 1.5, 3.0])
    short = three_phase if seed % 3 else two_phase
    currents = short(
        t, amps, chance.uniform(0, 6.3), 0.04, (PICKUP * chance.uniform(0.1, 0.95), 0.3)
    )
    volts = healthy_volts(t) * chance.choice([0.1, 0.21, 0.79, 0.84, 0.86, 0.88, 1.0], (3, 1))
    returns = t > chance.uniform(0.3, 0.6)
    currents[:, returns] *= chance.uniform(0, 1)
    volts[:, returns] = healthy_volts(t)[:, returns]
    return np.rint(
        counts(currents, volts) + chance.normal(0, chance.choice([0, 4, 40]), (6, t.size))
    )


@pytest.mark.parametrize("seed", range(24))
def test_what_the_fast_path_skips_is_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = random_network(seed)
    fast = detect(samples, 1600, block=8)

    monkeypatch.setattr("agent.detect.quiet.Quiet.moved", lambda *_: np.ones(1, dtype=np.bool_))
    assert detect(samples, 1600, block=8) == fast


def two_bays(seed: int, block: int) -> list[Event]:
    """A feeder with 3I0 of its own beside one without voltages, of one source, in blocks."""
    first, second = random_network(seed), random_network(seed + 1000)
    samples = np.concatenate((first, second[:3], np.rint(second[:3].sum(axis=0, keepdims=True))))
    channels = tuple(Channel(str(k), "A") for k in range(10))
    wired = Layout("wire", channels, Fraction(1600))
    other = {role: Tap(6 + k, 0.5) for k, role in enumerate(("ia", "ib", "ic", "i0"))}
    shared = {role: tap for role, tap in TAPS.items() if role[0] == "u"}
    bays = [(BAY, TAPS), (replace(BAY, name="other"), other | (shared if seed % 2 else {}))]
    detector = Detector(wired, [(bay, defaults(bay), taps) for bay, taps in bays])
    events: list[Event] = []
    for k in range(0, samples.shape[1], block):
        events += detector.feed(Block(wired, k, 0, samples[:, k : k + block]))
    return events


@pytest.mark.parametrize("seed", range(16))
def test_bays_that_share_a_source_do_not_disturb_each_other(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = two_bays(seed, 8)
    assert two_bays(seed, 13) == fast

    monkeypatch.setattr("agent.detect.quiet.Quiet.moved", lambda *_: np.ones(2, dtype=np.bool_))
    assert two_bays(seed, 8) == fast


@pytest.mark.parametrize("seed", range(24))
def test_between_crossings_and_timers_no_element_has_anything_to_say(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = random_network(seed)
    stepped_where_needed = detect(samples, 1600, block=8)

    monkeypatch.setattr(
        "agent.detect.crossings.Crossings.of",
        lambda _, sight, bays: [list(range(sight.shape[2]))] * len(bays),
    )
    assert detect(samples, 1600, block=8) == stepped_where_needed


RAMP_HZ_PER_S = 5.0  # as fast as a network with any machine in it goes


def drifting(hz: float, seconds: float) -> Array:
    """A feeder whose frequency leaves 50 Hz after 0.3 s and goes to `hz`."""
    t = np.arange(round(seconds * 1600)) / 1600
    gone = np.clip((t - 0.3) * RAMP_HZ_PER_S, 0.0, abs(hz - 50))
    angle = 2 * np.pi * np.cumsum(50 + np.sign(hz - 50) * gone) / 1600
    wave = 2**0.5 * np.cos(angle + np.array([[0.0], [-2 * np.pi / 3], [2 * np.pi / 3]]))
    return counts(300.0 * wave, 5773.5 * wave)


@pytest.mark.parametrize("hz", [45.0, 47.5, 49.0, 51.2, 53.0, 57.4, 61.0, 65.0])
def test_the_phasors_follow_the_frequency_of_the_network(hz: float) -> None:
    wired = layout(1600)
    detector = Detector(wired, [(BAY, defaults(BAY), TAPS)])
    samples = drifting(hz, 4.2)
    fault_at = 4 * 1600
    samples[0, fault_at:] *= 10  # phase A: 3,000 A
    before = detector.feed(Block(wired, 0, 0, samples[:, :fault_at]))
    assert {event.event for event in before} == {"frequency"}
    fault, *_ = faults(detector.feed(Block(wired, fault_at, 0, samples[:, fault_at:])))

    assert fault.kind == "AG"
    assert fault.voltages == pytest.approx([5773.5] * 3, rel=0.004)
    assert fault.currents[1:] == pytest.approx([300.0] * 2, rel=0.004)


def test_a_rate_too_low_for_a_frequency_is_not_tuned_to_it() -> None:
    wired = layout(420)  # 8.4 samples a cycle of 50 Hz, 7 of 60 Hz
    detector = Detector(wired, [(BAY, defaults(BAY), TAPS)])
    t = np.arange(2000) / 420
    wave = 2**0.5 * np.cos(2 * np.pi * 60 * t + np.array([[0.0], [-2.0944], [2.0944]]))
    detector.feed(Block(wired, 0, 0, counts(100.0 * wave, 5773.5 * wave)))
    assert detector._samples is not None
    assert detector._samples._front_end.frequency_mhz <= 52_500


def test_a_fault_does_not_tune_the_terminal_elsewhere() -> None:
    t = times(1600, 2.0, 0.5)
    short = two_phase(t, 4 * PICKUP, 1.0, 0.15, (250.0, -0.3))
    volts = healthy_volts(t) * np.where(t < 0, 1.0, 0.6)
    wired = layout(1600)
    detector = Detector(wired, [(BAY, defaults(BAY), TAPS)])
    for first in range(0, t.size, 8):
        detector.feed(Block(wired, first, 0, counts(short, volts)[:, first : first + 8]))
    assert detector._samples is not None
    assert detector._samples._front_end.frequency_mhz == 50_000


def test_a_source_that_feeds_no_bay_is_taken_all_the_same() -> None:
    detector = Detector(layout(1600), [])
    assert detector.feed(Block(layout(1600), 0, 0, np.zeros((6, 400)))) == []
    assert detector.meters() == []


def test_a_fault_states_the_harmonics_that_other_relays_go_by() -> None:
    t = times(4000, 0.3, ONSET_S)
    currents = three_phase(t, 3 * PICKUP, 0.4, 0.005)
    angle = 2 * np.pi * 50 * t
    currents[0] += np.where(t < 0, 0.0, 3 * PICKUP * np.sqrt(2) * 0.2 * np.cos(5 * angle))
    wired = layout(4000)
    detector = Detector(wired, [(BAY, defaults(BAY), TAPS)])
    samples = counts(currents, healthy_volts(t))
    (fault,) = faults(detector.feed(Block(wired, 0, 0, samples)))
    shares = {name: value for name, value in fault.why.items() if "share_" in name}
    assert set(shares) == {f"{n}_share_{p}" for n in ("second", "fifth") for p in "abc"}

    assert detector._samples is not None
    front_end = detector._samples._front_end  # the distortion goes on: its whole window now
    first, fifth = (front_end.harmonic(n, [0, 1]) for n in (1, 5))
    assert fifth / first == pytest.approx([0.2, 0.0], abs=0.002)


def anything(seed: int) -> tuple[Detector, Layout, Array, set[int]]:
    """Any rate, frequency, wiring, offsets, steps, noise and gaps: what must merely not matter."""
    chance = np.random.default_rng(seed)
    rate = int(chance.choice([800, 1000, 1600, 4000]))
    t = np.arange(int(rate * chance.uniform(0.5, 2.0))) / rate
    rows = []
    for _ in range(8):
        peak = chance.choice([0.0, 50.0, 300.0, 900.0, 9000.0])
        row = peak * np.cos(2 * np.pi * chance.uniform(44, 66) * t + chance.uniform(0, 6))
        begin, end = sorted(chance.integers(0, t.size, 2))
        row[begin:end] *= chance.uniform(0, 4)
        rows.append(row + chance.normal(0, chance.choice([0, 1, 20, 200]), t.size) + 100)
    channels = tuple(Channel(str(k), "A", 1.0, float(chance.choice([0, -100]))) for k in range(8))
    wired = Layout("wire", channels, Fraction(rate))
    roles = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0")
    taps = {r: Tap(k, float(chance.choice([0.25, 2.0]))) for k, r in enumerate(roles)}
    fewer = {role: tap for role, tap in taps.items() if chance.random() < 0.6}
    bays = [(BAY, taps), (replace(BAY, name="other"), fewer)]
    detector = Detector(wired, [(bay, defaults(bay), each) for bay, each in bays])
    return detector, wired, np.rint(rows), set(chance.integers(0, t.size, 2).tolist())


@pytest.mark.parametrize("seed", range(20))
def test_however_it_is_cut_whatever_comes_is_told_the_same(seed: int) -> None:
    stories = []
    for size in (3, 40, 1 << 30):
        detector, wired, samples, gaps = anything(seed)
        chance = np.random.default_rng(size)
        events: list[Event] = []
        ends = sorted({*gaps, samples.shape[1]} - {0})
        first = 0
        while first < samples.shape[1]:
            next_gap = next(end for end in ends if end > first)
            last = min(first + int(chance.integers(1, 2 * size)), next_gap)
            quality = Quality.GAP if first in gaps else Quality.GOOD
            events += detector.feed(Block(wired, first, 0, samples[:, first:last], quality))
            first = last
        detector.meters()
        stories.append(events)
    assert stories[0] == stories[1] == stories[2]
