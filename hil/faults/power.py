"""The power goes while a device writes.

`cut`, on a disk of the rig's own, proves the most. The power goes in the middle of a write, and
what stays is what a real disk with a volatile cache may have kept, sector by sector in any order
since its last flush, under a real ext4 with its journal; nothing is confirmed to the device after
that. What it does not show: sectors torn within, and disks that lie about a flush.

`model` works everywhere, without root, and shows less. It knows nothing of what was flushed, so it
may lose writes between two looks that a real disk had confirmed. So after it nothing may be asked
but that the device starts, keeps what was there at the first look, and tells its losses.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

from hil.device.agent import Agent
from hil.errors import BenchError
from hil.faults import boot, processes
from hil.faults.disk import Cut, Disk
from hil.faults.platter import SECTOR


async def cut(
    device: Agent, disk: Disk, *, keep: float, seed: int, writes: int = 0, within_s: float = 10.0
) -> Cut:
    """Power off and on: the device is dead, its disk is mounted again.

    Its next start is another boot, whose monotonic clocks begin anew, where boot.py can do that.
    All as in Disk.lose_power: writes = 0 cuts now, n in the middle of the n-th write from now.
    Raises: BenchError.
    """
    left = await asyncio.to_thread(
        disk.lose_power, keep=keep, seed=seed, writes=writes, within_s=within_s
    )
    # Nothing is flushed since, so nothing may have left for the broker that is not on the disk.
    # Who hangs in a write dies only when that is answered.
    for process in device.tree():
        processes.kill(process)
    await asyncio.to_thread(disk.release)
    await device.strike("all")
    await asyncio.to_thread(disk.remount)
    if not boot.lacking():
        device.reboot()
    return left


@dataclass(frozen=True, slots=True)
class Look:
    """A folder at one instant: name to (inode, content)."""

    files: dict[str, tuple[int, bytes]]

    @classmethod
    def at(cls, folder: Path) -> Look:
        """Each file by itself whole; a running device may write between two of them."""
        files = {}
        for path in sorted(folder.rglob("*")):
            try:
                if path.is_file():
                    files[str(path.relative_to(folder))] = (path.stat().st_ino, path.read_bytes())
            except FileNotFoundError:
                continue  # it was renamed meanwhile
        return cls(files)


def model(before: Look, after: Look, into: Path, *, seed: int) -> int:
    """Make of `into` what a cut after `after` might leave, when all until `before` was on disk.

    Sectors that changed are drawn one by one, new or old; files that grew end somewhere; files that
    were renamed, made or removed are so or not yet. Returns: how many files differ from `after`.
    Raises: BenchError when `into` is not empty.
    """
    if into.exists() and any(into.iterdir()):
        raise BenchError(str(into), "is not empty", "a new folder")
    chance = random.Random(seed)  # noqa: S311  the same cut again, no secret
    changed = 0
    for name in sorted({*before.files, *after.files}):
        old, new = before.files.get(name), after.files.get(name)
        left = _left(old, new, chance)
        changed += left != (None if new is None else new[1])
        if left is not None:
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (into / name).write_bytes(left)
    into.mkdir(parents=True, exist_ok=True)
    return changed


def _left(
    old: tuple[int, bytes] | None, new: tuple[int, bytes] | None, chance: random.Random
) -> bytes | None:
    """What there is of one file; None: it is not there."""
    if old is None or new is None or old[0] != new[0]:
        # A name changes as a whole. What stands behind a new one was flushed before, or is cut.
        chosen = chance.choice([old, new])
        whole = None if chosen is None else chosen[1]
        if whole and old is None and chance.random() < 0.5:
            return whole[: chance.randrange(len(whole))]
        return whole
    return _mixed(old[1], new[1], chance)


def _mixed(old: bytes, new: bytes, chance: random.Random) -> bytes:
    """Sector by sector the old or the new; where the file grew, its end is drawn too."""
    end = len(new) if len(new) <= len(old) else chance.randint(len(old), len(new))
    sectors = []
    for at in range(0, end, SECTOR):
        fresh = new[at : min(at + SECTOR, end)]
        # What was reserved and never written reads as zeros.
        stale = old[at : at + len(fresh)].ljust(len(fresh), b"\0")
        sectors.append(fresh if chance.random() < 0.5 else stale)
    return b"".join(sectors)
