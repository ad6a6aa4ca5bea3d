"""Damage to stored files, as worn flash, a torn copy or a careless hand leave it; drawn by a seed,
so that the same damage can be done again. The device stands still meanwhile.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hil.errors import BenchError

PAGE = 4096  # what flash and file systems lose or mix up at a time


@dataclass(frozen=True, slots=True)
class Damage:
    """What was done to which file, and at which byte."""

    kind: str
    file: Path
    at: int

    def __str__(self) -> str:
        return f"{self.file.name}: {self.kind} at {self.at}"


Act = Callable[[Path, random.Random], int]  # -> at


def flip(path: Path, chance: random.Random) -> int:
    """One bit is the other way round."""
    data = bytearray(path.read_bytes())
    at = chance.randrange(_used(data))
    data[at] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return at


def truncate(path: Path, chance: random.Random) -> int:
    """Everything from some byte on is gone."""
    at = chance.randrange(_used(path.read_bytes()))
    with path.open("r+b") as file:
        file.truncate(at)
    return at


def zero(path: Path, chance: random.Random) -> int:
    """A page reads as zeros."""
    return _page(path, chance, lambda page: bytes(len(page)))


def erase(path: Path, chance: random.Random) -> int:
    """A page reads as erased flash, all ones."""
    return _page(path, chance, lambda page: b"\xff" * len(page))


def scramble(path: Path, chance: random.Random) -> int:
    """A page holds something else altogether."""
    return _page(path, chance, lambda page: chance.randbytes(len(page)))


def swap(path: Path, chance: random.Random) -> int:
    """Two pages stand in each other's place; where less is used, its halves."""
    data = path.read_bytes()
    used = _used(data)
    size = PAGE if used >= 2 * PAGE else max(1, used // 2)
    if used < 2 * size:
        return flip(path, chance)  # a file of one byte
    a, b = sorted(chance.sample(range(used // size), 2))
    first, second = data[a * size : (a + 1) * size], data[b * size : (b + 1) * size]
    between, rest = data[(a + 1) * size : b * size], data[(b + 1) * size :]
    path.write_bytes(data[: a * size] + second + between + first + rest)
    return a * size


def remove(path: Path, _: random.Random) -> int:
    """The file is gone."""
    path.unlink()
    return 0


KINDS: dict[str, Act] = {
    "flip": flip,
    "truncate": truncate,
    "zero": zero,
    "erase": erase,
    "scramble": scramble,
    "swap": swap,
    "remove": remove,
}


def damage(
    folder: Path,
    *,
    seed: int,
    count: int = 1,
    kinds: Sequence[str] = tuple(KINDS),
    files: str = "*",
) -> list[Damage]:
    """Damage drawn files in drawn ways; what was done, to be told beside the verdict.

    count: how often, as long as there are files. kinds: of KINDS. files: a glob below `folder`,
    e.g. "a-*.seg" for lane a.
    Raises: BenchError when there is nothing to damage, or a kind is unknown.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise BenchError(f"damage {', '.join(unknown)}", "is unknown", f"of {', '.join(KINDS)}")
    chance = random.Random(seed)  # noqa: S311  the same damage again, no secret
    done: list[Damage] = []
    for _ in range(count):
        present = sorted(
            path for path in folder.rglob(files) if path.is_file() and path.stat().st_size
        )
        if not present and done:
            break  # all of it was removed
        if not present:
            raise BenchError(str(folder), f"holds nothing to damage like {files!r}", "a log")
        path, kind = chance.choice(present), chance.choice(list(kinds))
        done.append(Damage(kind, path, KINDS[kind](path, chance)))
    return done


def _page(path: Path, chance: random.Random, instead: Callable[[bytes], bytes]) -> int:
    """One page, replaced; where a file is shorter, all of it."""
    data = path.read_bytes()
    at = chance.randrange(-(-_used(data) // PAGE)) * PAGE
    page = data[at : at + PAGE]
    path.write_bytes(data[:at] + instead(page) + data[at + PAGE :])
    return at


def _used(data: bytes | bytearray) -> int:
    """Bytes up to the last that is not zero: what is only reserved holds nothing to damage."""
    return max(1, len(data.rstrip(b"\0")))
