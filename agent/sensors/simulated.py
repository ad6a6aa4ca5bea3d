"""A loaded 10 kV feeder that is not there: samples with harmonics, noise and scripted happenings.

A sample is a function of (options, its index) alone: the same seed gives the same samples for any
block size and at any speed. This is the demo's and the tests' feeder; the network's physics, with
sources and impedances, belongs to the rig.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, replace
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
LARGEST = 1e15  # of any number among the options; what is beyond is a slip, and may overflow
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
        phases_exist = self.phases != "" and all(phase in PHASES for phase in self.phases)
        return _complaints(
            self,
            what=(self.what in ("fault", "outage", "dip"), "fault, outage or dip"),
            kind=(self.kind in FAULT_KINDS, f"one of {', '.join(FAULT_KINDS)}"),
            phases=(phases_exist, f"some of {PHASES}"),
            at_s=(self.at_s >= 0, "0 or more"),
            for_s=(self.for_s > 0, "above 0"),
            amps=(self.amps > 0, "above 0"),
            x_over_r=(self.x_over_r > 0, "above 0"),
            depth=(0 < self.depth <= 1, "above 0, up to 1"),
        )


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
        return _complaints(
            self,
            rate_hz=(800 <= self.rate_hz <= 51_200, "800 to 51200"),
            frequency_hz=(45 <= self.frequency_hz <= 65, "45 to 65"),
            nominal_volts=(self.nominal_volts > 0, "above 0"),
            load_amps=(self.load_amps >= 0, "0 or more"),
            power_factor=(0 < self.power_factor <= 1, "above 0, up to 1"),
            noise_db=(self.noise_db >= 0, "0 or more"),
            full_scale_amps=(self.full_scale_amps > 0, "above 0"),
            full_scale_volts=(self.full_scale_volts > 0, "above 0"),
            seed=(self.seed >= 0, "0 or more"),
            repeat_s=(self.repeat_s >= 0, "0 or more"),
        )


def _complaints(table: Feeder | Happening, **checks: tuple[bool, str]) -> str:
    """Every field that is impossible, and what was expected of it; "" when none is."""
    return "; ".join(
        f"{key} = {getattr(table, key)!r}; expected {expected}"
        for key, (right, expected) in checks.items()
        if not right
    )


class Waveform:
    """The feeder's samples, span by span."""

    def __init__(self, feeder: Feeder, script: tuple[Happening, ...]) -> None:
        self.feeder = feeder
        self._script = script
        self._omega = 2 * np.pi * feeder.frequency_hz
        self._period = round(feeder.repeat_s * feeder.rate_hz)
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
            rounds, since = self._since(happening, indices)
            for number in np.unique(rounds):
                at_s = happening.at_s + number * self._period / self.feeder.rate_hz
                of_round = np.where(rounds == number, since, -1.0)
                self._happen(replace(happening, at_s=at_s), of_round, currents, volts)
        return np.concatenate(
            (currents, currents.sum(axis=0)[None], volts, volts.sum(axis=0)[None] / 3)
        )

    def _since(
        self, happening: Happening, indices: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], Array]:
        """Round of the script at each sample, and the seconds since the happening began in it.
        Rounds are whole samples, so that every one has the very same instants; the load, whose
        cycles need not fit into a round, goes on from one to the next.
        """
        rate = self.feeder.rate_hz
        rounds = np.zeros_like(indices)
        if self._period:
            rounds = np.maximum(indices - int(happening.at_s * rate), 0) // self._period
        return rounds, np.asarray((indices - rounds * self._period) / rate - happening.at_s)

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
        """Each faulted phase carries, beside the load, the fault's current until its first zero
        after the end.
        """
        for phase in fault.kind.replace("G", ""):
            row = PHASES.index(phase)
            end_s = self._first_zero(fault, row)
            carries = (since >= 0) & (since < end_s)
            currents[row, carries] += self._added(fault, row, since[carries])
        faulted = np.ix_([PHASES.index(phase) for phase in fault.kind.replace("G", "")], during)
        left = SAGGED * volts[faulted]
        if fault.kind in ("AB", "BC", "CA"):  # what lies between the two goes, and U0 stays
            left += (1 - SAGGED) * volts[faulted].mean(axis=0)
        volts[faulted] = left

    def _first_zero(self, fault: Happening, row: int) -> float:
        """When what the fault adds goes out, on the happening's axis: in both phases of one loop
        at once, so that they leave no residual. [s]
        """
        cycle_s = 1 / self.feeder.frequency_hz
        after = fault.for_s + np.arange(0, 2 * cycle_s, 1e-5)
        signs = np.sign(self._added(fault, row, after))
        turns = np.flatnonzero(signs[1:] != signs[:-1])
        return float(after[turns[0]]) if turns.size else fault.for_s

    def _added(self, fault: Happening, row: int, since: Array) -> Array:
        """Instantaneous current that the fault adds to the load's, since its inception. It sets
        out from zero: the current of an inductance cannot jump.
        """
        angle = self._omega * fault.at_s + self._fault_angle(fault, row)
        steady = np.cos(self._omega * since + angle)
        offset = np.cos(angle) * np.exp(-since * self._omega / fault.x_over_r)
        return np.asarray(_ROOT2 * fault.amps * (steady - offset))

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
            limit = "" if types[key] == "str" else f" within {LARGEST:g}"
            wrong.append(f"{where}{key} = {value!r}: expected a {types[key]}{limit}")
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
    if not abs(value) < LARGEST:  # neither is what is not a number
        return False
    return expected == "float" or isinstance(value, int)
