"""A disk that is slow, full or failing, under a live agent."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.store.journal import Stored, export
from hil.device.agent import Agent
from hil.device.listener import Listener
from hil.device.site import compose
from hil.errors import BenchError
from hil.faults import disk as disks
from hil.faults.broker import Mosquitto
from hil.faults.disk import Disk
from tests.agent.uplink.broker import run
from tests.hil.feeders import ENDED, simulated

MISSING = disks.lacking()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"this machine lacks {MISSING}")
NO_FLOOR = "[store]\nfree_floor_mb = 0\n"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with Disk(tmp_path / "disk", megabytes=48) as mounted:
        yield mounted


def synced_write(path: Path, data: bytes) -> float:
    """How long it took until it was on disk. [s]"""
    began = time.monotonic()
    with path.open("wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())
    return time.monotonic() - began


def test_a_slow_disk_takes_at_least_its_time_for_each_flush(disk: Disk) -> None:
    disk.slow(flush_s=0.2)
    before = disk.counts()["flushes"]
    took_s = synced_write(disk.path / "a", b"x")
    assert took_s >= 0.2 * (disk.counts()["flushes"] - before) > 0
    disk.heal()
    flushes = disk.counts()["flushes"]
    synced_write(disk.path / "b", b"x")
    assert disk.counts()["flushes"] > flushes


def test_a_full_disk_has_room_for_nothing_until_it_is_healed(disk: Disk) -> None:
    disk.fill(leave_bytes=1 << 20)
    assert 0 < disk.free_bytes <= 1 << 20
    disk.fill()
    with pytest.raises(OSError, match="No space left") as caught:
        synced_write(disk.path / "a", bytes(8192))
    assert caught.value.errno == errno.ENOSPC
    disk.heal()
    assert disk.free_bytes > 20 << 20
    synced_write(disk.path / "a", bytes(8192))


def test_a_failing_disk_gives_errors_and_is_sound_again_once_mounted_anew(disk: Disk) -> None:
    synced_write(disk.path / "a", b"was there")
    disk.fail()
    with pytest.raises(OSError, match=r"Input/output error|Read-only"):
        synced_write(disk.path / "b", bytes(8192))
    disk.heal()
    disk.remount()
    assert (disk.path / "a").read_bytes() == b"was there"
    synced_write(disk.path / "b", bytes(8192))


def test_a_disk_of_an_earlier_run_is_used_again(tmp_path: Path) -> None:
    with Disk(tmp_path) as disk:
        (disk.path / "a").write_bytes(b"kept")
        assert os.path.ismount(disk.path)
    assert not (tmp_path / "mounted" / "a").exists()
    with Disk(tmp_path) as disk:
        assert (disk.path / "a").read_bytes() == b"kept"
    with pytest.raises(BenchError, match="is not mounted"):
        disk.counts()


def test_what_a_killed_rig_left_mounted_is_cleared_away(tmp_path: Path) -> None:
    rig = (
        "import sys, time; from pathlib import Path; from hil.faults.disk import Disk\n"
        "with Disk(Path(sys.argv[1])) as disk:\n"
        "    (disk.path / 'a').write_bytes(b'kept'); import os; os.sync()\n"
        "    print('mounted', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", rig, str(tmp_path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"mounted\n"
        process.kill()
    with Disk(tmp_path) as disk:
        assert (disk.path / "a").read_bytes() == b"kept"
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


def test_whatever_is_wrong_with_the_disk_the_agent_goes_on_and_tells_its_faults(
    tmp_path: Path, disk: Disk
) -> None:
    async def scenario() -> None:
        with Mosquitto(tmp_path / "broker") as broker:
            device = Agent(disk.path / "device")
            site = compose([simulated()], node="ftu-1", broker=broker.url, more=NO_FLOOR)
            async with Listener(broker.url, tmp_path / "central") as central, device:

                async def one_more(what: str) -> None:
                    known = len(central.told("fault"))
                    await central.until(lambda: len(central.told("fault")) > known, what, 60)

                await device.start(site)
                await one_more("a fault")
                disk.slow(write_s=0.002, flush_s=0.03)
                await one_more("a fault on a slow disk")
                disk.heal()
                disk.fill()
                await one_more("a fault on a full disk")
                disk.heal()
                await one_more("a fault when there is room again")
                assert await device.stop() in ENDED
                stored = {
                    (lane, item.seq)
                    for lane, item in export(device.log)
                    if isinstance(item, Stored)
                }
                assert {key[2:] for key in central.arrivals()} <= stored
                assert "Traceback" not in device.said()
            assert set(central.arrivals().values()) == {1}

    run(scenario(), 100)
