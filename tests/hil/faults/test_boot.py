"""A boot that the device cannot tell from a real one."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hil.device.agent import AGENT, Agent
from hil.device.listener import Listener
from hil.device.site import compose
from hil.faults import boot
from hil.faults.broker import Mosquitto
from hil.faults.clock import Clock
from tests.agent.uplink.broker import run
from tests.hil.feeders import simulated

MISSING = boot.lacking()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"this machine lacks {MISSING}")

READ = """
import time
print(open("/proc/sys/kernel/random/boot_id").read().strip())
print(time.clock_gettime(time.CLOCK_BOOTTIME), time.monotonic(), time.time())
"""


def test_each_boot_has_its_own_id_and_begins_its_monotonic_clocks_anew(tmp_path: Path) -> None:
    ids = {Path("/proc/sys/kernel/random/boot_id").read_text().strip()}
    for _ in range(2):
        command = boot.fresh([sys.executable, "-c", READ], tmp_path)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        boot_id, boottime_s, monotonic_s, utc_s = done.stdout.split()
        ids.add(boot_id)
        assert 9 < float(boottime_s) < 30
        assert 9 < float(monotonic_s) < 30
        assert abs(float(utc_s) - time.time()) < 30
    assert len(ids) == 3
    assert Path("/proc/sys/kernel/random/boot_id").read_text().strip() in ids


def test_a_command_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    command = boot.fresh(["/nowhere/ftu-agent"], tmp_path)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "hil.faults.boot: [Errno 2] No such file or directory\n"


def test_an_agent_counts_the_boots_and_goes_on_without_time_after_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        with Mosquitto(tmp_path / "broker") as broker:
            site = compose([simulated()], node="ftu-1", broker=broker.url)
            clock = Clock(tmp_path / "clock")
            async with Listener(broker.url, tmp_path / "central") as central:
                for number in (1, 2):
                    device = Agent(tmp_path / "device", boot.fresh(AGENT, tmp_path / "boots"))
                    async with device:
                        await device.start(site, clock.environment())
                        await central.until(lambda: boots(central) >= {number}, "a fault", 60)  # noqa: B023
                        await device.strike("all")
                    clock.never_set(datetime(1970, 1, 1, tzinfo=UTC))
                assert boots(central) == {1, 2}
                last = central.told("fault")[-1].told["clock"]
                assert (last["source"], last["boot"]) == ("unknown", 2)
                assert last["mono_us"] < 120e6
            assert set(central.arrivals().values()) == {1}
            assert "Traceback" not in device.said()

    def boots(central: Listener) -> set[int]:
        return {receipt.told["clock"]["boot"] for receipt in central.told("fault")}

    run(scenario(), 100)
