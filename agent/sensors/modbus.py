"""Meters over Modbus TCP: RMS values and states, up to ten times a second.

A value is only what the meter stated for that register in answer to this very request: after a
timeout, a cut or a foreign answer the connection is closed, so that a late reply can never be
taken for the next one. What the meter means stands in its profile; pymodbus stays behind this
file.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

from agent.errors import SensorError
from agent.records import Layout, Notice, Quality, Reading
from agent.sensors import profile as profiles
from agent.sensors.profile import Profile, Read

# After a failure the next attempt waits so long, doubling: a dead meter must not be hammered.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
STALL_PERIODS = 3  # polls without an answer before it is called a stall
FROZEN_POLLS = 5  # polls without a change of the heartbeat before the meter is called frozen

_FUNCTIONS = {
    "holding": "read_holding_registers",
    "input": "read_input_registers",
    "coil": "read_coils",
    "discrete": "read_discrete_inputs",
}


class Away(Exception):
    """The meter did not answer as it should; the connection is not to be used again."""


class Modbus:
    """One unit behind one TCP connection, polled every `period_ms`."""

    def __init__(
        self,
        *,
        name: str,
        host: str,
        port: int,
        unit: int,
        profile: Profile,
        period_ms: float,
        timeout_ms: float,
        now_us: Callable[[], int],
    ) -> None:
        self.name = name
        self._host, self._port, self._unit = host, port, unit
        self._profile = profile
        self._period_us = round(period_ms * 1000)
        self._timeout_s = timeout_ms / 1000
        self._now_us = now_us
        self._layout = Layout(name, profile.channels())
        self._truth = _Truth(profile)

    async def stream(self) -> AsyncGenerator[Reading | Notice, None]:
        """Endless: a reading a period while the meter answers, and notices when that changes."""
        state = ""
        pause_s = FIRST_PAUSE_S
        heard_us = self._now_us()
        while True:
            try:
                async for reading in self._connected():
                    if state in ("stalled", "away"):
                        yield Notice(self.name, reading.t_us, "reconnected")
                    told = self._truth.complaint
                    if told and state != "lying":
                        yield Notice(self.name, reading.t_us, "lying", told)
                    state = "lying" if told else "live"
                    pause_s, heard_us = FIRST_PAUSE_S, reading.t_us
                    yield reading
            except Away as away:
                silent_us = self._now_us() - heard_us
                if state != "stalled" and silent_us > STALL_PERIODS * self._period_us:
                    state = "stalled"
                    yield Notice(self.name, self._now_us(), "stalled", str(away))
                elif state != "stalled":
                    state = "away"
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _connected(self) -> AsyncGenerator[Reading, None]:
        """Readings of one connection, until it fails. Raises: Away."""
        from pymodbus.client import AsyncModbusTcpClient

        client = AsyncModbusTcpClient(
            self._host, port=self._port, timeout=self._timeout_s, retries=0, reconnect_delay=0
        )
        try:
            if not await _in_time(client.connect(), 2 * self._timeout_s):
                raise Away(f"{self._host}:{self._port}: no connection")
            due_us = self._now_us()
            while True:
                yield await self._poll(client)
                # The next whole period from now: polls that were missed are not made up for.
                behind = max(0, self._now_us() - due_us) // self._period_us
                due_us += (behind + 1) * self._period_us
                await asyncio.sleep(max(0, due_us - self._now_us()) / 1e6)
        finally:
            with contextlib.suppress(Exception):  # it is being thrown away
                client.close()

    async def _poll(self, client: Any) -> Reading:
        """All points once. Raises: Away."""
        values: list[float | None] = [None] * len(self._profile.points)
        refused = False
        asked_us = self._now_us()
        for read in self._profile.reads:
            words = await self._request(client, read)
            refused |= words is None
            for k in read.points if words is not None else ():
                point = self._profile.points[k]
                begin = point.address - read.address
                values[k] = point.value((words or ())[begin : begin + point.width])
        # Between request and answer, so never later than the meter looked.
        middle_us = (asked_us + self._now_us()) // 2
        quality = self._truth.judge(values)
        return Reading(
            self._layout, middle_us, tuple(values), quality | (Quality.INVALID if refused else 0)
        )

    async def _request(self, client: Any, read: Read) -> Sequence[int] | None:
        """The registers; None when the meter refuses them by an exception. Raises: Away."""
        from pymodbus.exceptions import ModbusException

        ask = getattr(client, _FUNCTIONS[read.space])
        try:
            answer = await _in_time(
                ask(read.address, count=read.count, device_id=self._unit), 2 * self._timeout_s
            )
        except (ModbusException, OSError) as error:
            raise Away(f"{self._host}:{self._port}: {error}") from error
        if answer.isError():
            return None
        words = answer.bits[: read.count] if hasattr(answer, "bits") and answer.bits else ()
        words = words or answer.registers
        if len(words) != read.count or answer.dev_id != self._unit:
            raise Away(f"{self._host}:{self._port}: an answer that does not fit the question")
        return [int(word) for word in words]


class _Truth:
    """Whether a meter's values can be what it measures now."""

    def __init__(self, profile: Profile) -> None:
        self._points = profile.points
        self._hearts = [k for k, point in enumerate(profile.points) if point.heartbeat]
        self._last: list[float | None] = [None] * len(self._hearts)
        self._still = 0
        self.complaint = ""

    def judge(self, values: list[float | None]) -> Quality:
        """Marks of a poll; values beyond what is plausible are taken out of it."""
        wild = []
        for k, point in enumerate(self._points):
            value = values[k]
            if value is not None and not point.low <= value <= point.high:
                wild.append(f"{point.name} = {value:g}")
                values[k] = None
        beats = [values[k] for k in self._hearts]
        self._still = self._still + 1 if self._hearts and beats == self._last else 0
        self._last = beats
        frozen = self._still >= FROZEN_POLLS
        self.complaint = f"implausible: {', '.join(wild)}" if wild else ""
        if frozen:
            self.complaint = f"the same values for {self._still} polls"
        return (Quality.INVALID if wild else Quality.GOOD) | (
            Quality.STALE if frozen else Quality.GOOD
        )


async def _in_time(answer: Any, timeout_s: float) -> Any:
    """Raises: Away when there is none in time."""
    try:
        async with asyncio.timeout(timeout_s):
            return await answer
    except TimeoutError as error:
        raise Away(f"no answer within {timeout_s:g} s") from error
    except Exception as error:
        # pymodbus turns our own cancellation into an error of the link; it is still our end.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError from error
        raise


def from_options(name: str, options: Mapping[str, Any], now_us: Callable[[], int]) -> Modbus:
    """The driver as its table in the site file asks for it: host, port, unit, profile, period_ms,
    timeout_ms. Raises: SensorError, SiteError for the profile.
    """
    missing = [key for key in ("host", "profile") if not options.get(key)]
    if missing:
        raise SensorError(f"sensor {name}", f"{', '.join(missing)} missing", "host and profile")
    # What a meter does wrong is told by notices, once; pymodbus would log every poll of it.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    return Modbus(
        name=name,
        host=str(options["host"]),
        port=int(options.get("port", 502)),
        unit=int(options.get("unit", 1)),
        profile=profiles.load(str(options["profile"])),
        period_ms=float(options.get("period_ms", 200)),
        timeout_ms=float(options.get("timeout_ms", 500)),
        now_us=now_us,
    )
