"""Reading a whole log to say what is in it and what is wrong with it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from agent.store import disk, removal, segment
from agent.store.identity import read_epoch
from agent.store.items import Lost
from agent.store.losses import lowest_seq, removed_unacknowledged
from agent.store.reader import LaneReader
from agent.store.removal import Removed
from agent.store.segment_files import File, files, lanes, open_segment, walk_to_end


@dataclass(frozen=True, slots=True)
class LaneReport:
    """What `verify` found in one lane; `problems` holds one line for each thing that is wrong.

    removed: what retention has given up; `losses` tell of it only what nobody had received.
    """

    lane: str
    segments: int
    records: int
    first_seq: int
    next_seq: int
    losses: tuple[Lost, ...]
    size_bytes: int
    problems: tuple[str, ...]
    removed: Removed


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify` found; epoch None: its file cannot be read."""

    epoch: int | None
    lanes: tuple[LaneReport, ...]
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Nothing is wrong; losses that the log itself declares are not wrong, but history."""
        return not self.problems and not any(lane.problems for lane in self.lanes)


def verify(root: Path) -> Report:
    """Reads every lane from end to end, beside a living writer if need be.

    Raises: StoreError when the system refuses a file, or there is no log at `root`.
    """
    try:
        epoch = read_epoch(root)
        reports = tuple(_verify_lane(root, lane, epoch) for lane in lanes(root))
    except OSError as error:
        raise disk.refused(root, "the log cannot be read", error) from error
    return Report(epoch, reports, () if epoch is not None else ("epoch: cannot be read",))


def _verify_lane(root: Path, lane: str, epoch: int | None) -> LaneReport:
    found = files(root, lane)
    first_seq = lowest_seq(root, lane)
    records, losses = 0, removed_unacknowledged(root, lane)
    with LaneReader(root, lane, after=first_seq - 1) as reader:
        while items := reader.read(256):
            lost = [item for item in items if isinstance(item, Lost)]
            losses += lost
            records += len(items) - len(lost)
        end = reader.next_seq
    wrong = (segment.reason_word(segment.DAMAGED), segment.reason_word(segment.MISSING))
    problems = [f"{file.name}: set aside, no intact header" for file in found if file.aside]
    problems += [f"seq {x.first} to {x.last}: {x.reason}" for x in losses if x.reason in wrong]
    problems += _end_problems(root, found, epoch)
    return LaneReport(
        lane=lane,
        segments=len(found),
        records=records,
        first_seq=first_seq,
        next_seq=end,
        losses=tuple(losses),
        size_bytes=sum((root / file.name).stat().st_size for file in found),
        problems=tuple(problems),
        removed=removal.read(root, lane),
    )


def _end_problems(root: Path, files: list[File], epoch: int | None) -> list[str]:
    """Headers that are not intact, and a torn end that no later segment has declared yet."""
    problems: list[str] = []
    for file in reversed(files):
        opened = open_segment(root, file, epoch)
        if opened is None:
            if not file.aside:
                problems.append(f"{file.name}: no intact header")
            continue
        fd, header = opened
        try:
            torn = walk_to_end(root, fd, header).torn if file is files[-1] else 0
        finally:
            os.close(fd)
        if torn:
            problems.append(f"{file.name}: torn, up to {torn} records cannot be read at its end")
    return problems
