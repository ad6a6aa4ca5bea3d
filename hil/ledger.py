"""bench/soak.jsonl: what came of each unit of the long campaigns, a line each, and what follows.

A line is written when its unit has ended. Thousands of units that held say little one by one: when
they are folded, those of a kind whose seeds follow each other stand in one line, with the sums of
what they counted; what failed keeps its line, word for word.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Self

from hil.bounds import upper_bound
from hil.errors import BenchError, CaseError, RigError

_FAULTS_SHOWN = 8
_ENDINGS = {signal.SIGINT, signal.SIGTERM}

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """A unit that has ended. result: what it answered, or `problem` where it could not.

    last: units of the seeds `seed` to `last` that all held, folded into one; None: one unit.
    """

    unit: str
    seed: int
    ok: bool
    seconds: float
    version: str
    result: Result
    last: int | None = None

    @property
    def seeds(self) -> range:
        """Those that it tells of."""
        return range(self.seed, (self.seed if self.last is None else self.last) + 1)

    @property
    def line(self) -> bytes:
        """As it stands in the file."""
        told = {name: getattr(self, name) for name in Done.__slots__}
        if self.last is None:
            del told["last"]
        return json.dumps(told).encode() + b"\n"


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
        with _uninterrupted():  # else the summary could lack what the file has
            self._file.write(done.line)
            self._file.flush()
            os.fsync(self._file.fileno())
            self.done.append(done)
            self.fresh.append(done)

    def next_seed(self, unit: str, under_way: Collection[int] = ()) -> int:
        """The first one that has neither ended nor runs; 1 at first."""
        taken = {seed for done in self.done if done.unit == unit for seed in done.seeds}
        taken.update(under_way)
        return next(seed for seed in range(1, len(taken) + 2) if seed not in taken)

    def fold(self, units: Collection[str]) -> None:
        """Of these kinds, what held and follows each other becomes one line each."""
        self.done = folded(self.done, units)
        new = self.path.with_suffix(".new")
        with _uninterrupted():
            with new.open("wb") as file:
                file.writelines(done.line for done in self.done)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)

    def _read(self, number: int, line: bytes) -> Done:
        try:
            done = Done(**json.loads(line))
            if type(done.seed) is not int or type(done.ok) is not bool:
                raise ValueError(f"seed {done.seed!r}, ok {done.ok!r}")
            if done.last is not None and (type(done.last) is not int or done.last < done.seed):
                raise ValueError(f"seeds {done.seed} to {done.last!r}")
        except (TypeError, ValueError) as error:
            where = f"{self.path} line {number}"
            raise CaseError(where, str(error), "a line that a campaign wrote") from error
        return done


def folded(done: Iterable[Done], units: Collection[str]) -> list[Done]:
    """Each kind's units in the order of their seeds, joined where they held and followed."""
    kept = [each for each in done if each.unit not in units]
    for unit in sorted(units):
        own: list[Done] = []
        for each in sorted((e for e in done if e.unit == unit), key=lambda e: e.seed):
            if own and _joins(own[-1], each):
                own[-1] = _joined(own[-1], each)
            else:
                own.append(each)
        kept += own
    return kept


def _joins(before: Done, after: Done) -> bool:
    followed = before.seeds.stop == after.seed and before.version == after.version
    return before.ok and after.ok and followed


def _joined(before: Done, after: Done) -> Done:
    return replace(
        before,
        last=after.seeds[-1],
        seconds=round(before.seconds + after.seconds, 3),
        result=_sums(before.result, after.result),
    )


def _sums(one: Result, other: Result) -> Result:
    """What both counted; a status or a list says nothing in sum, and `ok` stays."""
    told: Result = {}
    for name in [*one, *(name for name in other if name not in one)]:
        values = [result[name] for result in (one, other) if name in result]
        if name == "ok":
            told[name] = True
        elif all(isinstance(value, dict) for value in values):
            told[name] = _sums(*values) if len(values) == 2 else values[0]
        elif all(type(value) is int for value in values):
            told[name] = sum(values)
    return told


def summaries(done: Sequence[Done]) -> list[Summary]:
    """Of each kind that occurs, by name."""
    told = []
    for unit in sorted({each.unit for each in done}):
        own = [each for each in done if each.unit == unit]
        failed = sorted(each.seed for each in own if not each.ok)
        count = sum(len(each.seeds) for each in own)
        bound = upper_bound(len(failed), count)
        told.append(Summary(unit, count, failed, bound, sum(each.seconds for each in own)))
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
