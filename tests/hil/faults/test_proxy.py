"""Each fault of the line: what the two ends see of it, and that a live agent gets over it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.store.journal import Stored, export
from hil.device.agent import Agent
from hil.device.listener import Listener
from hil.device.site import compose
from hil.faults.broker import Mosquitto
from hil.faults.proxy import Proxy
from hil.loopback import LOOPBACK, free_port
from tests.agent.uplink.broker import eventually, run, serving
from tests.hil.feeders import simulated

Act = Callable[[Proxy], Awaitable[None] | None]
GONE = (ConnectionResetError, BrokenPipeError)


@dataclass
class Far:
    """The broker's end of the line: it keeps what comes and can talk back."""

    got: bytearray = field(default_factory=bytearray)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    reset: bool = False
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while data := await reader.read(65536):
                self.got += data
        except OSError:
            self.reset = True
        self.ended.set()


@dataclass
class Line:
    proxy: Proxy
    far: Far
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def arrives(self, data: bytes) -> None:
        """It comes out at the far end, after all that came before."""
        self.writer.write(data)
        await eventually(lambda: self.far.got.endswith(data))

    async def comes_back(self, data: bytes) -> None:
        self.far.writers[-1].write(data)
        assert await asyncio.wait_for(self.reader.readexactly(len(data)), 10) == data


@contextlib.asynccontextmanager
async def line() -> AsyncIterator[Line]:
    """A connection through the proxy that works both ways."""
    far = Far()
    async with serving(far.serve) as port, Proxy(port) as proxy:
        reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
        between = Line(proxy, far, reader, writer)
        await between.arrives(b"hello")
        await between.comes_back(b"welcome")
        yield between
        writer.transport.abort()


def test_a_good_line_passes_everything_and_counts_it() -> None:
    async def scenario() -> None:
        async with line() as between:
            big = bytes(range(256)) * 8000
            between.writer.write(big)
            await eventually(lambda: len(between.far.got) == 5 + len(big))
            assert between.far.got[5:] == big
            up, down = between.proxy.up, between.proxy.down
            await eventually(lambda: up.passed == 5 + len(big))
            assert (up.taken, down.taken, down.passed) == (5 + len(big), 7, 7)
            between.writer.close()
            await asyncio.wait_for(between.far.ended.wait(), 10)
            assert not between.far.reset
            await eventually(lambda: between.proxy.links == 0)

    run(scenario())


def test_what_a_silent_line_held_back_comes_when_it_speaks_again() -> None:
    async def scenario() -> None:
        async with line() as between:
            between.proxy.silence()
            between.writer.write(b"later")
            await eventually(lambda: between.proxy.up.taken == 10)
            assert between.far.got == b"hello"
            between.writer.close()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(between.far.ended.wait(), 0.1)
            between.proxy.speak()
            await asyncio.wait_for(between.far.ended.wait(), 10)
            assert between.far.got == b"hellolater"

    run(scenario())


def test_a_black_hole_takes_everything_and_healing_resets_what_it_tore() -> None:
    async def scenario() -> None:
        async with line() as between:
            between.proxy.swallow()
            between.writer.write(b"gone")
            await eventually(lambda: between.proxy.up.swallowed == 4)
            late_reader, late_writer = await asyncio.open_connection(LOOPBACK, between.proxy.port)
            late_writer.write(b"taken and never answered")
            await eventually(lambda: between.proxy.up.swallowed == 28)
            assert len(between.far.writers) == 1
            await between.proxy.heal()
            for reader in (between.reader, late_reader):
                with pytest.raises(GONE):
                    await asyncio.wait_for(reader.read(), 10)
            await asyncio.wait_for(between.far.ended.wait(), 10)
            assert between.far.got == b"hello"
            late_writer.transport.abort()

    run(scenario())


def test_a_black_hole_one_way_leaves_the_other() -> None:
    async def scenario() -> None:
        async with line() as between:
            between.proxy.up.swallow = True
            between.writer.write(b"gone")
            await between.comes_back(b"still heard")
            assert between.far.got == b"hello"

    run(scenario())


def test_a_device_on_a_half_open_connection_talks_to_nobody_until_it_heals() -> None:
    async def scenario() -> None:
        async with line() as between:
            between.proxy.half_open("broker")
            await asyncio.wait_for(between.far.ended.wait(), 10)
            between.writer.write(b"x" * 1000)
            await eventually(lambda: between.proxy.up.taken == 1005)
            heard = asyncio.ensure_future(between.reader.read())
            done, _ = await asyncio.wait([heard], timeout=0.2)
            assert not done
            assert between.far.got == b"hello"
            await between.proxy.heal()
            with pytest.raises(GONE):
                await asyncio.wait_for(heard, 10)

    run(scenario())


def test_a_broker_on_a_half_open_connection_hears_nothing_of_the_devices_end() -> None:
    async def scenario() -> None:
        async with line() as between:
            between.proxy.half_open("device")
            assert await asyncio.wait_for(between.reader.read(), 10) == b""
            between.far.writers[0].write(b"y" * 1000)
            await eventually(lambda: between.proxy.down.taken == 1007)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(between.far.ended.wait(), 0.2)
            await between.proxy.heal()
            await asyncio.wait_for(between.far.ended.wait(), 10)
            assert between.far.reset

    run(scenario())


def test_a_cut_resets_both_sides_and_lets_new_ones_in() -> None:
    async def scenario() -> None:
        async with line() as between:
            between.proxy.cut()
            with pytest.raises(GONE):
                await asyncio.wait_for(between.reader.read(), 10)
            await asyncio.wait_for(between.far.ended.wait(), 10)
            assert between.far.reset
            _, again = await asyncio.open_connection(LOOPBACK, between.proxy.port)
            again.write(b"again")
            await eventually(lambda: between.far.got == b"helloagain")
            again.transport.abort()

    run(scenario())


def test_a_refusing_line_turns_new_ones_away_and_keeps_the_old() -> None:
    async def scenario() -> None:
        async with line() as between:
            between.proxy.refuse()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(LOOPBACK, between.proxy.port)
            await between.arrives(b"as before")
            await between.proxy.heal()
            _, again = await asyncio.open_connection(LOOPBACK, between.proxy.port)
            again.transport.abort()

    run(scenario())


def test_a_broker_that_is_not_there_resets_the_device_and_is_counted() -> None:
    async def scenario() -> None:
        async with Proxy(free_port()) as proxy:
            reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
            writer.write(b"hello")
            with pytest.raises(GONE):
                await asyncio.wait_for(reader.read(), 10)
            assert proxy.unanswered == 1
            writer.transport.abort()

    run(scenario())


def test_delay_is_at_least_what_was_said_and_keeps_the_order() -> None:
    async def scenario() -> None:
        async with line() as between:
            between.proxy.slow(delay_s=0.1, jitter_s=0.05)
            loop = asyncio.get_running_loop()
            sent = loop.time()
            for n in range(20):
                between.writer.write(b"%02d" % n)
                await asyncio.sleep(0.001)
            await eventually(lambda: between.far.got.endswith(b"19"))
            assert loop.time() - sent >= 0.1
            assert between.far.got[5:] == b"".join(b"%02d" % n for n in range(20))

    run(scenario())


def test_a_narrow_line_takes_its_time_one_way_and_not_the_other() -> None:
    async def scenario() -> None:
        async with line() as between:
            between.proxy.up.bytes_per_s = 20_000
            loop = asyncio.get_running_loop()
            sent = loop.time()
            between.writer.write(bytes(6000))
            await between.comes_back(b"at once")
            assert len(between.far.got) < 6005
            await eventually(lambda: len(between.far.got) == 6005)
            assert loop.time() - sent >= 0.3

    run(scenario())


def test_a_broken_modem_loses_and_flips_the_share_that_was_said() -> None:
    async def scenario() -> None:
        async with line() as between:
            up = between.proxy.up
            up.lost = 0.1
            sent = bytes(20_000)
            between.writer.write(sent)
            await eventually(lambda: up.taken == 20_005 and len(between.far.got) == up.passed)
            assert up.passed == 20_005 - up.vanished
            assert 1600 < up.vanished < 2400
            assert not any(between.far.got[5:])
            up.lost, up.flipped = 0.0, 0.05
            before = len(between.far.got)
            between.writer.write(sent)
            await eventually(lambda: len(between.far.got) == before + 20_000)
            wrong = [byte for byte in between.far.got[before:] if byte]
            assert len(wrong) == up.damaged
            assert 700 < up.damaged < 1300
            assert all(byte.bit_count() == 1 for byte in wrong)

    run(scenario())


# --- a live agent behind each fault ------------------------------------------------------------


def slow(proxy: Proxy) -> None:
    proxy.slow(delay_s=0.2, jitter_s=0.2, bytes_per_s=2000)


def lossy(proxy: Proxy) -> None:
    proxy.up.lost = proxy.down.lost = 0.01


def noisy(proxy: Proxy) -> None:
    proxy.up.flipped = 0.01


def refused(proxy: Proxy) -> None:
    proxy.refuse()
    proxy.cut()


FAULTS: dict[str, Act] = {
    "silence": Proxy.silence,
    "black-hole": Proxy.swallow,
    "half-open-device": lambda proxy: proxy.half_open("broker"),
    "half-open-broker": lambda proxy: proxy.half_open("device"),
    "refuse": refused,
    "slow": slow,
    "lossy": lossy,
    "noisy": noisy,
}


def stored(device: Agent) -> set[tuple[str, int]]:
    return {(lane, item.seq) for lane, item in export(device.log) if isinstance(item, Stored)}


async def endure(node: str, act: Act, folder: Path, broker: Mosquitto, central: Listener) -> None:
    """An agent works, its line breaks, faults happen, the line heals, everything is there."""

    def faults() -> int:
        return len([r for r in central.told("fault") if r.told["key"]["node"] == node])

    def arrived() -> set[tuple[str, int]]:
        return {(lane, seq) for whose, _, lane, seq in central.arrivals() if whose == node}

    async with Proxy(broker.port, seed=7) as proxy, Agent(folder / node) as device:
        await device.start(compose([simulated()], node=node, broker=proxy.url))
        await central.until(lambda: faults() > 0, f"{node}: a fault", 60)
        act(proxy)
        have = len(stored(device))
        await central.until(lambda: len(stored(device)) >= have + 4, f"{node}: two faults", 60)
        await proxy.heal()
        known = faults()
        await central.until(lambda: faults() > known, f"{node}: a fault after healing", 90)
        logged = stored(device)
        await central.until(lambda: logged <= arrived(), f"{node}: all of its log", 90)
        assert device.said().count("link started") == 1
        assert "Traceback" not in device.said()


@pytest.mark.timeout(240)
def test_behind_every_fault_an_agent_loses_nothing_and_everything_comes_once(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        with Mosquitto(tmp_path / "broker") as broker:
            central = Listener(broker.url, tmp_path / "central")
            async with central, asyncio.TaskGroup() as group:
                for node, act in FAULTS.items():
                    group.create_task(endure(node, act, tmp_path, broker, central))
        assert set(central.arrivals().values()) == {1}

    run(scenario(), 220)
