"""At a consumer: packed waveform records from the parts that came in lane w, in any order.

    results = Assembler().take(delivered)    # of consumer.listen, or from a database
    waveform.opened(result.data)             # agent/waveform.py: samples, clock, COMTRADE

The parts of a record stand in lane w one behind the other; one that was begun anew, because the
terminal was stopped in the middle, stands there a second time. Memory is bounded, whatever comes.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from agent.errors import RecordError
from agent.store import entry
from agent.uplink.consumer import DeclaredLost, Delivered, Received

LANE = "w"
# Records that are on their way at once: a terminal sends one after the other, so as many terminals.
MOST_OPEN = 256
MOST_BYTES = 64 << 20
MOST_PARTS = 1 << 14
# So many that are whole already are remembered, so that what is sent again opens nothing.
REMEMBERED = 4096
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

# site, node, epoch, name of the record, seq of its part 0
Key = tuple[str, str, int, str, int]


@dataclass(frozen=True, slots=True)
class Whole:
    """A packed record, its digest checked, and its seqs in lane w."""

    site: str
    node: str
    epoch: int
    name: str
    first: int
    last: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Torn:
    """A record of which these seqs will not become a whole one, and why. Ask for it again."""

    site: str
    node: str
    epoch: int
    name: str
    first: int
    last: int
    why: str


@dataclass(slots=True)
class _Open:
    parts: int
    bodies: dict[int, bytes] = field(default_factory=dict)
    digest: bytes | None = None
    size: int = 0

    def lacks(self, first: int, last: int) -> bool:
        """Whether some part of first..last has not come; costs what is here, not what is told."""
        first, last = max(0, first), min(self.parts - 1, last)
        return sum(first <= part <= last for part in self.bodies) < last - first + 1


class Assembler:
    """Parts in, whole records out. Pure."""

    def __init__(self, *, most_open: int = MOST_OPEN, most_bytes: int = MOST_BYTES) -> None:
        self._most_open = most_open
        self._most_bytes = most_bytes
        self._open: OrderedDict[Key, _Open] = OrderedDict()
        self._bytes = 0
        self._done: deque[Key] = deque(maxlen=REMEMBERED)
        self._known: set[Key] = set()

    def waits_with(self, place: tuple[str, str, int], seq: int) -> bool:
        """Whether this record of lane w is a part of one that is not whole yet."""
        return any(
            key[:3] == place and seq - key[4] in open_.bodies for key, open_ in self._open.items()
        )

    def take(self, delivered: Delivered) -> list[Whole | Torn]:
        """What became whole, or can no longer become so, by one record or loss of any lane.

        Raises: RecordError for a part that contradicts itself.
        """
        if isinstance(delivered, DeclaredLost):
            if delivered.lane != LANE:
                return []
            place = delivered.site, delivered.node, delivered.epoch
            return self.lost(place, delivered.first, delivered.last, delivered.reason)
        if not isinstance(delivered, Received):
            return []
        key = delivered.key
        if key.lane != LANE or delivered.entry[entry.TYPE] != entry.WAVE:
            return []
        return self.part((delivered.site, key.node, key.epoch), key.seq, delivered.entry)

    def part(self, place: tuple[str, str, int], seq: int, logged: list[Any]) -> list[Whole | Torn]:
        """The same for a record of lane w. place: site, node, epoch. Raises: RecordError."""
        name, part, parts, body, digest = _columns(logged, seq)
        key: Key = (*place, name, seq - part)
        if key in self._known:
            return []
        torn = self._make_room(key, len(body))
        open_ = self._open.setdefault(key, _Open(parts))
        self._open.move_to_end(key)
        if open_.parts != parts:
            return [*torn, self._end(key, "its parts are numbered in two ways")]
        if part not in open_.bodies:
            open_.bodies[part] = body
            open_.size += len(body)
            self._bytes += len(body)
        open_.digest = digest or open_.digest
        if len(open_.bodies) < parts:
            return torn
        return [*torn, self._whole(key, open_)]

    def lost(
        self, place: tuple[str, str, int], first: int, last: int, why: str
    ) -> list[Whole | Torn]:
        """Seqs of lane w that will never come."""
        hit = [
            key
            for key, open_ in self._open.items()
            if key[:3] == place and open_.lacks(first - key[4], last - key[4])
        ]
        return [self._end(key, why) for key in hit]

    def _whole(self, key: Key, open_: _Open) -> Whole | Torn:
        data = b"".join(open_.bodies[part] for part in range(open_.parts))
        if open_.digest != hashlib.sha256(data).digest():
            return self._end(key, "its digest does not fit")
        self._end(key, "")
        if len(self._done) == self._done.maxlen:
            self._known.discard(self._done[0])
        self._done.append(key)
        self._known.add(key)
        return Whole(*key[:4], key[4], key[4] + open_.parts - 1, data)

    def _end(self, key: Key, why: str) -> Torn:
        open_ = self._open.pop(key)
        self._bytes -= open_.size
        return Torn(*key[:4], key[4], key[4] + open_.parts - 1, why)

    def _make_room(self, key: Key, size: int) -> list[Whole | Torn]:
        """Those that waited longest for their next part give way."""
        torn: list[Whole | Torn] = []
        while self._open and (
            (key not in self._open and len(self._open) >= self._most_open)
            or self._bytes + size > self._most_bytes
        ):
            oldest = next(iter(self._open))
            torn.append(self._end(oldest, "others came in between"))
        return torn


def _columns(logged: list[Any], seq: int) -> tuple[str, int, int, bytes, bytes | None]:
    """of_record, part, parts, body, digest of a checked entry. Raises: RecordError."""
    try:
        named = entry.as_dict(logged)
        name, part, parts = named["of_record"], named["part"], named["parts"]
    except (ValueError, KeyError) as error:
        raise RecordError(f"lane {LANE}, seq {seq}", str(error)) from error
    digest: bytes | None = named.get("digest")
    last = part == parts - 1
    if not _NAME.fullmatch(name) or not 0 <= part < parts <= MOST_PARTS or part >= seq:
        raise RecordError(
            f"lane {LANE}, seq {seq}",
            f"part {part} of {parts} of {name!r}",
            f"a part of at most {MOST_PARTS}, and a name",
        )
    if last and (digest is None or len(digest) != hashlib.sha256().digest_size):
        raise RecordError(f"lane {LANE}, seq {seq}", "a last part without digest", "SHA-256")
    return name, part, parts, named["body"], digest
