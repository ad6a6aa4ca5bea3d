"""Drills on a live agent: link's side of them, the only writer of lane x.

    data_dir/drills/shelf/ID  orders that `order` takes from, as a signed command asks
    data_dir/drills/ORDER     put there as a whole (a rename): drill_order.py says what it holds
    data_dir/drills/RUNNING   the same folder while it runs
      first                   the seq in lane x from which this run tells
      done/STEP               put there when a step is done; holds the role that did it
      stop                    put there to break it off

What detection makes of the order's record is decided in a process of its own (drill_play.py) at the
lowest priority; guard, its sensors and every live lane, counter and projection know nothing of it.
A drill that was cut off, by whatever, is told as aborted, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.clock import Stamp
from agent.errors import RecordError, SiteError, StoreError
from agent.store import cbor, disk, entries, entry
from agent.store.journal import Journal, Stored, newest_first
from agent.uplink.topics import check_name

if TYPE_CHECKING:  # a script is read when there is an order, and link is to stay small
    from agent.drill_order import Order

LANE = "x"
SHELF, ORDER, RUNNING, FIRST, DONE, STOP = "shelf", "ORDER", "RUNNING", "first", "done", "stop"
# One look costs a stat; a step's time is told to this.
LOOK_S = 0.2
# A role's token with a line end; what is longer is none.
_ROLE_BYTES = 64
_NAMELESS = "unknown"
_OPEN = ("started", "step")


def order(folder: Path, name: str) -> None:
    """Order the drill `name` of the shelf. folder: of drills.

    Raises: StoreError where there is none, another one waits or runs, or the disk refuses.
    """
    wanted = folder / SHELF / check_name(name)
    if not wanted.is_dir():
        raise StoreError(str(wanted), "is not there", "a drill on the shelf")
    if (folder / ORDER).exists() or (folder / RUNNING).exists():
        raise StoreError(str(folder), "another drill waits or runs", "one at a time")
    made = folder / f".{ORDER}"
    try:
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        for path in wanted.iterdir():
            # By a second name: a record may be large, and link's loop must not wait for a copy.
            (made / path.name).hardlink_to(path)
        made.rename(folder / ORDER)
    except OSError as error:
        raise disk.refused(wanted, "cannot be ordered", error) from error


def stop(folder: Path) -> None:
    """Break off the drill that runs. Raises: StoreError where none does."""
    try:
        (folder / RUNNING / STOP).touch()
    except OSError as error:
        raise StoreError(str(folder / RUNNING), "no drill runs") from error


class _Broken(Exception):
    """Why a drill is broken off."""


class Drills:
    """Notices orders below `folder` and runs them, one at a time.

    site: the site file. stamp: an instant of the monotonic clock with its UTC. now_us: that clock.
    """

    def __init__(
        self,
        *,
        folder: Path,
        site: Path,
        log: Path,
        journal: Journal,
        stamp: Callable[[int], Stamp],
        now_us: Callable[[], int],
    ) -> None:
        self._order = folder / ORDER
        self._running = folder / RUNNING
        self._site = site
        self._log = log
        self._journal = journal
        self._stamp = stamp
        self._now_us = now_us
        self._grew: Callable[[], None] = lambda: None
        self._looked_back = False
        self._trouble = ""

    async def run(self, grew: Callable[[], None]) -> None:
        """Until cancelled. grew: to be called when lane x has grown."""
        self._grew = grew
        while True:
            try:
                self._clear()
                if self._take():
                    await _Run(self).run()
                    self._forget()
                self._trouble = ""
            except (OSError, StoreError) as error:
                if str(error) != self._trouble:  # tried again at every look, told once
                    self._trouble = str(error)
                    say(self._trouble)
            await asyncio.sleep(LOOK_S)

    # For the run.

    @property
    def now_us(self) -> int:
        """CLOCK_MONOTONIC."""
        return self._now_us()

    @property
    def folder(self) -> Path:
        """Of the order that runs."""
        return self._running

    @property
    def site(self) -> Path:
        """The site file."""
        return self._site

    def tell(self, name: str, what: str, after_ms: int, **values: Any) -> None:
        """A record of the drill called `name`, on disk. Raises: StoreError."""
        told = {"drill": name, "what": what, "after_ms": after_ms, **values}
        self._append(entries.drill_entry(self._stamp(self._now_us()), told))
        say(f"{name} {what}" + (f": {values['detail']}" if values.get("detail") else ""))

    def decided(self, logged: list[Any], why: list[Any] | None) -> None:
        """An event of the drill and what is behind it. Raises: StoreError, RecordError."""
        try:
            entry.check(logged)
            if logged[entry.TYPE] != entry.EVENT:
                raise ValueError(f"type {logged[entry.TYPE]}; expected an event")
            restamped = entries.restamped(logged, self._stamp(logged[entry.MONO]))
            seq = self._append(restamped)
            if why is not None:
                values = {"lane": LANE, "seq": seq, "quantities": why}
                at = tuple(restamped[entry.BOOT : entry.FIRST])
                self._append(entry.compose(entry.WHY, at, values))
        except (TypeError, ValueError) as error:
            raise RecordError("drill", str(error)) from error

    def _append(self, logged: list[Any]) -> int:
        seq = self._journal.append(LANE, cbor.dumps(logged))
        self._grew()
        return seq

    # Before and after.

    def _take(self) -> bool:
        """Make an order that is there the one that runs."""
        if not self._order.is_dir():
            return False
        self._order.rename(self._running)
        first = self._journal.next_seq(LANE)
        disk.replace_file(self._running / FIRST, f"{first}\n".encode())
        return True

    def _clear(self) -> None:
        """Whatever stopped us, what it left of a drill is told and goes. Raises: StoreError."""
        left = self._running.exists()
        if self._looked_back and not left:
            return
        last = self._last()
        if last is not None and last[1]["what"] in _OPEN:
            told = last[1]
            self.tell(told["drill"], "aborted", told["after_ms"], detail="link ended meanwhile")
        elif left and (last is None or last[0] < self._first()):
            self.tell(_name(self._running), "aborted", 0, detail="link ended before it began")
        self._forget()
        self._looked_back = True

    def _forget(self) -> None:
        if self._running.exists():
            shutil.rmtree(self._running)

    def _first(self) -> int:
        """From which seq the run in the folder tells; beyond all where it had not come to that."""
        try:
            return int((self._running / FIRST).read_text())
        except (OSError, ValueError):
            return sys.maxsize

    def _last(self) -> tuple[int, dict[str, Any]] | None:
        """Seq and columns of the last word of any drill."""
        for item in newest_first(self._log, LANE):
            if isinstance(item, Stored):
                with contextlib.suppress(RecordError, ValueError):
                    return item.seq, entries.entry_drill(cbor.loads(item.payload))
        return None


class _Run:
    """One drill, from its order to its end."""

    def __init__(self, drills: Drills) -> None:
        self._drills = drills
        self._start_us = drills.now_us
        self._waiting: set[str] = set()
        self._played = False

    async def run(self) -> None:
        """To its end, whatever that is. Raises: StoreError, OSError: the next look tells it."""
        from agent import drill_order

        try:
            order = drill_order.read(self._drills.folder)
        except (OSError, SiteError) as error:
            self._drills.tell(_name(self._drills.folder), "aborted", 0, detail=str(error))
            return
        self._waiting = {step.name for step in order.steps}
        (self._drills.folder / DONE).mkdir(exist_ok=True)
        self._drills.tell(order.id, "started", 0, **order.started())
        try:
            await self._through(order)
            self._drills.tell(order.id, "ended", self._after_ms())
        except (RecordError, _Broken) as why:
            self._drills.tell(order.id, "aborted", self._after_ms(), detail=str(why))
        except asyncio.CancelledError:
            self._drills.tell(order.id, "aborted", self._after_ms(), detail="the agent was stopped")
            raise

    async def _through(self, order: Order) -> None:
        """Until everything is done and played, or the time is over."""
        player = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent.drill_play"),
            *(str(self._drills.site), str(self._drills.folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        listening = asyncio.create_task(self._listen(player), name="drill's decisions")
        try:
            while self._waiting or not self._played:
                if listening.done():
                    listening.result()
                self._look(order)
                if self._after_ms() >= order.ends_after_s * 1000:
                    return
                await asyncio.sleep(LOOK_S)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            with contextlib.suppress(ProcessLookupError):
                player.kill()
            await player.wait()

    def _look(self, order: Order) -> None:
        """Steps that were done since the last look, and whether somebody wants it over."""
        if (self._drills.folder / STOP).exists():
            raise _Broken("stopped by hand")
        done = self._drills.folder / DONE
        found = [path for path in done.iterdir() if path.name in self._waiting]
        for path in sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name)):
            self._waiting.discard(path.name)
            role = _role(path)
            self._drills.tell(order.id, "step", self._after_ms(), step=path.name, role=role)

    async def _listen(self, player: asyncio.subprocess.Process) -> None:
        """What the player decides, until its word that the record is over."""
        assert player.stdout is not None  # noqa: S101  it was asked for
        async for line in player.stdout:
            try:
                told = json.loads(line)
                if "end" in told:
                    break
                self._drills.decided(told["event"], told["why"])
            except (KeyError, TypeError, ValueError) as error:
                raise RecordError("drill", f"its player says {line[:40]!r}") from error
        else:
            raise _Broken(f"its player ended with status {await player.wait()}")
        if told["end"]:
            raise _Broken(told["end"])
        self._played = True

    def _after_ms(self) -> int:
        return (self._drills.now_us - self._start_us) // 1000


def _name(folder: Path) -> str:
    """What an order calls itself, where it can be read."""
    from agent import drill_order

    try:
        return drill_order.read(folder).id
    except (OSError, SiteError):
        return _NAMELESS


def _role(path: Path) -> str | None:
    """The role that the file names; None where it names none."""
    try:
        with path.open("rb") as file:
            return check_name(file.read(_ROLE_BYTES).decode().strip())
    except (OSError, ValueError):
        return None


def say(line: str) -> None:
    """One line of log to standard error; the journal of the system stamps it."""
    sys.stderr.write(f"ftu-agent drill: {line}\n")
