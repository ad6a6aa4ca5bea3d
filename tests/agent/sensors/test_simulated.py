"""The simulated feeder against formulas of its own physics, and its pace on an injected clock."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
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
    # To the count: the load goes on, and its instants are rounded otherwise.
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
        ("nominal_volts", 0.0, "nominal_volts"),
        ("noise_db", float("nan"), "noise_db"),
        ("load_amps", -1.0, "load_amps"),
        ("load_amps", 10**400, "load_amps"),
        ("load_amps", True, "load_amps"),
        ("full_scale_amps", 0.0, "full_scale_amps"),
        ("full_scale_volts", -1.0, "full_scale_volts"),
        ("fifth_harmonic", 1e308, "fifth_harmonic"),
        ("seed", 2**64, "seed"),
        ("seed", -1, "seed"),
        ("seed", 1.0, "seed"),
        ("repeat_s", -1.0, "repeat_s"),
        ("script", 3, "script"),
        ("script", [3], "script"),
        ("script", [{"what": "dip", "at_s": 0, "for_s": 1, "depth": 0}], "script 1 depth"),
        ("script", [{"what": "dip", "at_s": 0, "for_s": 1, "phases": "N"}], "script 1 phases"),
        ("script", [{"what": "fault", "at_s": 0, "for_s": 1, "kind": "X"}], "script 1 kind"),
    ],
)
def test_an_impossible_option_is_told(option: str, value: object, word: str) -> None:
    with pytest.raises(SensorError, match=word):
        from_options("wire", {option: value}, lambda: 0)


def test_impossible_options_beside_each_other_are_all_told() -> None:
    script = [{"what": "fault", "at_s": -1, "for_s": 0, "amps": 0, "x_over_r": 0}]
    options = {"rate_hz": 100, "power_factor": 2.0, "repeat_s": -1, "script": script}
    with pytest.raises(SensorError) as caught:
        from_options("wire", options, lambda: 0)
    for word in ("rate_hz", "power_factor", "repeat_s", "at_s", "for_s", "amps", "x_over_r"):
        assert f"{word} = " in str(caught.value)


@given(
    kind=st.sampled_from(["AB", "BC", "CA"]),
    at_s=st.floats(0.0, 0.1),
    for_s=st.floats(0.02, 0.2),
    x_over_r=st.floats(1, 30),
)
def test_a_two_phase_fault_leaves_no_residual_from_inception_to_after_its_end(
    kind: str, at_s: float, for_s: float, x_over_r: float
) -> None:
    fault = Happening("fault", at_s, for_s, kind=kind, amps=2400.0, x_over_r=x_over_r)
    seen = primary(Waveform(QUIET, (fault,)), 0.4)
    assert np.abs(seen["i0"]).max() < 2.0
    assert np.abs(seen["ia"] + seen["ib"] + seen["ic"]).max() < 4.0  # three roundings
    assert max(np.abs(seen[name]).max() for name in ("ia", "ib", "ic")) > 2400


@pytest.mark.parametrize(("repeat_s", "frequency_hz"), [(0.407, 50.0), (0.5, 49.9)])
def test_a_round_that_is_no_whole_number_of_cycles_starts_from_the_load_too(
    repeat_s: float, frequency_hz: float
) -> None:
    feeder = Feeder(
        noise_db=200,
        fifth_harmonic=0,
        seventh_harmonic=0,
        repeat_s=repeat_s,
        frequency_hz=frequency_hz,
    )
    # So small a fault that a jump of the load would stand out: 433 A were seen, 23 A are allowed.
    fault = Happening("fault", at_s=0.1, for_s=0.1, kind="BC", amps=10.0)
    seen = primary(Waveform(feeder, (fault,)), 4 * repeat_s)
    steepest = 2 * np.pi * frequency_hz / RATE * np.sqrt(2) * (180 + 2 * 10) + 1
    assert max(np.abs(np.diff(seen[name])).max() for name in ("ib", "ic")) <= steepest
    for k in range(4):  # and in each round there is one
        begin = round((k * repeat_s + 0.1) * RATE)
        alone = primary(Waveform(replace(feeder, repeat_s=0.0), ()), 4 * repeat_s)["ib"]
        assert np.abs(seen["ib"] - alone)[begin : begin + 400].max() > 10


def test_as_fast_as_it_is_taken_no_time_passes() -> None:
    async def taken(pace: Pace) -> list[Any]:
        sensor = Simulated(
            name="s",
            waveform=Waveform(QUIET, ()),
            now_us=pace.now_us,
            real_time=False,
            sleep=pace.sleep,
        )
        async with contextlib.aclosing(sensor.stream()) as stream:
            return [await anext(stream) for _ in range(50)]

    pace = Pace()
    items = asyncio.run(taken(pace))
    assert [item.first for item in items] == list(range(0, 1000, 20))
    assert set(pace.slept) == {0}


def test_a_rate_that_does_not_divide_a_second_keeps_its_pace_too() -> None:
    odd = Feeder(rate_hz=3333, frequency_hz=60.0)
    items = asyncio.run(play(Pace(), Waveform(odd, ()), {5: 3_000_000}, 300))
    blocks = [item for item in items if isinstance(item, Block)]
    assert len(blocks) == 299
    whole = Waveform(odd, ())
    for block in blocks[-3:]:  # after the gap, the samples are those of their instants
        number = block.counts.shape[1]
        assert np.array_equal(block.counts, whole.counts(block.first, number))
