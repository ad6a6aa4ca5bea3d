"""A real board on a bench as a device: switched, logged into and spoken to through labgrid.

labgrid lives in an environment of its own (build/labgrid; its pyserial and the agent's cannot be
together), so that it is a process that takes orders (labgrid/bench.py). docs/bench-board.md says
how a bench is set up.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from hil.device.contract import Answer, Part, Places
from hil.device.site import DATA_DIR
from hil.errors import BenchError
from hil.loopback import LOOPBACK

LABGRID = Path("build/labgrid/bin/python")
_BENCH = Path(__file__).with_name("labgrid") / "bench.py"
_END_S = 10.0
_ANSWER_S = 120.0
SITE_FILE = "site.toml"
_START_S = 60.0  # of the smallest board's imports
_ROLE = "{role} started (process "


class _Bench:
    """The process that turns the board. An order is answered before the next one is given."""

    def __init__(self, environment: Path, log: Path, python: Path) -> None:
        self._environment = environment
        self._log = log
        self._one_at_a_time = threading.Lock()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as said:
            try:
                self._process = subprocess.Popen(
                    [str(python), str(_BENCH), str(environment)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    text=True,
                )
            except OSError as error:
                why = error.strerror or "cannot be started"
                raise BenchError(str(python), why, "labgrid's environment") from error

    def ask(self, do: str, **values: object) -> dict[str, Any]:
        """Its answer. Raises: BenchError."""
        orders, answers = self._process.stdin, self._process.stdout
        assert orders is not None and answers is not None  # noqa: S101, PT018  both are pipes
        with self._one_at_a_time:
            try:
                orders.write(json.dumps({"do": do, **values}) + "\n")
                orders.flush()
                line = answers.readline()
            except (OSError, ValueError):
                line = ""
        if not line:
            raise BenchError("board", f"labgrid has ended; its words stand in {self._log}")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise BenchError(str(self._environment), f"{do}: {told['error']}")
        return told

    def close(self) -> None:
        """It ends when nobody asks any more."""
        try:
            self._process.communicate(timeout=_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


class Board:
    """The board of a labgrid environment file. folder: of the bench's own log, on this machine.

    python: labgrid's. Its power is cycled at the first start; `strike("all")` takes its power away,
    and the next start gives it back.
    """

    def __init__(self, environment: Path, folder: Path, *, python: Path = LABGRID) -> None:
        self._environment = environment
        self._folder = folder
        self._python = python
        self._bench: _Bench | None = None
        self._on = False
        self._said = ""
        self._command = self._there = ""
        self.address = LOOPBACK  # of this machine, as the board reaches it

    @property
    def log(self) -> None:
        """Out of reach: it stands on the board."""
        return

    @property
    def places(self) -> Places:
        """Its files, by their paths on the board."""
        there = self._there
        return Places(there, f"{there}/{SITE_FILE}", f"{there}/{DATA_DIR}")

    async def put(self, name: str, text: str) -> None:
        """A file beside its site file, over the console."""
        await self._ready()
        await self._order("put", path=f"{self._there}/{name}", text=text)

    async def ask(self, *words: str) -> Answer:
        """Its command with these words, over the console: standard error comes with the rest."""
        await self._ready()
        command = f"cd {self._there} && {self._command} {shlex.join(words)} 2>&1"
        told = await self._order("run", command=command, timeout_s=_ANSWER_S)
        return Answer(told["status"], "".join(f"{line}\n" for line in told["lines"]), "")

    async def start(self, site: str, environment: Mapping[str, str] | None = None) -> None:
        """Power, login, site file, and the agent until guard and link have been started."""
        if environment:
            raise BenchError("board", f"takes no {', '.join(environment)}", "its own clock")
        if self._on and await self._running():
            raise BenchError("board", "runs already", "it was stopped before it is started")
        await self._ready()
        site_path, log_path = self.places.site, f"{self._there}/agent.log"
        await self._order("put", path=site_path, text=site)
        begins = f"{self._command} run --site {site_path} >>{log_path} 2>&1 & echo $! >pid"
        ends = "wait $!; echo $? >status"
        words = shlex.quote(f"{begins}; {ends}")
        before = await self._starts("link")
        await self._run(f"cd {self._there} && rm -f status && (setsid sh -c {words} </dev/null &)")
        deadline = time.monotonic() + _START_S
        while await self._starts("link") <= before:
            if time.monotonic() > deadline or await self._ended():
                last = (self.said().splitlines() or ["nothing"])[-1]
                raise BenchError("board", f"the agent did not start; its last words: {last}")
            await asyncio.sleep(0.2)

    async def stop(self) -> int:
        """SIGTERM; the agent's exit status."""
        await self._run(f"kill -TERM $(cat {self._there}/pid)")
        deadline = time.monotonic() + _END_S
        while not await self._ended():
            if time.monotonic() > deadline:
                raise BenchError("board", f"the agent did not end within {_END_S:g} s of SIGTERM")
            await asyncio.sleep(0.1)
        return int((await self._run(f"cat {self._there}/status"))[0])

    async def strike(self, part: Part) -> bool:
        """SIGKILL of guard or link; "all": the board's power is off."""
        if not self._on or not await self._running():
            return False
        if part == "all":
            self.said()
            self._on = False
            await self._order("power", how="off")
            return True
        started = [line for line in self.said().splitlines() if _ROLE.format(role=part) in line]
        process = started[-1].rpartition("(process ")[2].rstrip(")") if started else "0"
        told = await self._order("run", command=f"kill -KILL {int(process)}")
        return bool(told["status"] == 0)

    def said(self) -> str:
        """The agent's log on the board; while its power is off, what was last read of it."""
        if self._on and self._there:
            told = self._opened().ask("run", command=f"cat {self._there}/agent.log 2>/dev/null")
            self._said = "".join(f"{line}\n" for line in told["lines"])
        return self._said

    async def __aenter__(self) -> Self:
        log = self._folder / "bench.log"
        self._bench = await asyncio.to_thread(_Bench, self._environment, log, self._python)
        try:
            options = await self._order("options")
            self._command, self._there = options["command"], options["folder"]
            self.address = options["address"] or LOOPBACK
            if not self._command or not self._there:
                where, lacks = str(self._environment), "lacks command or folder among its options"
                raise BenchError(where, lacks, "both, see docs/bench-board.md")
        except BenchError:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._bench is None:
            return
        try:
            if self._on:
                await self._order("power", how="off")
        finally:
            bench, self._bench, self._on = self._bench, None, False
            await asyncio.to_thread(bench.close)

    async def _ready(self) -> None:
        """Powered and logged into."""
        if not self._on:
            await self._power_up()

    async def _power_up(self) -> None:
        await self._order("power", how="cycle")
        self._on = True
        await self._order("login")
        await self._run(f"mkdir -p {self._there}")

    async def _running(self) -> bool:
        told = await self._order("run", command=f"kill -0 $(cat {self._there}/pid) 2>/dev/null")
        return bool(told["status"] == 0)

    async def _ended(self) -> bool:
        told = await self._order("run", command=f"test -s {self._there}/status")
        return bool(told["status"] == 0)

    async def _starts(self, role: str) -> int:
        said = await asyncio.to_thread(self.said)
        return said.count(_ROLE.format(role=role))

    async def _run(self, command: str) -> list[str]:
        """Its lines. Raises: BenchError when it fails."""
        told = await self._order("run", command=command)
        lines: list[str] = told["lines"]
        if told["status"]:
            last = (lines or ["it said nothing"])[-1]
            raise BenchError("board", f"{command!r} ended with {told['status']}: {last}")
        return lines

    async def _order(self, do: str, **values: object) -> dict[str, Any]:
        bench = self._opened()
        return await asyncio.to_thread(lambda: bench.ask(do, **values))

    def _opened(self) -> _Bench:
        if self._bench is None:
            raise BenchError("board", "the bench is not open", "it is used within `async with`")
        return self._bench
