"""What stands around a device that runs: instruments, a line that can break, broker and consumer.

It is built and taken down here; what is done to it meanwhile stands in trouble.py and live.py.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.store import ed25519
from agent.store.ed25519 import Secret
from hil.case import Case, Recording
from hil.device.agent import Agent
from hil.device.board import Board
from hil.device.contract import Device
from hil.device.listener import Listener
from hil.device.site import Terminal, compose
from hil.errors import BenchError
from hil.faults.broker import Mosquitto
from hil.faults.clock import Clock
from hil.faults.proxy import Proxy
from hil.instruments.contract import Instrument
from hil.loopback import LOOPBACK
from hil.scenarios.cast import judged
from hil.scenarios.interfaces import instrument
from hil.scenarios.ran import Dut
from hil.scenarios.scenario import Scenario

SITE, NODE = "bench", "dut"
TRUSTED = "trusted.keys"  # beside the site file
# From the stage's standing to the first sample where a file names instants: an agent's start on a
# machine that is busy with other things.
LEAD_S = 12.0
_PATIENCE_S = 60.0
_ON_DISK = ("disk_full", "disk_slow", "power_cut")  # what needs a disk of the rig's own
_ON_CLOCK = ("boot_without_time", "clock_jump")
_UTC = re.compile(r"\{utc([+-]\d+)\}")


@dataclass(slots=True)
class Stage:
    """All of it, standing.

    start_us: instant of the first sample, CLOCK_MONOTONIC; starts: of each terminal and play, when
    its first sample went out, since an instrument begins on a whole turn of what it shows before.
    seed: of what is left to chance. commander: by which commands are signed. disk: where the
    device's files are, when the scenario does something to a disk. clock: the device's own, right
    and synchronised until a fault says more.
    """

    scenario: Scenario
    folder: Path
    start_us: int
    recordings: Mapping[str, Recording]
    instruments: Mapping[str, Instrument]
    broker: Mosquitto
    proxy: Proxy
    listener: Listener
    device: Device
    clock: Clock
    seed: int
    commander: Secret
    disk: Any = None
    starts: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def dated(self) -> bool:
        """Whether a file names instants, so that the first sample cannot wait for the device."""
        return any(
            _UTC.search(text)
            for text in (self.scenario.site, self.scenario.uplink, *self.scenario.files.values())
        )

    def at_us(self, at_s: float) -> int:
        """The instant of a time of the scenario."""
        return self.start_us + round(at_s * 1e6)

    def played_us(self, name: str, number: int) -> int:
        """The instant of the first sample of a terminal's play."""
        planned_us = self.at_us(number * self.scenario.play.every_s)
        return self.starts.get((name, number), planned_us)

    def seconds(self, at_us: int) -> float:
        """The time of the scenario at this instant."""
        return (at_us - self.start_us) / 1e6

    def site(self) -> str:
        """The device's site file."""
        terminals = [
            Terminal(
                name,
                recording.bay,
                recording.nominal_hz,
                self.instruments[name].sensor(),
                self._channels(name),
            )
            for name, recording in self.recordings.items()
        ]
        more = filled(self.scenario.site, self)
        uplink = filled(self.scenario.uplink, self)
        if self.scenario.commands_it:
            uplink += f'\ntrusted = "{TRUSTED}"'
        return compose(
            terminals, node=NODE, site=SITE, broker=self.proxy.url, uplink=uplink, more=more
        )

    def files(self) -> dict[str, str]:
        """What lies beside the site file, by name."""
        laid = {name: filled(text, self) for name, text in self.scenario.files.items()}
        if self.scenario.commands_it:
            laid[TRUSTED] = ed25519.line_of(self.commander.public, "bench")
        return laid

    def _channels(self, name: str) -> str:
        """The lines of the channels that the device has."""
        lines = self.instruments[name].channels().splitlines()
        return "\n".join(
            line for line in lines if line.partition("=")[0].strip() not in self.scenario.unwired
        )

    @property
    def one_clock(self) -> bool:
        """Whether the device's instants are of the rig's clock."""
        return isinstance(self.device, Agent)

    def environment(self) -> dict[str, str] | None:
        """By which the device gets its clock; a board has its own, and refuses to be given one."""
        tampered = any(fault.what in _ON_CLOCK for fault in self.scenario.faults)
        return self.clock.environment() if self.one_clock or tampered else None

    def words(self, text: str) -> str:
        """A command's words with their places filled in."""
        return text.format(
            site=self.device.places.site,
            data=self.device.places.data,
            broker=self.proxy.url,
            folder=self.device.places.folder,
        )


@contextlib.asynccontextmanager
async def standing(
    scenario: Scenario, case: Case | None, folder: Path, dut: Dut
) -> AsyncIterator[Stage]:
    """Everything but the device itself runs; it ends whatever happens. Raises: RigError."""
    if case is None:
        raise BenchError(scenario.name, "has no case to play", 'case = "golden:NAME" or [draw]')
    recordings = {name: case.recordings[name] for name in judged(scenario, case)}
    async with contextlib.AsyncExitStack() as stack:
        disk = None
        if any(fault.what in _ON_DISK for fault in scenario.faults):
            from hil.faults.disk import Disk  # root, FUSE and a loop device: only where needed

            disk = stack.enter_context(Disk(folder / "disk"))
        home = disk.path / "device" if disk else folder / "device"
        device: Device
        address = LOOPBACK
        if dut.board is None:
            device = await stack.enter_async_context(Agent(home, dut.command))
        else:
            device = board = await stack.enter_async_context(Board(dut.board, home))
            address = board.address
        broker = stack.enter_context(Mosquitto(folder / "broker", address=address))
        proxy = await stack.enter_async_context(Proxy(broker.port, address=address))
        instruments = {
            name: await stack.enter_async_context(
                instrument(scenario.instrument, recording, folder / "instruments" / name, address)
            )
            for name, recording in recordings.items()
        }
        # Not through the proxy: the consumer's own line is good.
        listener = await stack.enter_async_context(Listener(broker.url, folder / "consumer"))
        stage = Stage(
            scenario=scenario,
            folder=folder,
            start_us=time.monotonic_ns() // 1000 + round(LEAD_S * 1e6),
            recordings=recordings,
            instruments=instruments,
            broker=broker,
            proxy=proxy,
            listener=listener,
            device=device,
            clock=Clock(folder / "clock" / "state.json"),
            seed=case.seed,
            commander=Secret(secrets.token_bytes(ed25519.SEED_BYTES)),
            disk=disk,
        )
        yield stage


def filled(text: str, stage: Stage) -> str:
    """{utc+N} and {section} filled in."""
    start = datetime.now(UTC) + timedelta(microseconds=stage.start_us - time.monotonic_ns() // 1000)

    def instant(match: re.Match[str]) -> str:
        return (start + timedelta(seconds=int(match[1]))).strftime("%Y-%m-%dT%H:%M:%SZ")

    section = next(iter(stage.recordings.values())).bay.section
    return _UTC.sub(instant, text).replace("{section}", json.dumps(section)[1:-1])
