"""Is everything there? For each lane: received and declared lost together are 1 … next - 1.

It reads the tables anew and joins ranges by itself, not by the marks that the ingester keeps, so
that it can find those wrong too. It needs a driver only for the database that it is pointed at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.ingest_rows import unsigned
from agent.ingest_store import Database, Place
from agent.uplink.seen import Seen


@dataclass(frozen=True, slots=True)
class LaneFound:
    """What is there of one lane.

    next: the first seq that is not expected, by the node's birth or by what has come. received,
    lost: how many seqs; lost counts what never came. missing: ranges that are neither. differs: how
    often a key came again with another content. mark: as acknowledged.
    """

    site: str
    node: str
    epoch: int
    lane: str
    next: int
    received: int
    lost: int
    missing: list[tuple[int, int]]
    differs: int
    mark: int

    @property
    def whole(self) -> bool:
        """Every seq is accounted for, once, and nothing was acknowledged that is not there."""
        first_missing = self.missing[0][0] if self.missing else self.next
        return not self.missing and not self.differs and self.mark < first_missing

    def __str__(self) -> str:
        where = f"{self.site}/{self.node} epoch {self.epoch} lane {self.lane}"
        told = f"{where}: 1..{self.next - 1}, received {self.received}, declared lost {self.lost}"
        if self.missing:
            ranges = [f"{low}" if low == high else f"{low}..{high}" for low, high in self.missing]
            told += f", MISSING {', '.join(ranges[:20])}" + (", ..." if len(ranges) > 20 else "")
        if self.differs:
            told += f", {self.differs} came again with another content"
        if self.missing and self.mark >= self.missing[0][0]:
            told += f", and yet acknowledged to {self.mark}"
        return told


def check(database: Database, nexts: Mapping[Place, int] | None = None) -> list[LaneFound]:
    """Every lane in the database, by its key.

    nexts: the next seq of lanes where the caller knows better than the last birth; their epochs are
    those of the wire. Raises: StoreError.
    """
    received: dict[Place, Seen] = {}
    differs: dict[Place, int] = {}
    for *key, first, last, differing in database.islands():
        place = _place(*key)
        received.setdefault(place, Seen()).add(first, last)
        differs[place] = differs.get(place, 0) + int(differing)
    together = {place: Seen(seen.ranges()) for place, seen in received.items()}
    for *key, first, last in database.lost():
        together.setdefault(_place(*key), Seen()).add(first, last)
    told = {_place(*key): (int(mark), int(after)) for *key, mark, after in database.lanes()}
    known = nexts or {}
    found = []
    for place in sorted({*told, *together, *known}):
        mark, after = told.get(place, (0, 1))
        both = received.get(place, Seen()), together.get(place, Seen())
        found.append(_found(place, *both, known.get(place, after), differs.get(place, 0), mark))
    return found


def _found(
    place: Place, received: Seen, together: Seen, next_told: int, differs: int, mark: int
) -> LaneFound:
    site, node, epoch, lane = place
    came = _count(received.ranges())
    reached = max((last for _, last in together.ranges()), default=0) + 1
    next_seq = max(reached, next_told)
    return LaneFound(
        site=site,
        node=node,
        epoch=epoch,
        lane=lane,
        next=next_seq,
        received=came,
        lost=_count(together.ranges()) - came,
        missing=together.fresh(1, next_seq - 1),
        differs=differs,
        mark=mark,
    )


def _place(site: str, node: str, epoch: int, lane: str) -> Place:
    return site, node, unsigned(epoch), lane


def _count(ranges: list[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in ranges)
