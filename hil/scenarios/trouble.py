"""What befalls the surroundings of a device: each `what` of [[fault]] as begin, wait and end.

How each comes about is the business of hil/faults; here is only which is meant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hil.device.agent import Agent
from hil.drill import Script, shelve
from hil.errors import BenchError
from hil.faults import power
from hil.scenarios.forging import forge
from hil.scenarios.scenario import Fault
from hil.scenarios.stage import Stage

Act = Callable[[Stage, Fault], Awaitable[object]]
AFTERWARDS = ("corrupt_log",)  # done to the log when the device has ended
AT_START = ("boot_without_time",)  # how the device is started


async def befall(stage: Stage, fault: Fault) -> None:
    """Do it now, for as long as it lasts. Raises: BenchError."""
    begin, end = _ACTS[fault.what]
    await begin(stage, fault)
    if fault.for_s is not None and end is not None:
        await asyncio.sleep(fault.for_s)
        await end(stage, fault)


async def prepare(stage: Stage, fault: Fault) -> None:
    """What must be so before the device starts; its end comes by the clock."""
    begin, _ = _ACTS[fault.what]
    await begin(stage, fault)


async def heal(stage: Stage, fault: Fault) -> None:
    """The end of what was prepared."""
    _, end = _ACTS[fault.what]
    if end is not None:
        await end(stage, fault)


def lay_drill(stage: Stage) -> None:
    """The scenario's drill onto the device's shelf. Raises: BenchError."""
    if not isinstance(stage.device, Agent):
        raise BenchError("drill", "needs a device that runs here", "--dut agent")
    name, recording = next(iter(stage.recordings.items()))
    script = Script(stage.scenario.drill, stage.scenario.title, name)
    shelve(Path(stage.device.places.data), script, recording)


async def _swallow(stage: Stage, _: Fault) -> None:
    stage.proxy.swallow()


async def _half_open(stage: Stage, _: Fault) -> None:
    stage.proxy.half_open("broker")


async def _reset(stage: Stage, _: Fault) -> None:
    stage.proxy.cut()


async def _delay(stage: Stage, fault: Fault) -> None:
    for way in (stage.proxy.up, stage.proxy.down):
        way.delay_s = fault.options["delay_ms"] / 1e3


async def _narrow(stage: Stage, fault: Fault) -> None:
    for way in (stage.proxy.up, stage.proxy.down):
        way.bytes_per_s = fault.options["bytes_per_s"]


async def _lossy(stage: Stage, fault: Fault) -> None:
    for way in (stage.proxy.up, stage.proxy.down):
        way.lost = fault.options["share"]


async def _heal(stage: Stage, _: Fault) -> None:
    await stage.proxy.heal()


async def _broker_gone(stage: Stage, _: Fault) -> None:
    await asyncio.to_thread(stage.broker.kill)


async def _broker_back(stage: Stage, _: Fault) -> None:
    await asyncio.to_thread(stage.broker.start)


async def _broker_restart(stage: Stage, _: Fault) -> None:
    await asyncio.to_thread(stage.broker.restart)


async def _consumer_gone(stage: Stage, _: Fault) -> None:
    await stage.listener.end()


async def _consumer_back(stage: Stage, _: Fault) -> None:
    await stage.listener.start()


async def _kill(stage: Stage, fault: Fault) -> None:
    if not await stage.device.strike(fault.options["who"]):
        raise BenchError(f"fault kill {fault.options['who']}", "there was nothing to kill")
    if fault.options["who"] == "all":
        await stage.device.start(stage.site(), stage.environment())


async def _power_off(stage: Stage, fault: Fault) -> None:
    await power.cut(_processes(stage, fault), _disk(stage, fault), keep=0.5, seed=stage.seed)


async def _power_on(stage: Stage, _: Fault) -> None:
    await stage.device.start(stage.site(), stage.environment())


async def _fill(stage: Stage, fault: Fault) -> None:
    await asyncio.to_thread(_disk(stage, fault).fill)


async def _slow(stage: Stage, fault: Fault) -> None:
    seconds = fault.options["delay_ms"] / 1e3
    disk = _disk(stage, fault)
    await asyncio.to_thread(lambda: disk.slow(write_s=seconds, flush_s=seconds))


async def _disk_well(stage: Stage, fault: Fault) -> None:
    await asyncio.to_thread(_disk(stage, fault).heal)


async def _jump(stage: Stage, fault: Fault) -> None:
    stage.clock.jump(fault.options["by_s"])


async def _never_set(stage: Stage, _: Fault) -> None:
    stage.clock.never_set(datetime(1970, 1, 1, tzinfo=UTC))


async def _set_at_last(stage: Stage, _: Fault) -> None:
    stage.clock.synchronise()


async def _forge(stage: Stage, fault: Fault) -> None:
    forge(_processes(stage, fault).log, fault.options["lane"], fault.options["how"])


def _processes(stage: Stage, fault: Fault) -> Agent:
    """The device where it runs here: a board's disk is its own. Raises: BenchError."""
    if not isinstance(stage.device, Agent):
        raise BenchError(f"fault {fault.what}", "needs a device that runs here", "--dut agent")
    return stage.device


def _disk(stage: Stage, fault: Fault) -> Any:
    if stage.disk is None:
        raise BenchError(f"fault {fault.what}", "there is no disk of the rig's own")
    return stage.disk


_ACTS: dict[str, tuple[Act, Act | None]] = {
    "black_hole": (_swallow, _heal),
    "half_open": (_half_open, _heal),
    "reset": (_reset, None),
    "delay": (_delay, _heal),
    "byte_loss": (_lossy, _heal),
    "bandwidth": (_narrow, _heal),
    "broker_down": (_broker_gone, _broker_back),
    "broker_restart": (_broker_restart, None),
    "consumer_away": (_consumer_gone, _consumer_back),
    "kill": (_kill, None),
    "power_cut": (_power_off, _power_on),
    "disk_full": (_fill, _disk_well),
    "disk_slow": (_slow, _disk_well),
    "clock_jump": (_jump, None),
    "boot_without_time": (_never_set, _set_at_last),
    "corrupt_log": (_forge, None),
}
