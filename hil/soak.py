"""`make soak`: long campaigns in units drawn by seeds, resumable at any moment.

    python -m hil.soak [--hours H] [--only NAME ...] [--units N] [--file PATH] [--list]

A unit is a function of a seed (units.py); it runs in a process of its own, which may fail, hang or
die without ending the campaign. Each that has ended becomes a line of bench/soak.jsonl, on disk
before the next one begins; after an interruption each kind goes on behind its last seed. At the
end stands, for each kind, how often a unit can still fail when so many have not.

Exit status: 0 all units of this run held, 1 some did not, 2 wrong use or bad input.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import agent
from hil.bounds import upper_bound
from hil.errors import BenchError, CaseError, RigError

FILE = Path("bench/soak.jsonl")
PROGRESS_S = 60.0
# A unit that has not ended by then hangs; the longest waits 400 s for a back-off of 300 s.
LONGEST_S = 1800.0
_FAULTS_SHOWN = 8
_ENDINGS = {signal.SIGINT, signal.SIGTERM}
_LAST_WORDS = 400

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unit:
    """A kind of unit. run: a seed's result, a dict of plain values with `ok`. about: one line."""

    about: str
    run: Callable[[int], Result]


@dataclass(frozen=True, slots=True)
class Done:
    """A unit that has ended. result: what it answered, or `problem` where it could not."""

    unit: str
    seed: int
    ok: bool
    seconds: float
    version: str
    result: Result


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one kind. bound: with 95 % confidence a unit fails no more often than this."""

    unit: str
    done: int
    failed: Sequence[int]
    bound: float
    seconds: float


class Ledger:
    """The file of finished units; one process at a time, within `with`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: list[Done] = []
        self.fresh: list[Done] = []  # of them, those of this run
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Read it, and cut off the last line where it was torn. Raises: RigError."""
        try:
            self._open()
        except RigError:
            self.__exit__()
            raise
        return self

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BenchError(str(self.path), "is another campaign's", "one at a time") from error
        except OSError as error:
            raise CaseError(str(self.path), f"cannot be used ({error.strerror})") from error
        self._file.seek(0)
        data = self._file.read()
        whole = data.rfind(b"\n") + 1
        self.done = [self._read(n, line) for n, line in enumerate(data[:whole].splitlines(), 1)]
        self._file.truncate(whole)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def append(self, done: Done) -> None:
        """On disk when this returns."""
        assert self._file is not None  # noqa: S101  within `with`
        told = {name: getattr(done, name) for name in Done.__slots__}
        with _uninterrupted():  # else the summary could lack what the file has
            self._file.write(json.dumps(told).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self.done.append(done)
            self.fresh.append(done)

    def next_seed(self, unit: str) -> int:
        """The one behind the last that has ended; 1 at first."""
        return max((done.seed for done in self.done if done.unit == unit), default=0) + 1

    def _read(self, number: int, line: bytes) -> Done:
        try:
            done = Done(**json.loads(line))
            if type(done.seed) is not int or type(done.ok) is not bool:
                raise ValueError(f"seed {done.seed!r}, ok {done.ok!r}")
        except (TypeError, ValueError) as error:
            where = f"{self.path} line {number}"
            raise CaseError(where, str(error), "a line that a campaign wrote") from error
        return done


def summaries(done: Sequence[Done]) -> list[Summary]:
    """Of each kind that occurs, by name."""
    told = []
    for unit in sorted({each.unit for each in done}):
        own = [each for each in done if each.unit == unit]
        failed = sorted(each.seed for each in own if not each.ok)
        bound = upper_bound(len(failed), len(own))
        told.append(Summary(unit, len(own), failed, bound, sum(each.seconds for each in own)))
    return told


def table(told: Sequence[Summary]) -> str:
    """For a person."""
    lines = [f"{'unit':<12}{'done':>7}{'failed':>8}{'at most, 95 %':>15}{'hours':>8}  seeds"]
    for each in told:
        seeds = " ".join(map(str, each.failed[:_FAULTS_SHOWN]))
        more = " ..." if len(each.failed) > _FAULTS_SHOWN else ""
        lines.append(
            f"{each.unit:<12}{each.done:>7}{len(each.failed):>8}{100 * each.bound:>13.2f} %"
            f"{each.seconds / 3600:>8.2f}  {seeds}{more}".rstrip()
        )
    return "\n".join(lines)


class _Progress:
    """A line a minute, however long or short the units are."""

    def __init__(self, ledger: Ledger, tell: Callable[[str], None], end: float) -> None:
        self._finished = ledger.fresh
        self._tell = tell
        self._end = end
        self._told_at = time.monotonic()

    def look(self, unit: str, seed: int, seconds: float) -> None:
        """This one has run for so long."""
        now = time.monotonic()
        if now - self._told_at < PROGRESS_S:
            return
        self._told_at = now
        failed = sum(not each.ok for each in self._finished)
        self._tell(
            f"{len(self._finished)} units done, {failed} failed, "
            f"{max(0.0, self._end - now) / 3600:.2f} h left; {unit} {seed} for {seconds:.0f} s"
        )


def campaign(
    ledger: Ledger,
    names: Sequence[str],
    *,
    hours: float,
    most: int | None = None,
    tell: Callable[[str], None],
    command: Sequence[str] = (sys.executable, "-m", "hil.soak"),
) -> None:
    """Units until the time is over, the kind that has had the least of it first.

    most: units of this run at the most. command: runs one unit when `--one NAME SEED` follows.
    """
    end = time.monotonic() + hours * 3600
    spent_s = dict.fromkeys(names, 0.0)
    progress = _Progress(ledger, tell, end)
    while time.monotonic() < end and (most is None or len(ledger.fresh) < most):
        unit = min(names, key=lambda name: spent_s[name])
        done = _one(unit, ledger.next_seed(unit), command, progress)
        ledger.append(done)
        spent_s[unit] += done.seconds
        if not done.ok:
            tell(f"{unit} {done.seed} FAILED: {json.dumps(done.result)}")


def _one(unit: str, seed: int, command: Sequence[str], progress: _Progress) -> Done:
    """One unit in a process of its own, with all that it starts; it ends whatever happens."""
    began = time.monotonic()
    process = subprocess.Popen(
        [*command, "--one", unit, str(seed)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    said, troubles = b"", b""
    try:
        while (seconds := time.monotonic() - began) < LONGEST_S:
            progress.look(unit, seed, seconds)
            with contextlib.suppress(subprocess.TimeoutExpired):
                said, troubles = process.communicate(timeout=1.0)
                break
        else:
            troubles = f"has not ended within {LONGEST_S:g} s".encode()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        rest = process.communicate()  # what it said before it was ended; and the pipes are closed
    said, troubles = said or rest[0], troubles or rest[1]
    result = _result(said, troubles, process.returncode)
    seconds = round(time.monotonic() - began, 3)
    return Done(unit, seed, bool(result["ok"]), seconds, agent.__version__, result)


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
    with Ledger(asked.file) as ledger, _interrupted():
        with contextlib.suppress(KeyboardInterrupt):
            campaign(ledger, names, hours=asked.hours, most=asked.units, tell=_tell)
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


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """A signal that comes meanwhile is heard at the end, whichever thread the system gave it to."""
    came: list[int] = []
    before = {each: signal.signal(each, lambda number, _: came.append(number)) for each in _ENDINGS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in came:
            signal.raise_signal(number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=1.0, help="how long (1)")
    parser.add_argument("--only", action="append", metavar="NAME", help="these units alone")
    parser.add_argument("--units", type=int, metavar="N", help="at most so many")
    parser.add_argument("--file", type=Path, default=FILE, help=f"results ({FILE})")
    parser.add_argument("--list", action="store_true", help="the units")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "SEED"), help=argparse.SUPPRESS)
    return parser


def _tell(line: str) -> None:
    sys.stderr.write(f"soak: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
