"""The device's own clock is wrong, and the machine's is not touched."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hil.device.agent import Agent
from hil.device.listener import Listener
from hil.device.site import compose
from hil.errors import BenchError
from hil.faults.broker import Mosquitto
from hil.faults.clock import Clock
from tests.agent.uplink.broker import run
from tests.hil.feeders import ENDED, simulated

READ = """
from agent import kernel_time
import time
r = kernel_time.read()
k = r.kernel
print(r.utc_us - time.time_ns() // 1000, r.utc_us - r.mono_us, k.synchronised, k.maxerror_us)
print(r.mono_us - time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000)
"""
CLOSE_S = 5.0  # two looks on a loaded machine


def seen(clock: Clock) -> tuple[float, float, bool, int]:
    """How far off a process's UTC is [s], UTC at boot [s], and what its kernel says of it."""
    environment = {**os.environ, **clock.environment()}
    done = subprocess.run(
        [sys.executable, "-c", READ], env=environment, capture_output=True, text=True, check=True
    )
    off_us, boot_us, synchronised, maxerror_us, mono_us = done.stdout.split()
    assert abs(int(mono_us)) < CLOSE_S * 1e6
    return int(off_us) / 1e6, int(boot_us) / 1e6, synchronised == "True", int(maxerror_us)


def test_a_clock_is_right_until_it_is_made_wrong_and_can_be_set(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    assert seen(clock)[2:] == (True, 20_000)
    assert abs(seen(clock)[0]) < CLOSE_S
    clock.jump(3600)
    clock.jump(-60)
    assert seen(clock)[0] == pytest.approx(3540, abs=CLOSE_S)
    clock.lose_synchronisation()
    assert seen(clock)[2] is False
    clock.set(error_s=-30)
    assert seen(clock)[0] == pytest.approx(-30, abs=CLOSE_S)
    assert seen(clock)[2] is False
    clock.synchronise(maxerror_us=1500)
    assert seen(clock)[2:] == (True, 1500)
    assert abs(seen(clock)[0]) < CLOSE_S


def test_a_clock_that_never_was_set_counts_from_where_it_stood_at_boot(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    clock.never_set(datetime(1970, 1, 1, tzinfo=UTC))
    _, boot_s, synchronised, _ = seen(clock)
    assert boot_s == pytest.approx(0, abs=0.001)
    assert not synchronised


def test_a_straying_clock_runs_away_at_its_rate_and_keeps_what_it_strayed(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    began = time.monotonic()
    clock.stray(1_000_000)  # twice as fast
    time.sleep(0.2)
    ran_s = time.monotonic() - began
    assert seen(clock)[0] >= ran_s
    clock.stray(0)
    kept_s = seen(clock)[0]
    assert kept_s >= ran_s
    assert seen(clock)[0] == pytest.approx(kept_s, abs=0.01)


def test_a_device_that_does_not_take_the_clock_is_a_broken_bench(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    subprocess.run(
        [sys.executable, "-c", ""], env={**os.environ, **clock.environment()}, check=True
    )
    with pytest.raises(BenchError, match="has not taken it"):
        clock.taken_by()
    seen(clock)
    assert len(clock.taken_by()) == 1


def test_an_agent_boots_without_time_is_set_and_jumps_and_says_all_of_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        with Mosquitto(tmp_path / "broker") as broker:
            clock = Clock(tmp_path / "clock")
            clock.never_set(datetime(1970, 1, 1, tzinfo=UTC))
            device = Agent(tmp_path / "device")
            async with Listener(broker.url, tmp_path / "central") as central, device:

                def causes() -> list[str]:
                    return [r.told["cause"] for r in central.told("timemap")]

                async def a_fault(what: str) -> dict[str, Any]:
                    known = len(central.told("fault"))
                    await central.until(lambda: len(central.told("fault")) > known, what, 60)
                    told = central.told("fault")[-1].told
                    return {**told["clock"], "t": datetime.fromisoformat(told["t"])}

                site = compose([simulated()], node="ftu-1", broker=broker.url)
                await device.start(site, clock.environment())
                unknown = await a_fault("a fault without time")
                assert (unknown["source"], unknown["error_us"]) == ("unknown", None)
                assert unknown["t"].year == 1970

                clock.synchronise()
                await central.until(lambda: "set" in causes(), "that the clock was set")
                right = await a_fault("a fault with time")
                assert right["source"] == "ntp"
                assert abs((right["t"] - datetime.now(UTC)).total_seconds()) < 60

                for jump_s in (7200, -10800):
                    steps = causes().count("step")
                    clock.jump(jump_s)
                    await central.until(lambda: causes().count("step") > steps, "the step")  # noqa: B023
                after = await a_fault("a fault after the jumps")
                assert after["mono_us"] > right["mono_us"] > unknown["mono_us"]
                assert -3700 < (after["t"] - right["t"]).total_seconds() < -3500
                running = {device.starts("guard")[-1], device.starts("link")[-1]}
                assert running <= set(clock.taken_by())
                assert device.said().count("started") == 2  # nobody was restarted for it
                assert await device.stop() in ENDED
            assert set(central.arrivals().values()) == {1}

    run(scenario(), 100)
