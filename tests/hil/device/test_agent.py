"""The agent as a device under test: started, struck and ended by the rig, heard by its listener."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.store.journal import Stored, export, verify
from hil.device.agent import Agent
from hil.device.contract import Device
from hil.device.listener import Listener
from hil.device.site import compose
from hil.errors import BenchError
from hil.faults import processes
from hil.faults.broker import Mosquitto
from tests.agent.uplink.broker import eventually, run
from tests.hil.feeders import ENDED, simulated


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as running:
        yield running


def site(broker: Mosquitto | None = None) -> str:
    return compose([simulated()], node="ftu-1", broker=broker.url if broker else None)


def environment_of(process: int) -> bytes:
    return Path(f"/proc/{process}/environ").read_bytes()


def stored(device: Agent) -> set[tuple[str, int]]:
    return {(lane, item.seq) for lane, item in export(device.log) if isinstance(item, Stored)}


def test_a_device_is_started_struck_and_ended_and_its_listener_has_everything_once(
    tmp_path: Path, broker: Mosquitto
) -> None:
    async def scenario() -> None:
        device: Device = Agent(tmp_path / "device")
        async with device, Listener(broker.url, tmp_path / "central") as central:
            await device.start(site(broker))
            await central.until(lambda: central.told("fault", bay="head"), "a fault")

            assert await device.strike("guard")
            await central.until(lambda: central.told("blind"), "the blind time")
            assert await device.strike("link")
            known = len(central.told("fault"))
            await central.until(lambda: len(central.told("fault")) > known, "one more fault")

            assert await device.strike("all")
            assert not await device.strike("all")
            assert not await device.strike("guard")
            await device.start(site(broker))
            known = len(central.told("fault"))
            await central.until(lambda: len(central.told("fault")) > known, "one after all that")
            assert await device.stop() in ENDED
            assert device.log is not None
            assert verify(device.log).ok
        assert set(central.arrivals().values()) == {1}
        instants = [receipt.at_us for receipt in central.received]
        assert instants == sorted(instants)
        assert device.said().count("guard started") == 3

    run(scenario(), 90)


def test_a_listener_that_was_away_goes_on_where_its_marks_stand(
    tmp_path: Path, broker: Mosquitto
) -> None:
    async def scenario() -> None:
        device = Agent(tmp_path / "device")
        central = Listener(broker.url, tmp_path / "central")
        async with device, central:
            await device.start(site(broker))
            await central.until(lambda: central.told("fault"), "a fault")
            await central.end()
            known = len(central.received)
            have = len(stored(device))
            await eventually(lambda: len(stored(device)) >= have + 2)  # and nobody hears it
            await central.start()
            missed = stored(device)
            await central.until(
                lambda: missed <= {key[2:] for key in central.arrivals()}, "what it missed", 60
            )
            assert len(central.received) > known
        assert set(central.arrivals().values()) == {1}

    run(scenario(), 90)


def test_a_device_that_cannot_start_says_why(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Agent(tmp_path / "device") as device:
            with pytest.raises(BenchError, match=r"did not start; its last words: .*bay"):
                await device.start(site() + "[[bay]]\nname = 7\n")
            with pytest.raises(BenchError, match="cannot be started"):
                await Agent(tmp_path / "other", ("/nowhere/ftu-agent",)).start(site())

    run(scenario())


def test_a_device_runs_once_and_ends_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Agent(tmp_path / "device") as device:
            with pytest.raises(BenchError, match="does not run"):
                await device.stop()
            await device.start(site(), {"FTU_HIL_NOTE": "here"})
            with pytest.raises(BenchError, match="runs already"):
                await device.start(site())
            assert b"FTU_HIL_NOTE=here" in environment_of(device.process)
            tree = [device.process, *processes.descendants(device.process)]
            assert len(tree) == 3
        assert not any(map(processes.alive, tree))

    run(scenario())


def test_a_device_that_does_not_end_is_a_broken_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.device.agent._END_S", 0.3)
    deaf = tmp_path / "deaf"
    deaf.write_text(
        f"#!{sys.executable}\nimport signal, time, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "for n, role in enumerate(('guard', 'link')):\n"
        "    print(f'{role} started (process {999990 + n})', file=sys.stderr, flush=True)\n"
        "time.sleep(60)\n"
    )
    deaf.chmod(0o755)

    async def scenario() -> None:
        async with Agent(tmp_path / "device", (str(deaf),)) as device:
            await device.start(site())
            assert not await device.strike("guard")
            with pytest.raises(BenchError, match=r"did not end within 0\.3 s of SIGTERM"):
                await device.stop()
            assert not device.running

    run(scenario())
