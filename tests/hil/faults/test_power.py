"""A loss of power at drawn instants: on a real file system, and by a model that works anywhere."""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.listen import told
from agent.store import cbor
from agent.store.entries import Key
from agent.store.journal import Stored, export, verify
from agent.uplink.consumer import Received
from hil.device.agent import Agent
from hil.device.listener import Listener, key_of
from hil.device.site import compose
from hil.errors import BenchError
from hil.faults import boot, power
from hil.faults import disk as disks
from hil.faults.broker import Mosquitto
from hil.faults.disk import Disk
from hil.faults.power import Look
from tests.agent.uplink.broker import run
from tests.hil.feeders import ENDED, simulated

MISSING = disks.lacking()
needs_disk = pytest.mark.skipif(bool(MISSING), reason=f"this machine lacks {MISSING}")


# --- the disk itself ---------------------------------------------------------------------------


@needs_disk
@pytest.mark.parametrize("keep", [0.0, 0.5, 1.0])
def test_what_was_synced_survives_and_what_was_not_may_be_gone(tmp_path: Path, keep: float) -> None:
    with Disk(tmp_path) as disk:
        (disk.path / "open").write_bytes(b"never synced")
        with (disk.path / "kept").open("wb", buffering=0) as file:
            file.write(b"synced")
            os.fsync(file.fileno())
            file.write(b" and not synced")
            left = disk.lose_power(keep=keep, seed=3)
        disk.remount()
        assert (disk.path / "kept").read_bytes() == b"synced"
        assert (disk.path / "open").read_bytes() in (b"", b"never synced")
        assert left.kept == round(left.at_risk * keep) or keep == 0.5


@needs_disk
def test_of_sectors_without_a_flush_any_may_stay_and_the_seed_says_which(tmp_path: Path) -> None:
    with Disk(tmp_path) as disk:
        file = os.open(disk.path / "big", os.O_RDWR | os.O_CREAT)
        os.posix_fallocate(file, 0, 1 << 20)
        os.pwrite(file, b"old!" * (1 << 18), 0)
        os.fsync(file)
        os.pwrite(file, b"new!" * (1 << 18), 0)
        write_out(file, 1 << 20)
        left = disk.lose_power(keep=0.5, seed=3)
        os.close(file)
        disk.remount()
        data = (disk.path / "big").read_bytes()
    sectors = [data[at : at + 4] for at in range(0, len(data), 512)]
    assert set(sectors) == {b"old!", b"new!"}
    assert left.at_risk >= 2048
    assert 800 < sectors.count(b"new!") < 1250


@needs_disk
def test_in_the_middle_of_a_write_the_power_is_gone_and_no_flush_comes_back(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "with open(sys.argv[1], 'wb', buffering=0) as file:\n"
        "    while True:\n"
        "        file.write(bytes(3000)); os.fsync(file.fileno()); print('synced', flush=True)"
    )
    with Disk(tmp_path) as disk:
        path = disk.path / "grows"
        with subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "synced\n"
            left = disk.lose_power(keep=0.0, seed=1, writes=20)
            assert left.at_risk > 0  # in the middle, so something was not flushed
            writer.kill()
            disk.release()
            synced = 1 + writer.stdout.read().count("synced")
        disk.remount()
        size = path.stat().st_size
        # What the program was told is there; of the write that was cut nothing had to stay.
        assert synced * 3000 <= size <= (synced + 1) * 3000


def write_out(file: int, size: int) -> None:
    """sync_file_range(2): the pages go to the disk, and no flush of its cache follows."""
    wait_write_wait = 7
    libc = ctypes.CDLL(None, use_errno=True)
    span = (ctypes.c_int64(0), ctypes.c_int64(size))
    assert libc.sync_file_range(file, *span, wait_write_wait) == 0


# --- an agent that loses its power -------------------------------------------------------------


def log_as_told(device: Agent, node: str, epoch: int) -> dict[tuple[str, int, str, int], Any]:
    """What the log holds, as a consumer would be told it."""
    found = {}
    for lane, item in export(device.log):
        if isinstance(item, Stored):
            key = Key(node, epoch, lane, item.seq)
            shown = told(Received("bench", key, cbor.loads(item.payload), 0))
            found[node, epoch, lane, item.seq] = shown
    return found


async def device_writes(device: Agent, count: int) -> None:
    async with asyncio.timeout(60):
        while len(list(export(device.log))) <= count:  # noqa: ASYNC110  a file tells no event
            await asyncio.sleep(0.1)


def assert_accounted(device: Agent) -> None:
    """Every seq of every lane is there or declared lost, once, in order."""
    following: dict[str, int] = {}
    for lane, item in export(device.log):
        first, last = (item.seq, item.seq) if isinstance(item, Stored) else (item.first, item.last)
        assert first == following.get(lane, 1)
        following[lane] = last + 1


@needs_disk
@pytest.mark.timeout(180)
def test_whatever_the_power_takes_what_a_consumer_has_stays_in_the_log(tmp_path: Path) -> None:
    async def scenario() -> None:
        at_risk = 0
        with Mosquitto(tmp_path / "broker") as broker, Disk(tmp_path / "disk") as disk:
            device = Agent(disk.path / "device")
            site = compose([simulated()], node="ftu-1", broker=broker.url)
            async with Listener(broker.url, tmp_path / "central") as central, device:

                async def a_fault_of_this_start(number: int) -> None:
                    """What an earlier start has left in the log arrives now too, and is not it."""
                    boots = boot.lacking() == ""
                    known = len(central.told("fault"))
                    await central.until(
                        lambda: [
                            receipt
                            for receipt in central.told("fault")[0 if boots else known :]
                            if receipt.told["clock"]["boot"] == (number if boots else 1)
                        ],
                        f"a fault of start {number}",
                        60,
                    )

                for number, keep in enumerate((0.0, 0.5), 1):
                    await device.start(site)
                    await a_fault_of_this_start(number)
                    left = await power.cut(device, disk, keep=keep, seed=number, writes=number + 2)
                    at_risk += left.at_risk
                await device.start(site)
                await a_fault_of_this_start(3)
                assert await device.stop() in ENDED
                assert at_risk > 0  # the cuts met something
                assert verify(device.log).ok
                epochs = {key_of(r.told)[1] for r in central.received}
                assert len(epochs) == 1
                kept = log_as_told(device, "ftu-1", epochs.pop())
                for receipt in central.received:
                    if receipt.told["event"] == "log_loss":
                        continue
                    assert kept[key_of(receipt.told)] == receipt.told
            assert set(central.arrivals().values()) == {1}
            assert "Traceback" not in device.said()

    run(scenario(), 170)


# --- the model ---------------------------------------------------------------------------------


@pytest.mark.timeout(180)
def test_after_a_modelled_cut_an_agent_starts_keeps_what_it_had_and_goes_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        with Mosquitto(tmp_path / "broker") as broker:
            site = compose([simulated()], node="ftu-1", broker=broker.url)
            async with (
                Listener(broker.url, tmp_path / "central") as central,
                Agent(tmp_path / "device") as device,
            ):
                await device.start(site)
                await central.until(lambda: central.told("fault"), "a fault", 60)
                # What was had is read first: more may be written at any moment.
                had = dict(log_as_told(device, "ftu-1", key_of(central.received[0].told)[1]))
                before = Look.at(device.data_dir)
                await central.until(lambda: len(central.told("fault")) >= 3, "two more", 60)
                after = Look.at(device.data_dir)
                await device.strike("all")
            async with asyncio.TaskGroup() as group:
                for seed in range(2):
                    other = tmp_path / f"left-{seed}"
                    assert power.model(before, after, other / "data", seed=seed) > 0
                    group.create_task(goes_on(Agent(other), had))

    async def goes_on(device: Agent, had: dict[Any, Any]) -> None:
        async with device:
            await device.start(compose([simulated()], node="ftu-1"))
            count = len(list(export(device.log)))
            await device_writes(device, count)
            assert await device.stop() in ENDED
            assert "Traceback" not in device.said()
            assert_accounted(device)
            kept = log_as_told(device, "ftu-1", next(iter(had))[1])
            for key, shown in had.items():
                assert kept[key] == shown

    run(scenario(), 170)


def test_the_model_keeps_what_did_not_change_and_mixes_only_what_did(tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    (live / "same").write_bytes(b"as it was")
    (live / "grown").write_bytes(b"a" * 2000)
    (live / "renamed").write_bytes(b"old whole")
    (live / "removed").write_bytes(b"was here")
    before = Look.at(live)
    with (live / "grown").open("r+b") as file:
        file.write(b"b" * 4000)
    (live / "next").write_bytes(b"new whole")
    (live / "next").rename(live / "renamed")
    (live / "removed").unlink()
    (live / "added").write_bytes(b"c" * 1000)
    after = Look.at(live)

    ends, seen = set(), set()
    for seed in range(40):
        left = tmp_path / f"left-{seed}"
        power.model(before, after, left, seed=seed)
        assert (left / "same").read_bytes() == b"as it was"
        grown = (left / "grown").read_bytes()
        ends.add(len(grown))
        seen |= {grown[at : at + 1] for at in range(0, len(grown), 512)}
        assert (left / "renamed").read_bytes() in (b"old whole", b"new whole")
        assert not (left / "removed").exists() or (left / "removed").read_bytes() == b"was here"
        if (left / "added").exists():
            assert (left / "added").read_bytes() == b"c" * (left / "added").stat().st_size
    assert len(ends) > 20
    assert 2000 <= min(ends) <= max(ends) <= 4000
    assert seen == {b"a", b"b", b"\0"}
    with pytest.raises(BenchError, match="is not empty"):
        power.model(before, after, tmp_path / "left-0", seed=0)


@pytest.mark.skipif(not MISSING, reason="a disk can be made here")
def test_where_no_disk_can_be_made_it_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot be made here"), Disk(tmp_path):
        pass
