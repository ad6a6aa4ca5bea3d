"""`make soak`: long campaigns in units drawn by seeds, resumable at any moment.

    python -m hil.soak [--hours H] [--only NAME ...] [--units N] [--jobs N] [--file PATH] [--list]
    python -m hil.soak --fold [--only NAME ...] [--file PATH]

A unit is a function of a seed (units.py); it runs in a process of its own, which may fail, hang or
die without ending the campaign; units that mostly wait can run side by side. Each that has ended
becomes a line of bench/soak.jsonl, on disk before the next one begins; after an interruption each
kind goes on with the first seed that is missing. At the end stands, for each kind, how often a unit
can still fail when so many have not. `--fold` joins the lines of units that held (ledger.py).

Exit status: 0 all units of this run held, 1 some did not, 2 wrong use or bad input.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import agent
from hil.errors import BenchError, RigError
from hil.ledger import Done, Ledger, Result, summaries, table

FILE = Path("bench/soak.jsonl")
PROGRESS_S = 60.0
# A unit that has not ended by then hangs; the longest waits 400 s for a back-off of 300 s.
LONGEST_S = 1800.0
_LOOK_S = 0.05
_MOST_JOBS = 64  # more than any bench has processors for
_LAST_WORDS = 400


@dataclass(frozen=True, slots=True)
class Unit:
    """A kind of unit. run: a seed's result, a dict of plain values with `ok`. about: one line."""

    about: str
    run: Callable[[int], Result]


class _Running:
    """A unit in a process of its own, with all that it starts. command: runs one unit when
    `--one NAME SEED` follows.
    """

    def __init__(self, unit: str, seed: int, command: Sequence[str]) -> None:
        self.unit, self.seed = unit, seed
        self._began = time.monotonic()
        # Files, since a pipe that nobody reads would hold up whoever says much.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  `end` closes both
        self._troubles = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [*command, "--one", unit, str(seed)],
            stdout=self._said,
            stderr=self._troubles,
            start_new_session=True,
        )

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def over(self) -> bool:
        """Whether it has ended, or never will."""
        return self._process.poll() is not None or self.seconds >= LONGEST_S

    def end(self) -> Done:
        """What came of it; nothing of it runs any more."""
        hangs = self._process.poll() is None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        status = self._process.wait()
        said, troubles = _content(self._said), _content(self._troubles)
        if hangs:
            said, troubles = b"", f"has not ended within {LONGEST_S:g} s".encode()
        result = _result(said, troubles, status)
        seconds = round(self.seconds, 3)
        return Done(self.unit, self.seed, bool(result["ok"]), seconds, agent.__version__, result)


def _content(file: IO[bytes]) -> bytes:
    """All of it; it is closed then."""
    with file:
        file.seek(0)
        return file.read()


class _Progress:
    """A line a minute, however long or short the units are."""

    def __init__(self, ledger: Ledger, tell: Callable[[str], None], end: float) -> None:
        self._finished = ledger.fresh
        self._tell = tell
        self._end = end
        self._told_at = time.monotonic()

    def look(self, running: Sequence[_Running]) -> None:
        """These run just now."""
        now = time.monotonic()
        if now - self._told_at < PROGRESS_S:
            return
        self._told_at = now
        failed = sum(not each.ok for each in self._finished)
        now_on = ", ".join(f"{one.unit} {one.seed} for {one.seconds:.0f} s" for one in running)
        self._tell(
            f"{len(self._finished)} units done, {failed} failed, "
            f"{max(0.0, self._end - now) / 3600:.2f} h left; {now_on}"
        )


def campaign(
    ledger: Ledger,
    names: Sequence[str],
    *,
    hours: float,
    most: int | None = None,
    jobs: int = 1,
    tell: Callable[[str], None],
    command: Sequence[str] = (sys.executable, "-m", "hil.soak"),
) -> None:
    """Units until the time is over, the kind that has had the least of it first.

    most: units of this run at the most. jobs: so many at once. command: as of _Running.
    """
    end = time.monotonic() + hours * 3600
    spent_s = dict.fromkeys(names, 0.0)
    progress = _Progress(ledger, tell, end)
    running: list[_Running] = []
    begun = 0
    try:
        while True:
            while len(running) < jobs and time.monotonic() < end and (most is None or begun < most):
                unit = min(names, key=lambda name: _spent(name, spent_s, running))
                seeds = [one.seed for one in running if one.unit == unit]
                running.append(_Running(unit, ledger.next_seed(unit, seeds), command))
                begun += 1
            if not running:
                return
            time.sleep(_LOOK_S)
            progress.look(running)
            for one in [one for one in running if one.over()]:
                running.remove(one)
                done = one.end()
                ledger.append(done)
                spent_s[done.unit] += done.seconds
                if not done.ok:
                    tell(f"{done.unit} {done.seed} FAILED: {json.dumps(done.result)}")
    finally:
        for one in running:
            one.end()


def _spent(name: str, ended_s: Mapping[str, float], running: Sequence[_Running]) -> float:
    """What a kind has had of the time, with what runs of it."""
    return ended_s[name] + sum(one.seconds for one in running if one.unit == name)


def _result(said: bytes, troubles: bytes, status: int | None) -> Result:
    """The unit's answer, its last line; what stands instead of one fails."""
    lines = said.decode(errors="replace").splitlines()
    try:
        answer = json.loads(lines[-1])
        if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
            raise TypeError("no `ok` in it")
    except (IndexError, TypeError, ValueError):
        last = troubles.decode(errors="replace").strip()[-_LAST_WORDS:]
        return {"ok": False, "problem": last or f"ended with status {status} without an answer"}
    return answer


def main(arguments: list[str] | None = None, units: Mapping[str, Unit] | None = None) -> int:
    """The command. units: by name; None: those of hil.units."""
    try:
        return _main(arguments, _known() if units is None else units)
    except RigError as error:
        sys.stderr.write(f"soak: {error}\n")
        return 2


def _known() -> Mapping[str, Unit]:
    from hil.units import UNITS

    return UNITS


def _main(arguments: list[str] | None, units: Mapping[str, Unit]) -> int:
    asked = _parser().parse_args(arguments)
    if asked.one:
        return _answer(units, *asked.one)
    if asked.list:
        sys.stdout.writelines(f"{name:<12}{unit.about}\n" for name, unit in units.items())
        return 0
    names = asked.only or list(units)
    for name in names:
        _unit(units, name)
    if not 0 < asked.jobs <= _MOST_JOBS:
        raise BenchError("--jobs", str(asked.jobs), f"1 to {_MOST_JOBS}")
    with Ledger(asked.file) as ledger, _interrupted():
        if asked.fold:
            ledger.fold(names)
            return 0
        limits = {"hours": asked.hours, "most": asked.units, "jobs": asked.jobs}
        with contextlib.suppress(KeyboardInterrupt):
            campaign(ledger, names, **limits, tell=_tell)
        sys.stdout.write(table(summaries(ledger.done)) + "\n")
        return 0 if all(done.ok for done in ledger.fresh) else 1


def _answer(units: Mapping[str, Unit], name: str, seed: str) -> int:
    """One unit here and now: its result as a line of JSON."""
    if not seed.isdecimal():
        raise BenchError("--one", f"seed {seed!r}", "a whole number")
    try:
        result = _unit(units, name).run(int(seed))
    except RigError as error:
        result = {"ok": False, "problem": str(error)}
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if result["ok"] else 1


def _unit(units: Mapping[str, Unit], name: str) -> Unit:
    if name not in units:
        raise BenchError(f"unit {name!r}", "is unknown", f"one of {', '.join(units)}")
    return units[name]


@contextlib.contextmanager
def _interrupted() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does: with a summary."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=1.0, help="how long (1)")
    parser.add_argument("--only", action="append", metavar="NAME", help="these units alone")
    parser.add_argument("--units", type=int, metavar="N", help="at most so many")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="so many at once (1)")
    parser.add_argument("--fold", action="store_true", help="lines of units that held become one")
    parser.add_argument("--file", type=Path, default=FILE, help=f"results ({FILE})")
    parser.add_argument("--list", action="store_true", help="the units")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "SEED"), help=argparse.SUPPRESS)
    return parser


def _tell(line: str) -> None:
    sys.stderr.write(f"soak: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
