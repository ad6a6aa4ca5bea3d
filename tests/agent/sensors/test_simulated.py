"""The simulated feeder against formulas of its own physics, and its pace on an injected clock."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SensorError
from agent.records import Block, Notice, Quality
from agent.sensors.simulated import (
    CHANNELS,
    HALF_SCALE,
    Feeder,
    Happening,
    Simulated,
    Waveform,
    from_options,
)

RATE = 4000
QUIET = Feeder(noise_db=200, fifth_harmonic=0, seventh_harmonic=0)
FAULT = Happening("fault", at_s=0.1, for_s=0.1, kind="BC", amps=2400.0)


def primary(waveform: Waveform, seconds: float) -> dict[str, Any]:
    """Amperes and volts by channel."""
    counts = waveform.counts(0, round(seconds * RATE))
    scales = [channel.scale for channel in waveform.layout("s").channels]
    return {name: counts[k] * scales[k] for k, name in enumerate(CHANNELS)}


@given(first=st.integers(0, 9000), number=st.integers(1, 3000))
def test_a_sample_does_not_depend_on_how_it_is_asked_for(first: int, number: int) -> None:
    script = (FAULT, Happening("outage", 0.5, 0.3))
    whole = Waveform(Feeder(), script).counts(0, 12_000)
    part = Waveform(Feeder(), script).counts(first, number)
    assert np.array_equal(part, whole[:, first : first + number])


def test_another_seed_is_other_noise() -> None:
    one, two = (Waveform(Feeder(seed=seed), ()).counts(0, 400) for seed in (1, 2))
    assert not np.array_equal(one, two)
    assert np.abs(one - two).max() < 100  # noise, not another feeder


def test_load_and_voltage_are_what_the_options_say() -> None:
    seen = primary(Waveform(QUIET, ()), 1.0)
    rms = {name: float(np.sqrt(np.mean(values**2))) for name, values in seen.items()}
    assert rms["ia"] == pytest.approx(180.0, rel=2e-3)
    assert rms["ub"] == pytest.approx(10_000 / 3**0.5, rel=1e-3)
    assert rms["i0"] < 1.0
    assert rms["u0"] < 1.0
    # Power factor: mean of u*i over U*I.
    power = float(np.mean(seen["ua"] * seen["ia"]))
    assert power / (rms["ua"] * rms["ia"]) == pytest.approx(0.95, abs=2e-3)


@pytest.mark.parametrize("kind", ["AG", "BC", "CA", "ABG", "ABC"])
def test_a_fault_sets_out_from_the_load_and_ends_at_a_zero(kind: str) -> None:
    fault = Happening("fault", at_s=0.1, for_s=0.1, kind=kind, amps=2400.0, x_over_r=10)
    seen = primary(Waveform(QUIET, (fault,)), 0.4)
    steepest = 2 * np.pi * 50 / RATE * np.sqrt(2) * 2 * (2400 + 180)  # offset and AC together
    for phase in kind.replace("G", ""):
        current = seen[f"i{phase.lower()}"]
        assert np.abs(np.diff(current[390:420])).max() <= steepest
        # Cleared at a zero: from one sample to the next nothing of the fault's size is cut off.
        assert np.abs(np.diff(current[790:900])).max() <= steepest
        assert np.abs(current[400:800]).max() > 2400
        assert np.abs(current[900:]).max() < 1.1 * 180 * np.sqrt(2)


def test_a_two_phase_fault_has_no_residual_and_an_earth_fault_has() -> None:
    two = primary(Waveform(QUIET, (FAULT,)), 0.2)
    assert np.abs(two["i0"]).max() < 2.0
    earth = Happening("fault", at_s=0.1, for_s=0.1, kind="AG", amps=2400.0)
    one = primary(Waveform(QUIET, (earth,)), 0.2)
    assert np.abs(one["i0"]).max() > 2400


def test_the_steady_part_of_a_fault_has_its_amperes() -> None:
    fault = Happening("fault", at_s=0.1, for_s=1.0, kind="ABC", amps=2400.0, x_over_r=3)
    quiet = Feeder(noise_db=200, load_amps=0)
    current = primary(Waveform(quiet, (fault,)), 1.0)["ia"][-1600:]
    assert float(np.sqrt(np.mean(current**2))) == pytest.approx(2400.0, rel=1e-3)


def test_an_outage_is_dead_and_a_dip_is_low() -> None:
    script = (Happening("outage", 0.1, 0.1, phases="B"), Happening("dip", 0.3, 0.1, depth=0.4))
    seen = primary(Waveform(QUIET, script), 0.4)
    assert np.abs(seen["ub"][400:800]).max() < 1.0
    assert np.abs(seen["ib"][400:800]).max() < 1.0
    assert np.abs(seen["ua"][400:800]).max() > 8000
    assert np.abs(seen["ua"][1200:1600]).max() == pytest.approx(0.6 * 8165, rel=0.01)


def test_the_script_repeats() -> None:
    again = Feeder(noise_db=200, repeat_s=1.0)
    counts = Waveform(again, (FAULT,)).counts(0, 3 * RATE)
    # To the count: the instants of the second round are rounded otherwise.
    assert np.abs(counts[:, RATE : 2 * RATE] - counts[:, 2 * RATE :]).max() <= 1


class Pace:
    """A clock and a sleep that move only each other."""

    def __init__(self) -> None:
        self.now = 5_000_000
        self.slept: list[float] = []

    def now_us(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += round(seconds * 1e6)


async def play(pace: Pace, waveform: Waveform, late: dict[int, int], number: int) -> list[Any]:
    """The first items; after item k the consumer is busy for late[k] us."""
    sensor = Simulated(name="s", waveform=waveform, now_us=pace.now_us, sleep=pace.sleep)
    items: list[Any] = []
    async with contextlib.aclosing(sensor.stream()) as stream:
        async for item in stream:
            if isinstance(item, Block):
                # Never before its last sample's instant has passed.
                assert pace.now >= item.sample_us(item.first + item.counts.shape[1])
            items.append(item)
            pace.now += late.get(len(items), 0)
            if len(items) == number:
                break
    return items


def test_blocks_come_when_their_last_sample_has_passed() -> None:
    items = asyncio.run(play(Pace(), Waveform(QUIET, ()), {}, 10))
    assert [item.first for item in items] == list(range(0, 200, 20))  # a quarter cycle
    assert all(item.quality is Quality.GOOD for item in items)


def test_a_consumer_that_is_a_little_late_loses_nothing() -> None:
    items = asyncio.run(play(Pace(), Waveform(QUIET, ()), {3: 900_000}, 200))
    assert [item.first for item in items] == list(range(0, 4000, 20))


def test_a_consumer_that_is_three_seconds_late_finds_a_gap_that_is_counted() -> None:
    items = asyncio.run(play(Pace(), Waveform(QUIET, ()), {3: 3_000_000}, 6))
    assert isinstance(items[3], Notice)
    assert items[3].state == "stalled"
    assert items[4].quality & Quality.GAP
    missed = items[4].first - (items[2].first + 20)
    assert f"{missed} samples missed" in items[3].detail
    assert abs(missed / RATE - 3.0) < 0.1
    assert items[5].quality is Quality.GOOD


def test_the_converters_stop_is_marked() -> None:
    small = Feeder(full_scale_amps=100)
    (block,) = asyncio.run(play(Pace(), Waveform(small, ()), {}, 1))
    assert block.quality & Quality.OVERRANGE
    assert np.abs(block.counts).max() == HALF_SCALE


def test_all_wrong_options_are_told_at_once() -> None:
    options = {
        "rate_hz": "fast",
        "colour": 1,
        "speed": "slow",
        "script": [{"what": "fault", "at_s": 1}, {"what": "rain", "at_s": 0, "for_s": 1}],
    }
    with pytest.raises(SensorError) as caught:
        from_options("wire", options, lambda: 0)
    for word in ("rate_hz", "colour", "speed", "script 1 for_s", "script 2 what = 'rain'"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        ("rate_hz", 100, "rate_hz"),
        ("frequency_hz", 0.0, "frequency_hz"),
        ("power_factor", 2.0, "power_factor"),
        ("nominal_volts", 0.0, "expected volts"),
        ("noise_db", float("nan"), "noise_db"),
        ("script", 3, "script"),
    ],
)
def test_an_impossible_option_is_told(option: str, value: object, word: str) -> None:
    with pytest.raises(SensorError, match=word):
        from_options("wire", {option: value}, lambda: 0)
