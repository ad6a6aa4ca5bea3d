"""Meters over Modbus, serial or TCP: RMS values and states, up to a hundred times a second.

A value is only what the meter stated for that register in answer to this very request. What the
meter means stands in its profile, the line it hangs on in modbus_line.py, its turns on a line that
it shares in modbus_bus.py, and whether it can be believed in truth.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any
from weakref import WeakValueDictionary

from agent.errors import SensorError
from agent.records import Layout, Notice, Quality, Reading
from agent.sensors import profile as profiles
from agent.sensors.modbus_bus import Bus
from agent.sensors.modbus_frame import Question, Refused
from agent.sensors.modbus_line import Away, SerialLine, TcpLine
from agent.sensors.registers import Profile, Read, prefixes
from agent.sensors.truth import Truth

# After a failure the next attempt waits so long, doubling: a dead meter must not be hammered.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
# Noise costs a unit an answer now and then; only one that fails so often in a row, or that never
# answered, is as good as dead, and takes its turns from what is left to the dead.
DEAD_AFTER = 3
STALL_PERIODS = 3  # polls without an answer before it is called a stall
REFUSED_POLLS = 3  # polls with a refusal, in a row, before it is told: its register map is wrong
# A gateway's word for a unit that does not answer it (application protocol 1.1b3, 7).
GATEWAY_FAILED = (0x0A, 0x0B)
UNITS_ON_A_LINE = (1, 247)  # serial line specification 1.02, 2.2

# The lines that are in use, so that several sensors share one: each lives as long as they do.
_BUSES: WeakValueDictionary[str, Bus] = WeakValueDictionary()


class Modbus:
    """One unit on a line, polled every `period_ms`."""

    def __init__(
        self,
        *,
        name: str,
        bus: Bus,
        unit: int,
        profile: Profile,
        period_ms: float,
        timeout_ms: float,
        now_us: Callable[[], int],
    ) -> None:
        self.name = name
        self._bus, self._unit = bus, unit
        self._profile = profile
        self._period_us = round(period_ms * 1000)
        self._timeout_s = timeout_ms / 1000
        self._now_us = now_us
        self._layout = Layout(name, profile.channels())
        self._truth = Truth(profile.measured_points())
        self._doubt = Doubt(profile) if not bus.line.numbered else None
        self._answered = False  # ever
        self._failed = 0  # polls in a row
        self.failures = 0  # polls without the answers that fit, ever
        self._refusal = ""  # of this poll
        self._refused = 0  # polls in a row

    async def stream(self) -> AsyncGenerator[Reading | Notice, None]:
        """Endless: a reading a period while the meter answers, and notices when that changes."""
        state = ""
        heard_us = due_us = self._now_us()
        with self._bus.in_use():
            while True:
                try:
                    reading = await self._poll()
                except Away as away:
                    silent_us = self._now_us() - heard_us
                    if state != "stalled" and silent_us > STALL_PERIODS * self._period_us:
                        state = "stalled"
                        yield Notice(self.name, self._now_us(), "stalled", str(away))
                    elif state != "stalled":
                        state = "away"
                    await self._back_off()
                    continue
                if state in ("stalled", "away"):
                    tries = f"after {self._failed} polls that failed"
                    yield Notice(self.name, reading.t_us, "reconnected", tries)
                told = self._complaint()
                if told and state != "lying":
                    yield Notice(self.name, reading.t_us, "lying", told)
                state = "lying" if told else "live"
                heard_us, self._failed, self._answered = reading.t_us, 0, True
                yield reading
                # The next whole period from now: polls that were missed are not made up for.
                behind = max(0, self._now_us() - due_us) // self._period_us
                due_us += (behind + 1) * self._period_us
                await asyncio.sleep(max(0, due_us - self._now_us()) / 1e6)

    def _complaint(self) -> str:
        """What is wrong with what it answered; empty when nothing is."""
        return self._truth.complaint or (self._refusal if self._refused >= REFUSED_POLLS else "")

    async def _back_off(self) -> None:
        self.failures += 1
        self._failed += 1
        doubled = FIRST_PAUSE_S * 2 ** min(self._failed - 1, 16)  # far beyond the longest
        await asyncio.sleep(min(doubled, LONGEST_PAUSE_S))

    async def _poll(self) -> Reading:
        """All points once, and once more those that jumped. Raises: Away."""
        if self._doubt:
            await self._doubt.resolve(self._ask)
        asked_us, self._refusal = self._now_us(), ""
        image = {read: await self._told(read) for read in self._profile.reads}
        values = self._profile.values(image)
        if doubtful := self._truth.doubts(values):
            for read in self._profile.reads_of(doubtful):
                image[read] = await self._told(read)
            values = self._truth.settle(values, self._profile.values(image), doubtful)
        # Between request and answer, so never later than the meter looked.
        middle_us = (asked_us + self._now_us()) // 2
        quality = self._truth.judge(values)
        self._refused = self._refused + 1 if self._refusal else 0
        if self._refusal:
            quality |= Quality.INVALID
        return Reading(self._layout, middle_us, tuple(values), quality)

    async def _told(self, read: Read) -> list[int] | None:
        """The registers; None when the meter refuses them by an exception. Raises: Away."""
        try:
            return await self._ask(read)
        except Refused as refused:
            what = f"refuses {read.space} {read.address}, {read.count} of them"
            self._refusal = self._refusal or f"{what}: {refused}"
            return None

    async def _ask(self, read: Read) -> list[int]:
        """Raises: Away, Refused."""
        question = Question(self._unit, read.space, read.address, read.count)
        try:
            probing = self._failed >= (DEAD_AFTER if self._answered else 1)
            return await self._bus.ask(question, self._timeout_s, probing=probing)
        except Refused as refused:
            if refused.code in GATEWAY_FAILED:
                raise Away(f"{self._bus.line.name}: unit {self._unit} is silent") from refused
            raise
        except Away as away:
            if self._doubt:
                self._doubt.owe(read)
            raise Away(f"unit {self._unit} on {away}") from away


class Doubt:
    """Answers of a unit that may still come, on a line whose answers carry no number.

    The line has been quiet for as long as the unit may take at worst; should it take longer still,
    only the length of an answer tells it from another. So after a failure the unit is first asked
    for registers of a length that no answer still to come can have. Units answer in order: with
    that answer all earlier ones are behind us.
    """

    def __init__(self, profile: Profile) -> None:
        self._soundings = prefixes(profile.points, profile.reads)
        self._owed: set[tuple[str, int]] = set()

    def owe(self, read: Read) -> None:
        """The answer to this read may still come."""
        self._owed.add((read.space, read.count))

    async def resolve(self, ask: Callable[[Read], Awaitable[object]]) -> None:
        """Until what comes is the answer to what is asked. Raises: Away."""
        while self._owed:
            fresh = (r for r in self._soundings if (r.space, r.count) not in self._owed)
            sounding = next(fresh, None)
            if sounding is None:  # every length is owed: only the quiet line stands for it
                self._owed.clear()
                return
            try:
                await ask(sounding)
                self._owed.clear()
            except Refused:  # says nothing of its question's length
                self.owe(sounding)


def from_options(name: str, options: Mapping[str, Any], now_us: Callable[[], int]) -> Modbus:
    """The driver as its table in the site file asks for it. Raises: SensorError, SiteError.

    serial, baud, parity, stop_bits or host, port; unit, profile, period_ms, timeout_ms.
    """
    ways = [key for key in ("host", "serial") if options.get(key)]
    if len(ways) != 1:
        what = "both host and serial" if ways else "host or serial missing"
        raise SensorError(f"sensor {name}", what, "one of the two")
    if not options.get("profile"):
        raise SensorError(f"sensor {name}", "profile missing", "a register map")
    unit, serial = int(options.get("unit", 1)), ways == ["serial"]
    if serial and not UNITS_ON_A_LINE[0] <= unit <= UNITS_ON_A_LINE[1]:
        raise SensorError(
            f"sensor {name}", f"unit = {unit}: out of range", "1 to 247 on a serial line"
        )
    profile = profiles.load(str(options["profile"]))
    try:
        bus = _bus(options, profile, serial=serial)
        bus.claim(unit)
    except SensorError as error:
        raise SensorError(f"sensor {name}", error.what, error.expected) from error
    return Modbus(
        name=name,
        bus=bus,
        unit=unit,
        profile=profile,
        period_ms=float(options.get("period_ms", 200)),
        timeout_ms=float(options.get("timeout_ms", 500)),
        now_us=now_us,
    )


def _bus(options: Mapping[str, Any], profile: Profile, *, serial: bool) -> Bus:
    """The bus of the line that the options name, which other sensors may be on already."""
    if not serial:
        tcp = TcpLine(str(options["host"]), int(options.get("port", 502)))
        return _BUSES.setdefault(tcp.name, Bus(tcp))
    line = SerialLine(
        str(options["serial"]),
        baud=int(options.get("baud", 9600)),
        parity=str(options.get("parity", "even")),
        stop_bits=int(options.get("stop_bits", 1)),
    )
    bus = _BUSES.setdefault(line.name, Bus(line))
    shared = bus.line
    if not isinstance(shared, SerialLine) or shared.settings != line.settings:
        raise SensorError(line.name, "baud, parity or stop bits differ", "one setting for a line")
    longest = max(read.count for read in profile.reads)
    timeout_s = float(options.get("timeout_ms", 500)) / 1000
    shared.allow(max(profile.limits.slowest_reply_s, timeout_s), longest)
    return bus
