"""The agent as what it is on a device: a supervisor with guard and link, real processes in a folder
of their own.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from hil.device.contract import Answer, Part, Places
from hil.device.site import DATA_DIR
from hil.errors import BenchError
from hil.faults import boot, processes

ROLES = ("guard", "link")
AGENT = (sys.executable, "-m", "agent")
# contract.md, section 1: it ends within 5 s. A loaded bench gets as much again before we give up.
_END_S = 10.0
_START_S = 30.0
_LOOK_S = 0.01
_ANSWER_S = 60.0


class Agent:
    """`ftu-agent run` in `folder`. command: takes the words of `ftu-agent`, and becomes the
    supervisor (a script has to `exec` it). said: where its standard error is kept; None: in
    `folder`, whose disk may have no room for it.
    """

    def __init__(
        self, folder: Path, command: Sequence[str] = AGENT, said: Path | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.site = folder / "site.toml"
        self._command = command
        self._said = said or folder / "agent.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._booted: tuple[str, ...] = ()

    @property
    def log(self) -> Path:
        """The folder of its log."""
        return self.folder / DATA_DIR / "log"

    @property
    def data_dir(self) -> Path:
        """Everything that it keeps."""
        return self.folder / DATA_DIR

    @property
    def places(self) -> Places:
        """Its files, by their paths here."""
        return Places(str(self.folder), str(self.site), str(self.data_dir))

    async def put(self, name: str, text: str) -> None:
        """A file beside its site file."""
        (self.folder / name).write_text(text)

    async def ask(self, *words: str) -> Answer:
        """Its command with these words. Raises: BenchError when it does not end."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_ANSWER_S):
                out, error = await process.communicate()
        except TimeoutError as late:
            process.kill()
            await process.wait()
            what = f"no end after {_ANSWER_S:.0f} s"
            raise BenchError(f"ftu-agent {' '.join(words)}", what) from late
        return Answer(
            process.returncode or 0, out.decode(errors="replace"), error.decode(errors="replace")
        )

    @property
    def process(self) -> int:
        """Number of the supervisor. Raises: BenchError when it was never started."""
        if self._process is None:
            raise BenchError("agent", "does not run", "it was started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether its supervisor is there."""
        return self._process is not None and self._process.poll() is None

    def status(self) -> int:
        """Its exit status, once it has ended."""
        if self._process is None:
            raise BenchError("agent", "does not run", "it was started")
        return self._process.wait()

    def said(self) -> str:
        """What it wrote to standard error, over all its starts."""
        return self._said.read_text(errors="replace") if self._said.exists() else ""

    def starts(self, role: str) -> list[int]:
        """Process numbers that guard or link has had."""
        return [int(n) for n in re.findall(rf"{role} started \(process (\d+)\)", self.said())]

    def reboot(self) -> None:
        """From its next start on it is another boot: see faults/boot.py, also for what it takes."""
        self._booted = boot.fresh((), self.folder.parent / f"{self.folder.name}-boots")

    def spawn(self, site: str, environment: Mapping[str, str] | None = None) -> None:
        """Start it and do not wait. Raises: BenchError."""
        if self.running:
            raise BenchError("agent", "runs already", "it was stopped before it is started")
        self.site.write_text(site)
        with self._said.open("ab") as said:
            try:
                self._process = subprocess.Popen(
                    [*self._booted, *self._command, "run", "--site", str(self.site)],
                    stdout=said,
                    stderr=said,
                    env={**os.environ, **(environment or {})},
                )
            except OSError as error:
                where = self._command[0]
                raise BenchError(where, f"cannot be started ({error.strerror})") from error

    async def start(self, site: str, environment: Mapping[str, str] | None = None) -> None:
        """Start it; back once guard and link have been started by their supervisor."""
        before = [len(self.starts(role)) for role in ROLES]
        self.spawn(site, environment)

        def up() -> bool:
            now = [len(self.starts(role)) for role in ROLES]
            return all(n > n0 for n, n0 in zip(now, before, strict=True))

        await _within(_START_S, lambda: up() or not self.running)
        if not self.running or not up():
            await self.strike("all")
            words = self.said().splitlines() or ["nothing"]
            raise BenchError("agent", f"did not start; its last words: {words[-1]}")

    async def stop(self) -> int:
        """SIGTERM; its exit status."""
        process = self.process
        if self.running:
            os.kill(process, signal.SIGTERM)
        if not await _within(_END_S, lambda: not self.running):
            await self.strike("all")
            raise BenchError("agent", f"did not end within {_END_S:g} s of SIGTERM")
        return self.status()

    async def strike(self, part: Part) -> bool:
        """SIGKILL. "all": supervisor, guard and link in one breath."""
        if part != "all":
            started = self.starts(part)
            return bool(started) and processes.kill(started[-1])
        tree = self.put_down()
        # Orphans are buried by init, and hold their files and sockets until they are dead.
        await _within(_END_S, lambda: not any(map(processes.alive, tree)))
        return bool(tree)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.strike("all")

    def tree(self) -> list[int]:
        """Supervisor, guard and link, as they are now; empty when it does not run."""
        return [self.process, *processes.descendants(self.process)] if self.running else []

    def put_down(self) -> list[int]:
        """SIGKILL of everything that is left of it; the numbers of what that was."""
        if not self.running:
            return []
        # It would replace what dies below it, so it stands still while we count.
        processes.freeze(self.process)
        tree = self.tree()
        for process in tree:
            processes.kill(process)
        self.status()
        return tree


async def _within(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_LOOK_S)
    return True
