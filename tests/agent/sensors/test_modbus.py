"""The Modbus driver against a real server, and against peers that lie, stall and cut."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from agent.records import Notice, Quality, Reading
from agent.sensors import profile
from agent.sensors.modbus import Modbus, from_options
from agent.sensors.modbus_bus import Bus
from agent.sensors.modbus_line import TcpLine
from agent.sensors.registers import Point, Profile
from hil.loopback import LOOPBACK, free_port
from tests.meter import Meter

HEALTHY = {"ia": 100.25, "ib": 100.5, "ic": 99.0, "ua": 5773.0, "ub": 5774.1, "uc": 5772.9}
Reply = Callable[[int, bytes], Awaitable[bytes | None]]


def now_us() -> int:
    return time.monotonic_ns() // 1000


def modbus(port: int, chart: Profile | None = None, timeout_ms: float = 150) -> Modbus:
    return Modbus(
        name="meter",
        bus=Bus(TcpLine(LOOPBACK, port)),
        unit=1,
        profile=chart or profile.load("generic"),
        period_ms=100,
        timeout_ms=timeout_ms,
        now_us=now_us,
    )


async def take(
    sensor: Modbus, enough: Callable[[list[Any]], bool], within_s: float = 10.0
) -> list[Any]:
    """What the sensor delivers until it is enough."""
    items: list[Any] = []
    async with asyncio.timeout(within_s), contextlib.aclosing(sensor.stream()) as stream:
        async for item in stream:
            items.append(item)
            if enough(items):
                break
    return items


def readings(items: list[Any]) -> list[Reading]:
    return [item for item in items if isinstance(item, Reading)]


def notices(items: list[Any]) -> list[str]:
    return [item.state for item in items if isinstance(item, Notice)]


def values(reading: Reading) -> dict[str, float | None]:
    return dict(zip((c.name for c in reading.layout.channels), reading.values, strict=True))


def test_a_real_servers_values_arrive_as_it_states_them() -> None:
    with Meter(HEALTHY) as meter:
        items = asyncio.run(take(modbus(meter.port), lambda got: len(readings(got)) >= 5))
    for reading in readings(items):
        seen = values(reading)
        assert {name: seen[name] for name in HEALTHY} == pytest.approx(HEALTHY)
        assert seen["switch"] == 1.0
        assert reading.quality is Quality.GOOD
    instants = [reading.t_us for reading in readings(items)]
    assert instants == sorted(instants)
    assert all(b - a >= 50_000 for a, b in pairwise(instants))


def test_a_value_that_the_meter_marks_or_that_cannot_be_is_none() -> None:
    with Meter({**HEALTHY, "ia": 0xFFFFFFFF * 0.01, "ib": 200_000.0}) as meter:
        items = asyncio.run(take(modbus(meter.port), lambda got: len(readings(got)) >= 3))
    for reading in readings(items):
        assert values(reading)["ia"] is None
        assert values(reading)["ib"] is None
        assert values(reading)["ic"] == pytest.approx(99.0)
        assert reading.quality & Quality.INVALID
    assert notices(items) == ["lying"]  # once


def test_a_meter_that_is_gone_is_a_stall_and_its_return_is_told() -> None:
    meter = Meter(HEALTHY)
    sensor = modbus(meter.port)

    async def scenario() -> list[Any]:
        items: list[Any] = []
        again: list[Meter] = []
        async with asyncio.timeout(20), contextlib.aclosing(sensor.stream()) as stream:
            async for item in stream:
                items.append(item)
                if len(items) == 2:
                    await asyncio.to_thread(meter.__exit__)
                if isinstance(item, Notice) and item.state == "stalled":
                    back = Meter(HEALTHY)
                    back.port = meter.port
                    again.append(await asyncio.to_thread(back.__enter__))
                if again and len(readings(items)) >= 5:
                    break
        again[0].__exit__()
        return items

    meter.__enter__()
    items = asyncio.run(scenario())
    assert notices(items) == ["stalled", "reconnected"]
    where = [isinstance(item, Notice) for item in items].index(True)
    assert items[where + 2].t_us - items[where - 1].t_us > 300_000  # a gap, not old values


ONE = Profile("one", "test", (Point("x", 10),))


@contextlib.asynccontextmanager
async def liar(reply: Reply) -> AsyncIterator[int]:
    """A TCP server that answers each request as `reply(number, request)` says; None = silence."""
    port = free_port()
    count = 0

    served: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        if task := asyncio.current_task():
            served.add(task)
        gone = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)
        with contextlib.suppress(*gone):
            while True:
                request = await reader.readexactly(12)
                count += 1
                answer = await reply(count, request)
                if answer == b"":
                    break
                if answer is not None:
                    writer.write(answer)
                    await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, port)
    try:
        yield port
    finally:
        server.close()
        for task in served:
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)


def answer(request: bytes, words: list[int]) -> bytes:
    """The right frame for a request of registers."""
    transaction, _, _, unit, function = struct.unpack(">HHHBB", request[:8])
    body = struct.pack(f">BBB{len(words)}H", unit, function, 2 * len(words), *words)
    return struct.pack(">HHH", transaction, 0, len(body)) + body


def lies(reply: Reply, enough: Callable[[list[Any]], bool]) -> list[Any]:
    async def scenario() -> list[Any]:
        async with liar(reply) as port:
            return await take(modbus(port, ONE), enough)

    return asyncio.run(scenario())


def test_a_late_reply_is_never_the_next_answer() -> None:
    stated: list[float] = []

    async def reply(number: int, request: bytes) -> bytes:
        if number % 3 == 2:
            await asyncio.sleep(0.4)  # beyond the timeout
            return answer(request, [666])
        stated.append(number)
        return answer(request, [number])

    items = lies(reply, lambda got: len(readings(got)) >= 6)
    seen = [reading.values[0] for reading in readings(items)]
    assert 666.0 not in seen
    assert seen == stated[: len(seen)]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda right: b"\x77\x77" + right[2:], id="another-transaction"),
        pytest.param(lambda right: right[:6] + b"\x09" + right[7:], id="another-unit"),
        pytest.param(lambda right: right[:-1], id="cut"),
        pytest.param(lambda _: b"\xff" * 20, id="garbage"),
        pytest.param(lambda _: b"", id="reset"),
        pytest.param(lambda _: None, id="silence"),
        pytest.param(
            lambda right: right[:4] + b"\x00\x07" + right[6:8] + b"\x04\x02\x9a\x02\x9a",
            id="more-registers-than-asked",
        ),
    ],
)
def test_what_does_not_fit_the_question_is_no_value(
    spoil: Callable[[bytes], bytes | None],
) -> None:
    async def reply(number: int, request: bytes) -> bytes | None:
        right = answer(request, [42])
        return spoil(answer(request, [666])) if number % 2 else right

    items = lies(reply, lambda got: len(readings(got)) >= 2)
    assert {reading.values[0] for reading in readings(items)} == {42.0}


def test_a_cancellation_in_the_middle_of_a_request_is_obeyed() -> None:
    async def scenario() -> None:
        asked = asyncio.Event()

        async def reply(_: int, request: bytes) -> None:
            asked.set()  # and no answer

        async def drain(port: int) -> None:
            async for _ in modbus(port, ONE, timeout_ms=3000).stream():
                pass

        async with liar(reply) as port:
            task = asyncio.create_task(drain(port))
            async with asyncio.timeout(5):
                await asked.wait()
            task.cancel()
            async with asyncio.timeout(1):
                await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()

    asyncio.run(scenario())


def test_an_exception_reply_is_an_invalid_reading_and_the_link_stays() -> None:
    async def reply(number: int, request: bytes) -> bytes:
        if number % 2:
            return request[:4] + b"\x00\x03" + request[6:7] + b"\x83\x02"
        return answer(request, [42])

    items = lies(reply, lambda got: len(readings(got)) >= 4)
    assert [reading.values[0] for reading in readings(items)] == [None, 42.0, None, 42.0]
    assert readings(items)[0].quality & Quality.INVALID
    assert notices(items) == []


def test_a_meter_that_repeats_itself_is_stale() -> None:
    frozen = Profile("frozen", "test", (Point("x", 10, heartbeat=True),))

    async def scenario() -> list[Any]:
        async def reply(_: int, request: bytes) -> bytes:
            return answer(request, [7])

        async with liar(reply) as port:
            return await take(modbus(port, frozen), lambda got: len(readings(got)) >= 8)

    items = asyncio.run(scenario())
    assert readings(items)[0].quality is Quality.GOOD
    assert readings(items)[-1].quality & Quality.STALE
    assert notices(items) == ["lying"]


def test_options_make_the_driver_and_what_is_missing_is_told() -> None:
    made = from_options("m", {"host": "h", "profile": "generic"}, now_us)
    assert made.name == "m"
    with pytest.raises(Exception, match="host"):
        from_options("m", {"profile": "generic"}, now_us)


def test_units_behind_one_gateway_share_a_connection_and_a_silent_one_leaves_it_alone() -> None:
    connections: set[int] = set()

    async def reply(_: int, request: bytes) -> bytes:
        connections.add(id(asyncio.current_task()))
        if request[6] == 2:  # the gateway's target did not respond
            return request[:4] + b"\x00\x03" + request[6:7] + b"\x83\x0b"
        return answer(request, [request[6] * 7])

    async def scenario() -> list[list[Any]]:
        async with liar(reply) as port:
            bus = Bus(TcpLine(LOOPBACK, port))
            sensors = {
                unit: Modbus(
                    name=str(unit),
                    bus=bus,
                    unit=unit,
                    profile=ONE,
                    period_ms=100,
                    timeout_ms=500,
                    now_us=now_us,
                )
                for unit in (1, 2, 3)
            }
            return list(
                await asyncio.gather(
                    take(sensors[1], lambda got: len(readings(got)) >= 8),
                    take(sensors[2], lambda got: len(notices(got)) >= 1),
                    take(sensors[3], lambda got: len(readings(got)) >= 8),
                )
            )

    one, two, three = asyncio.run(scenario())
    assert {reading.values[0] for reading in readings(one)} == {7.0}
    assert {reading.values[0] for reading in readings(three)} == {21.0}
    assert [(notice.state, notice.detail) for notice in two] == [("stalled", two[0].detail)]
    assert "unit 2 is silent" in two[0].detail
    assert len(connections) == 1
