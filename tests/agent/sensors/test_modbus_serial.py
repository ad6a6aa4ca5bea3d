"""Meters on a serial line: a pty whose far end paces, delays, cuts, corrupts and babbles."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from agent.records import Notice, Quality, Reading
from agent.sensors.modbus import Modbus, from_options
from agent.sensors.modbus_bus import Bus
from agent.sensors.modbus_line import SerialLine
from agent.sensors.registers import Limits, Point, Profile
from hil.instruments.serial_bridge import (
    Bridge,
    Fault,
    Units,
    faultless,
    pymodbus_units,
    registers,
    with_crc,
    words_reply,
)
from tests.fast_bridge import FastBridge
from tests.fast_loop import FastLoop, run_fast

SLOWEST_S = 0.5
TIMEOUT_S = 0.15
# Two reads of one length, so that their answers look alike but for what they mean.
TWO = Profile(
    "two", "test", (Point("low", 100), Point("high", 200)), Limits(slowest_reply_s=SLOWEST_S)
)
# As TWO, with more values behind each: there are answers of other lengths to ask for.
MORE = Profile(
    "more",
    "test",
    tuple(Point(f"p{k}", k) for k in (*range(100, 106), *range(200, 206))),
    Limits(slowest_reply_s=SLOWEST_S),
)


def by_address(address: int) -> int:
    """What every register of these tests holds: a value that tells where it is from."""
    return address * 10


def loop() -> FastLoop:
    running = asyncio.get_running_loop()
    assert isinstance(running, FastLoop)
    return running


class Line(SerialLine):
    """What it sends has arrived at the bridge, if there is one, before time goes on."""

    bridge: FastBridge | None = None

    def _send(self, frame: bytes) -> None:
        super()._send(frame)
        if self.bridge is not None:
            self.bridge.heard_all(len(frame))


def bus_on(at: FastBridge | Path, *, profile: Profile = TWO) -> Bus:
    path = at.path if isinstance(at, FastBridge) else str(at)
    line = Line(path, baud=9600, parity="even", stop_bits=1)
    line.bridge = at if isinstance(at, FastBridge) else None
    line.allow(max(profile.limits.slowest_reply_s, TIMEOUT_S), max(r.count for r in profile.reads))
    return Bus(line)


def unit_on(bus: Bus, unit: int = 1, *, profile: Profile = TWO, period_ms: float = 200) -> Modbus:
    return Modbus(
        name=f"unit{unit}",
        bus=bus,
        unit=unit,
        profile=profile,
        period_ms=period_ms,
        timeout_ms=TIMEOUT_S * 1000,
        now_us=loop().now_us,
    )


async def take(sensor: Modbus, enough: Callable[[list[Any]], bool]) -> list[Any]:
    items: list[Any] = []
    async with asyncio.timeout(600), contextlib.aclosing(sensor.stream()) as stream:
        async for item in stream:
            items.append(item)
            if enough(items):
                break
    return items


def readings(items: list[Any]) -> list[Reading]:
    return [item for item in items if isinstance(item, Reading)]


def notices(items: list[Any]) -> list[Notice]:
    return [item for item in items if isinstance(item, Notice)]


def polled(
    fault: Fault,
    number: int = 6,
    *,
    profile: Profile = TWO,
    response_s: float = 0.01,
) -> list[Any]:
    """What one unit delivers until it gave so many readings."""

    async def scenario() -> list[Any]:
        async with FastBridge(Units({1: by_address}, response_s), fault=fault) as bridge:
            sensor = unit_on(bus_on(bridge, profile=profile), profile=profile)
            return await take(sensor, lambda got: len(readings(got)) >= number)

    return run_fast(scenario())


def test_values_arrive_a_frame_at_a_time_at_the_lines_own_pace() -> None:
    items = polled(faultless)
    assert {reading.values for reading in readings(items)} == {(1000.0, 2000.0)}
    assert all(reading.quality is Quality.GOOD for reading in readings(items))
    assert notices(items) == []


def other_unit(_: int, request: bytes, __: bytes) -> Iterable[tuple[float, bytes]]:
    return [(0.0, with_crc(b"\x02" + words_reply(request, [666])[1:-2]))]


def always(spoil: Callable[[bytes], bytes]) -> Fault:
    return lambda _, __, reply: [(0.0, spoil(reply))]


SPOILED = {
    "silence": lambda _, __, ___: [],
    "cut": always(lambda reply: reply[:4]),
    "corrupt": always(lambda reply: reply[:4] + bytes((reply[4] ^ 1,)) + reply[5:]),
    "noise-before": always(lambda reply: b"\x00" + reply),
    "noise-behind": always(lambda reply: reply + b"\xff\x00"),
    "twice": always(lambda reply: reply + reply),
    "another-unit": other_unit,
    "another-function": always(lambda reply: with_crc(bytes((reply[0], 4)) + reply[2:-2])),
    "another-count": always(lambda reply: with_crc(reply[:2] + b"\x04\x02\x9a\x02\x9a")),
    "too-long": always(lambda reply: with_crc(reply[:-2] + b"\x02\x9a")),
    "garbage": always(lambda _: b"\xff" * 40),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
def test_what_is_not_the_answer_is_no_value(spoil: Fault) -> None:
    def fault(number: int, request: bytes, reply: bytes) -> Iterable[tuple[float, bytes]]:
        return spoil(number, request, reply) if number % 5 == 3 else [(0.0, reply)]

    items = polled(fault)
    assert {reading.values for reading in readings(items)} == {(1000.0, 2000.0)}


@settings(max_examples=30, deadline=None)
@given(
    delays=st.lists(st.one_of(st.just(0.0), st.floats(0, 8 * TIMEOUT_S)), min_size=1, max_size=12),
    profile=st.sampled_from([TWO, MORE]),
)
def test_a_late_reply_is_never_the_next_answer(delays: list[float], profile: Profile) -> None:
    """Beyond what the unit states as its slowest only the lengths of answers can tell them apart.

    TWO has answers of one length only, so its replies keep within what it states.
    """
    longest_s = SLOWEST_S if profile is TWO else 8 * TIMEOUT_S

    def fault(number: int, _: bytes, reply: bytes) -> Iterable[tuple[float, bytes]]:
        delay_s = delays[number] if number < len(delays) else 0.0
        return [(min(delay_s, longest_s), reply)]

    items = polled(fault, number=3, profile=profile)
    right = tuple(float(by_address(point.address)) for point in profile.points)
    assert {reading.values for reading in readings(items)} == {right}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([*SPOILED, "right"]),
            st.floats(0, SLOWEST_S),  # late by so much
        ),
        min_size=1,
        max_size=15,
    )
)
def test_whatever_happens_on_the_line_a_value_is_the_right_one(happens: list[str | float]) -> None:
    def fault(number: int, request: bytes, reply: bytes) -> Iterable[tuple[float, bytes]]:
        what = happens[number] if number < len(happens) else "right"
        if isinstance(what, float):
            return [(what, reply)]
        return SPOILED.get(what, faultless)(number, request, reply)

    items = polled(fault, number=3, profile=MORE)
    right = tuple(float(by_address(point.address)) for point in MORE.points)
    assert {reading.values for reading in readings(items)} == {right}


def test_what_was_said_before_the_port_was_opened_is_not_an_answer() -> None:
    async def scenario() -> list[Any]:
        async with FastBridge(Units({1: by_address})) as bridge:
            stale = words_reply(b"\x01\x03\x00\x00\x00\x01\x00\x00", [666])

            async def predecessor() -> None:
                await asyncio.sleep(0.3)
                await bridge.speak(stale)

            late = asyncio.create_task(predecessor())
            items = await take(unit_on(bus_on(bridge)), lambda got: len(readings(got)) >= 2)
            await late
            return items

    assert {reading.values for reading in readings(run_fast(scenario()))} == {(1000.0, 2000.0)}


UNEVEN = Profile(
    "uneven",
    "test",
    (Point("a", 100), Point("b", 200), Point("b2", 201), Point("c", 300)),
    Limits(slowest_reply_s=SLOWEST_S),
)


@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.01, 0.05])
def test_an_answer_that_comes_twice_is_never_the_next_one(after_s: float) -> None:
    def fault(number: int, _: bytes, reply: bytes) -> Iterable[tuple[float, bytes]]:
        return [(0.0, reply), (after_s, reply)] if number % 7 < 2 else [(0.0, reply)]

    items = polled(fault, profile=UNEVEN)
    assert {reading.values for reading in readings(items)} == {(1000.0, 2000.0, 2010.0, 3000.0)}


def test_a_line_that_is_never_silent_is_told_as_that() -> None:
    async def scenario() -> list[Any]:
        async with FastBridge(Units({})) as bridge:

            async def babble() -> None:
                while True:
                    await bridge.speak(b"\x55")
                    await asyncio.sleep(0.1)

            task = asyncio.create_task(babble())
            items = await take(unit_on(bus_on(bridge)), lambda got: len(notices(got)) >= 1)
            task.cancel()
            return items

    assert "never silent" in run_fast(scenario())[0].detail


def test_several_units_share_the_line_and_a_dead_one_does_not_hold_them_up() -> None:
    async def scenario() -> tuple[list[float], list[bytes]]:
        units = Units({1: by_address, 3: by_address}, response_s=0.02)
        async with FastBridge(units) as bridge:
            bus = bus_on(bridge)
            sensors = {unit: unit_on(bus, unit, period_ms=500) for unit in (1, 2, 3)}
            dead = asyncio.create_task(take(sensors[2], lambda _: False))
            live = [
                asyncio.create_task(take(sensors[unit], lambda got: len(readings(got)) >= 100))
                for unit in (1, 3)
            ]
            results = await asyncio.gather(*live)
            dead.cancel()
            gaps = [
                (b.t_us - a.t_us) / 1e6
                for items in results
                for a, b in zip(readings(items)[5:], readings(items)[6:], strict=False)
            ]
            assert bridge.overlaps == 0
            assert all(notice.state == "reconnected" for i in results for notice in notices(i))
            return gaps, [request for _, request in bridge.requests]

    gaps, requests = run_fast(scenario())
    # One probe with the silence after it is the most that a live unit ever waits beyond its period.
    assert max(gaps) < 0.5 + TIMEOUT_S + SLOWEST_S + 0.5
    asked = [request[0] for request in requests]
    assert 3 < asked.count(2) < 15  # backed off to half a minute, and never given up
    assert abs(asked.count(1) - asked.count(3)) <= 4


def test_many_dead_units_together_take_a_fifth_of_the_line() -> None:
    async def scenario() -> float:
        async with FastBridge(Units({1: by_address}, response_s=0.02)) as bridge:
            bus = bus_on(bridge)
            dead = [
                asyncio.create_task(take(unit_on(bus, unit), lambda _: False))
                for unit in range(2, 32)
            ]
            items = await take(unit_on(bus), lambda got: len(readings(got)) >= 200)
            for task in dead:
                task.cancel()
            await asyncio.gather(*dead, return_exceptions=True)
            settled = readings(items)[50:]
            return (settled[-1].t_us - settled[0].t_us) / 1e6 / (len(settled) - 1)

    assert run_fast(scenario()) < 0.2 * 1.5


def test_a_unit_that_comes_back_is_told_and_polled_as_before() -> None:
    async def scenario() -> list[Any]:
        words: dict[int, Callable[[int], int]] = {}
        async with FastBridge(Units(words)) as bridge:
            sensor = unit_on(bus_on(bridge))
            task = asyncio.create_task(take(sensor, lambda got: len(readings(got)) >= 5))
            await asyncio.sleep(20)
            words[1] = by_address
            return await task

    items = run_fast(scenario())
    assert [notice.state for notice in notices(items)] == ["stalled", "reconnected"]
    assert "no answer within 0.15 s" in notices(items)[0].detail


@pytest.mark.parametrize(
    ("make", "told"),
    [
        pytest.param(lambda p: None, "No such file or directory", id="no-such-device"),
        pytest.param(lambda p: p.touch(), "is it a serial port?", id="no-serial-port"),
        pytest.param(lambda p: p.mkdir(), "Is a directory", id="a-folder"),
    ],
)
def test_a_port_that_cannot_be_opened_is_told_once_and_tried_again(
    make: Callable[[Path], None], told: str, tmp_path: Path
) -> None:
    path = tmp_path / "ttyUSB7"
    make(path)

    async def scenario() -> list[Any]:
        items: list[Any] = []
        stream = unit_on(bus_on(path)).stream()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(120):
                while True:
                    items.append(await anext(stream))
        return items

    items = run_fast(scenario())
    assert len(items) == 1
    assert items[0].state == "stalled"
    assert str(path) in items[0].detail
    assert told in items[0].detail


def test_a_port_that_was_pulled_out_is_a_stall_and_its_return_is_told(tmp_path: Path) -> None:
    """A link that moves to another pty, as /dev/serial/by-id does when an adapter is replugged."""
    link = tmp_path / "meter"

    async def scenario() -> list[Any]:
        items: list[Any] = []

        async def until(enough: Callable[[], bool]) -> None:
            async with asyncio.timeout(300):
                while not enough():
                    items.append(await anext(stream))

        async with FastBridge(Units({1: by_address})) as bridge:
            link.symlink_to(bridge.path)
            stream = unit_on(bus_on(link)).stream()
            await until(lambda: len(readings(items)) >= 3)
        await until(lambda: len(notices(items)) >= 1)
        link.unlink()
        async with FastBridge(Units({1: by_address})) as bridge:
            link.symlink_to(bridge.path)
            await until(lambda: len(readings(items)) >= 6)
            await stream.aclose()
        return items

    states = [notice.state for notice in notices(run_fast(scenario()))]
    assert states == ["stalled", "reconnected"]


def test_a_cancellation_in_the_middle_leaves_no_answer_for_the_next() -> None:
    async def scenario() -> list[Any]:
        fault: Fault = lambda number, _, reply: [(0.1 if number == 1 else 0.0, reply)]  # noqa: E731
        async with FastBridge(Units({1: by_address}), fault=fault) as bridge:
            bus = bus_on(bridge)
            first = asyncio.create_task(take(unit_on(bus), lambda _: False))
            async with asyncio.timeout(60):
                await bridge.asked.wait()
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            return await take(unit_on(bus), lambda got: len(readings(got)) >= 3)

    assert {reading.values for reading in readings(run_fast(scenario()))} == {(1000.0, 2000.0)}


def test_a_refusal_is_an_invalid_reading_and_is_told_when_it_stays() -> None:
    def fault(_: int, request: bytes, reply: bytes) -> Iterable[tuple[float, bytes]]:
        refusal = with_crc(bytes((request[0], request[1] | 0x80, 2)))
        return [(0.0, refusal if registers(request)[0] == 200 else reply)]

    items = polled(fault)
    assert {reading.values for reading in readings(items)} == {(1000.0, None)}
    assert all(reading.quality & Quality.INVALID for reading in readings(items))
    (told,) = notices(items)
    assert (told.state, told.detail) == ("lying", "refuses holding 200, 1 of them: exception 2")


def jumping(values: list[float], number: int) -> list[Reading]:
    """A voltage that says these values, one a question, and the last for ever."""
    chart = Profile("u", "test", (Point("ua", 7, unit="V"),), Limits(slowest_reply_s=SLOWEST_S))

    async def scenario() -> list[Any]:
        count = 0

        async def respond(request: bytes) -> bytes:
            nonlocal count
            word = values[min(count, len(values) - 1)]
            count += 1
            return words_reply(request, [round(word)])

        async with FastBridge(respond) as bridge:
            sensor = unit_on(bus_on(bridge, profile=chart), profile=chart)
            return await take(sensor, lambda got: len(readings(got)) >= number)

    return readings(run_fast(scenario()))


def test_a_loss_is_believed_when_it_is_said_twice_and_late_by_one_read_only() -> None:
    seen = jumping([5773, 5773, 5773, 0, 0, 0], 4)
    assert [reading.values[0] for reading in seen] == [5773.0, 5773.0, 0.0, 0.0]


def test_a_zero_that_is_said_once_never_reaches_anybody() -> None:
    seen = jumping([5773, 5773, 5773, 0, 5770], 4)
    assert [reading.values[0] for reading in seen] == [5773.0, 5773.0, 5770.0, 5770.0]
    assert all(reading.quality is Quality.GOOD for reading in seen)


@contextlib.asynccontextmanager
async def serial_server(path: str) -> AsyncIterator[Any]:
    registers = [SimData(0, count=300, values=0, datatype=DataType.REGISTERS)]
    bits = [SimData(0, count=64, values=True, datatype=DataType.BITS)]
    blocks = (bits, bits, registers, registers)
    devices = [SimDevice(unit, simdata=blocks) for unit in (1, 3)]
    server: Any = ModbusSerialServer(devices, port=path, baudrate=9600)
    await server.serve_forever(background=True)
    for device in devices:
        for point in MORE.points:
            words = [device.id * point.address]
            await server.async_setValues(device.id, 16, point.address, words)
    yield server
    await server.shutdown()


def test_a_real_servers_values_arrive_as_it_states_them() -> None:
    async def scenario() -> list[list[Any]]:
        async with pymodbus_units(serial_server) as respond, Bridge(respond) as bridge:
            bus = Bus(SerialLine(bridge.path, baud=9600, parity="even", stop_bits=1))
            now_us = lambda: round(asyncio.get_running_loop().time() * 1e6)  # noqa: E731
            sensors = [
                Modbus(
                    name=str(unit),
                    bus=bus,
                    unit=unit,
                    profile=MORE,
                    period_ms=200,
                    timeout_ms=500,
                    now_us=now_us,
                )
                for unit in (1, 3)
            ]
            takes = (take(sensor, lambda got: len(readings(got)) >= 3) for sensor in sensors)
            return list(await asyncio.gather(*takes))

    for unit, items in zip((1, 3), asyncio.run(scenario()), strict=True):
        expected = tuple(float(unit * point.address) for point in MORE.points)
        assert {reading.values for reading in readings(items)} == {expected}


def test_sensors_of_one_port_share_its_bus_and_must_agree_about_it() -> None:
    options = {"serial": "/dev/ttyUSB9", "profile": "generic"}
    first = from_options("a", {**options, "unit": 1}, lambda: 0)
    second = from_options("b", {**options, "unit": 2}, lambda: 0)
    assert first._bus is second._bus
    with pytest.raises(Exception, match="sensor c: unit 2 stands twice; expected each unit once"):
        from_options("c", {**options, "unit": 2}, lambda: 0)
    with pytest.raises(Exception, match="sensor c: baud, parity or stop bits differ"):
        from_options("c", {**options, "unit": 3, "baud": 19_200}, lambda: 0)
    with pytest.raises(Exception, match="unit = 0: out of range; expected 1 to 247"):
        from_options("c", {**options, "unit": 0}, lambda: 0)
    with pytest.raises(Exception, match="both host and serial; expected one of the two"):
        from_options("c", {**options, "host": "h"}, lambda: 0)


def test_no_function_code_that_writes_is_spoken() -> None:
    import agent.sensors.modbus_frame as frame
    from agent.sensors.registers import SPACES

    functions = {frame.Question(1, space, 0, 1).function for space in SPACES}
    assert functions == {1, 2, 3, 4}  # application protocol 1.1b3, 6.1 to 6.4: the reads
    source = "".join(path.read_text() for path in Path(frame.__file__).parent.glob("*.py"))
    assert not [
        word
        for word in ("WriteSingle", "WriteMultiple", "write_regis", "write_coil", "MaskWrite")
        if word in source
    ]
