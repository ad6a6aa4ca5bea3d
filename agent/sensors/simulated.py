"""A loaded 10 kV feeder that is not there: samples with harmonics, noise and scripted happenings.

A sample is a function of (options, its index) alone: the same seed gives the same samples for any
block size and at any speed. This is the demo's and the tests' feeder; the network's physics, with
sources and impedances, belongs to the rig.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from agent.errors import SensorError
from agent.records import FAULT_KINDS, PHASES, Block, Channel, Layout, Notice, Quality

Array = npt.NDArray[np.float64]

CHANNELS = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0")
SPAN = 1024  # samples computed at once; noise is drawn for whole spans
HALF_SCALE = 32767  # a 16-bit converter
LATE_US = 1_000_000  # a consumer that is later than this has missed what lies between
SAGGED = 0.4  # voltage left in a faulted phase at the feeder head
_SHIFTS = np.array([0.0, -2.0, 2.0]) * np.pi / 3
_ROOT2 = np.sqrt(2.0)


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the script.

    what: "fault" (kind, amps RMS, x_over_r), "outage" (phases) or "dip" (depth, 0..1, phases).
    at_s, for_s: since the first sample, and how long.
    """

    what: str
    at_s: float
    for_s: float
    kind: str = "ABC"
    amps: float = 3000.0
    x_over_r: float = 8.0
    phases: str = PHASES
    depth: float = 0.5

    def wrong(self) -> str:
        """What is impossible about it, or ""."""
        if self.what not in ("fault", "outage", "dip"):
            return f"what = {self.what!r}; expected fault, outage or dip"
        if self.kind not in FAULT_KINDS:
            return f"kind = {self.kind!r}; expected one of {', '.join(FAULT_KINDS)}"
        if not self.phases or any(phase not in PHASES for phase in self.phases):
            return f"phases = {self.phases!r}; expected some of {PHASES}"
        if not (self.at_s >= 0 and self.for_s > 0 and self.amps > 0 and self.x_over_r > 0):
            return "expected at_s from 0, and for_s, amps and x_over_r above 0"
        return "" if 0 < self.depth <= 1 else f"depth = {self.depth!r}; expected above 0, up to 1"


@dataclass(frozen=True, slots=True)
class Feeder:
    """What flows when nothing happens, and how it is sampled. Amperes and volts primary, RMS.

    noise_db: below the nominal load and voltage. full_scale_*: peak that the converter can hold.
    repeat_s: the script begins anew after so long; 0 = it runs once.
    """

    rate_hz: int = 4000
    frequency_hz: float = 50.0
    nominal_volts: float = 10_000.0
    load_amps: float = 180.0
    power_factor: float = 0.95
    fifth_harmonic: float = 0.03
    seventh_harmonic: float = 0.02
    noise_db: float = 60.0
    full_scale_amps: float = 20_000.0
    full_scale_volts: float = 20_000.0
    seed: int = 1
    repeat_s: float = 0.0

    def wrong(self) -> str:
        """What is impossible about it, or ""."""
        if not 800 <= self.rate_hz <= 51_200:
            return f"rate_hz = {self.rate_hz}; expected 800 to 51200"
        if not 45 <= self.frequency_hz <= 65:
            return f"frequency_hz = {self.frequency_hz}; expected 45 to 65"
        if not 0 < self.power_factor <= 1:
            return f"power_factor = {self.power_factor}; expected above 0, up to 1"
        sizes = (self.nominal_volts, self.full_scale_amps, self.full_scale_volts)
        if min(sizes) <= 0 or min(self.load_amps, self.seed, self.repeat_s, self.noise_db) < 0:
            return "expected volts and full scales above 0, load, seed, noise_db, repeat_s from 0"
        return ""


class Waveform:
    """The feeder's samples, span by span."""

    def __init__(self, feeder: Feeder, script: tuple[Happening, ...]) -> None:
        self.feeder = feeder
        self._script = script
        self._omega = 2 * np.pi * feeder.frequency_hz
        self._scales = np.array(
            [feeder.full_scale_amps / HALF_SCALE] * 4 + [feeder.full_scale_volts / HALF_SCALE] * 4
        )[:, None]
        self._latest: tuple[int, Array] | None = None

    def layout(self, sensor: str) -> Layout:
        """Channels ia ... u0 in primary units."""
        channels = tuple(
            Channel(name, "A" if name[0] == "i" else "V", float(scale), phase=phase)
            for name, scale, phase in zip(CHANNELS, self._scales[:, 0], "ABCNABCN", strict=True)
        )
        return Layout(sensor, channels, Fraction(self.feeder.rate_hz))

    def counts(self, first: int, number: int) -> Array:
        """Counts of samples first ... first+number-1, shape (8, number)."""
        spans = range(first // SPAN, (first + number - 1) // SPAN + 1)
        held = np.concatenate([self._span(k) for k in spans], axis=1)
        begin = first - spans.start * SPAN
        return held[:, begin : begin + number]

    def _span(self, k: int) -> Array:
        if self._latest is None or self._latest[0] != k:
            self._latest = k, self._sampled(k)
        return self._latest[1]

    def _sampled(self, k: int) -> Array:
        """A span through the converter: noise added, rounded, clipped at full scale."""
        feeder = self.feeder
        indices = np.arange(k * SPAN, (k + 1) * SPAN)
        chance = np.random.Generator(np.random.Philox(key=feeder.seed, counter=[0, 0, 0, k]))
        sizes = np.array([max(feeder.load_amps, 1.0)] * 4 + [feeder.nominal_volts / 3**0.5] * 4)
        noise = chance.standard_normal((8, SPAN)) * sizes[:, None] * 10 ** (-feeder.noise_db / 20)
        counts: Array = np.rint((self._primary(indices) + noise) / self._scales)
        return counts.clip(-HALF_SCALE, HALF_SCALE)

    def _primary(self, indices: npt.NDArray[np.int64]) -> Array:
        """Amperes and volts of all channels at these samples."""
        t = indices / self.feeder.rate_hz
        currents, volts = self._load(t), self._volts(t)
        for happening in self._script:
            self._happen(happening, self._since(happening, indices), currents, volts)
        return np.concatenate(
            (currents, currents.sum(axis=0)[None], volts, volts.sum(axis=0)[None] / 3)
        )

    def _since(self, happening: Happening, indices: npt.NDArray[np.int64]) -> Array:
        """Seconds since the happening began, anew in each round of the script. Rounds are whole
        samples, so that every one has the very same instants.
        """
        rate = self.feeder.rate_hz
        if period := round(self.feeder.repeat_s * rate):
            rounds = np.maximum(indices - int(happening.at_s * rate), 0) // period
            indices = indices - rounds * period
        return np.asarray(indices / rate - happening.at_s)

    def _happen(self, happening: Happening, since: Array, currents: Array, volts: Array) -> None:
        during = (since >= 0) & (since < happening.for_s)
        if happening.what == "fault":
            self._short(happening, since, currents, volts, during)
            return
        for row in (PHASES.index(phase) for phase in happening.phases):
            if happening.what == "outage":
                currents[row, during] = 0.0
                volts[row, during] = 0.0
            else:
                volts[row, during] *= 1 - happening.depth

    def _short(
        self, fault: Happening, since: Array, currents: Array, volts: Array, during: Any
    ) -> None:
        """Each faulted phase carries the fault's current until its first zero after the end."""
        for phase in fault.kind.replace("G", ""):
            row = PHASES.index(phase)
            end_s = self._first_zero(fault, row)
            carries = (since >= 0) & (since < end_s)
            currents[row, carries] = self._fault_current(fault, row, since[carries])
            volts[row, during] *= SAGGED

    def _first_zero(self, fault: Happening, row: int) -> float:
        """When the arc in this phase goes out, on the happening's axis. [s]"""
        cycle_s = 1 / self.feeder.frequency_hz
        after = fault.for_s + np.arange(0, 2 * cycle_s, 1e-5)
        signs = np.sign(self._fault_current(fault, row, after))
        turns = np.flatnonzero(signs[1:] != signs[:-1])
        return float(after[turns[0]]) if turns.size else fault.for_s

    def _fault_current(self, fault: Happening, row: int, since: Array) -> Array:
        """Instantaneous current since the inception: the load's, and on it what the fault adds,
        which sets out from zero, since the current of an inductance cannot jump.
        """
        angle = self._omega * fault.at_s + self._fault_angle(fault, row)
        steady = np.cos(self._omega * since + angle)
        offset = np.cos(angle) * np.exp(-since * self._omega / fault.x_over_r)
        load = self._load(fault.at_s + since)[row]
        return np.asarray(load + _ROOT2 * fault.amps * (steady - offset))

    def _fault_angle(self, fault: Happening, row: int) -> float:
        """Angle of the fault current: the driving voltage's, less that of the impedance."""
        lag = float(np.arctan(fault.x_over_r))
        pairs = {"AB": (0, np.pi / 6), "BC": (1, -np.pi / 2), "CA": (2, 5 * np.pi / 6)}
        if fault.kind in pairs:  # one loop: out through the first phase, back through the second
            first, drive = pairs[fault.kind]
            return drive - lag + (0.0 if row == first else np.pi)
        return float(_SHIFTS[row]) - lag

    def _load(self, t: Array) -> Array:
        """Load currents with their harmonics, (3, n)."""
        feeder = self.feeder
        angle = self._omega * t + _SHIFTS[:, None] - np.arccos(feeder.power_factor)
        shape = (
            np.cos(angle)
            + feeder.fifth_harmonic * np.cos(5 * angle + 0.7)
            + feeder.seventh_harmonic * np.cos(7 * angle - 0.4)
        )
        return np.asarray(_ROOT2 * feeder.load_amps * shape)

    def _volts(self, t: Array) -> Array:
        """Phase voltages, with a third of the load's fifth harmonic, (3, n)."""
        feeder = self.feeder
        angle = self._omega * t + _SHIFTS[:, None]
        shape = np.cos(angle) + feeder.fifth_harmonic / 3 * np.cos(5 * angle + 0.2)
        return np.asarray(_ROOT2 / 3**0.5 * feeder.nominal_volts * shape)


class Simulated:
    """The driver: blocks of a quarter cycle, at their instants or as fast as they are taken."""

    def __init__(
        self,
        *,
        name: str,
        waveform: Waveform,
        now_us: Callable[[], int],
        real_time: bool = True,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self._waveform = waveform
        self._now_us = now_us
        self._real_time = real_time
        self._sleep = sleep

    async def stream(self) -> AsyncGenerator[Block | Notice, None]:
        """Endless; a consumer that comes more than a second late finds a gap."""
        feeder = self._waveform.feeder
        layout = self._waveform.layout(self.name)
        size = max(1, int(feeder.rate_hz / feeder.frequency_hz / 4))
        start_us = self._now_us()
        first = 0
        quality = Quality.GOOD
        while True:
            due_us = start_us + (first + size) * 1_000_000 // feeder.rate_hz
            late_us = await self._wait(due_us)
            if late_us > LATE_US:
                missed = late_us * feeder.rate_hz // 1_000_000 // size * size
                yield Notice(self.name, self._now_us(), "stalled", f"{missed} samples missed")
                first += missed
                quality = Quality.GAP
                continue
            counts = self._waveform.counts(first, size)
            if np.abs(counts).max() >= HALF_SCALE:
                quality |= Quality.OVERRANGE
            yield Block(layout, first, start_us, counts, quality)
            first += size
            quality = Quality.GOOD

    async def _wait(self, due_us: int) -> int:
        """Until the instant, when there is a pace to keep; how late it is then. [us]"""
        if not self._real_time:
            await self._sleep(0)
            return 0
        await self._sleep(max(0, due_us - self._now_us()) / 1e6)
        return self._now_us() - due_us


def from_options(name: str, options: Mapping[str, Any], now_us: Callable[[], int]) -> Simulated:
    """The driver as its table in the site file asks for it: the fields of Feeder, `speed`, and
    `script`, a list of tables with the fields of Happening.

    Raises: SensorError that names every option that cannot be taken.
    """
    wrong: list[str] = []
    plain = {k: v for k, v in options.items() if k not in ("speed", "script")}
    feeder = _made(Feeder, plain, "", wrong)
    script = [
        _made(Happening, table, f"script {number} ", wrong)
        for number, table in enumerate(_tables(options.get("script", []), wrong), start=1)
    ]
    speed = options.get("speed", "real_time")
    if speed not in ("real_time", "fast"):
        wrong.append(f"speed = {speed!r}: neither real_time nor fast")
    if wrong or feeder is None:
        raise SensorError(f"sensor {name}", "; ".join(wrong), "the options of docs/site-file.md")
    happenings = tuple(happening for happening in script if happening is not None)
    return Simulated(
        name=name,
        waveform=Waveform(feeder, happenings),
        now_us=now_us,
        real_time=speed == "real_time",
    )


def _tables(script: Any, wrong: list[str]) -> list[Mapping[str, Any]]:
    if isinstance(script, list | tuple) and all(isinstance(table, Mapping) for table in script):
        return list(script)
    wrong.append("script: not a list of tables")
    return []


_Kind = TypeVar("_Kind", Feeder, Happening)


def _made(
    kind: type[_Kind], table: Mapping[str, Any], where: str, wrong: list[str]
) -> _Kind | None:
    """A frozen record of a table whose values have the types of its fields; None when wrong."""
    types = {field.name: field.type for field in fields(kind)}
    before = len(wrong)
    for key, value in table.items():
        if key not in types:
            wrong.append(f"{where}{key}: unknown; expected one of {', '.join(types)}")
        elif not _fits(value, str(types[key])):
            wrong.append(f"{where}{key} = {value!r}: expected a {types[key]}")
    needed = {"what", "at_s", "for_s"} & types.keys() - table.keys()
    wrong += [f"{where}{key}: missing" for key in sorted(needed)]
    if len(wrong) > before:
        return None
    made = kind(**table)
    if complaint := made.wrong():
        wrong.append(where + complaint)
        return None
    return made


def _fits(value: Any, expected: str) -> bool:
    if expected == "str":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return bool(np.isfinite(value)) and (expected == "float" or isinstance(value, int))
