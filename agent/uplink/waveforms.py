"""At a consumer: waveform records from the parts that came in lane w, in any order.

    whole = Assembler().take(delivered)      # of consumer.listen, or from a database, in any order
    waveform = opened(record.data)           # samples, channels, clock, as numbers
    comtrade(waveform)                       # the files, byte for byte those of `record export`

The parts of a record stand in lane w one behind the other; one that was begun anew, because the
terminal was stopped in the middle, stands there a second time. Memory is bounded, whatever comes.
numpy is imported when a record is opened.
"""

from __future__ import annotations

import hashlib
import math
import re
import zlib
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from agent.clock import Stamp
from agent.errors import RecordError
from agent.records import Channel, Layout
from agent.store import entry
from agent.uplink import wave_pack
from agent.uplink.consumer import DeclaredLost, Delivered

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LANE = "w"
# Records that are on their way at once: a terminal sends one after the other, so as many terminals.
MOST_OPEN = 256
MOST_BYTES = 64 << 20
MOST_PARTS = 1 << 14
# So many that are whole already are remembered, so that what is sent again opens nothing.
REMEMBERED = 4096
# Notes inflated: ten times the most that any record had.
MOST_TEXT = 4 << 20
NOTES_PARTED = "\f"
# 9999-12-31, where the calendar of the files ends.
_LAST_US = 253_402_300_799_000_000
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SEPARATOR = re.compile(r"\s*---")

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
            if key[:3] == place
            and key[4] <= last
            and first < key[4] + open_.parts
            and any(
                seq - key[4] not in open_.bodies
                for seq in range(max(first, key[4]), min(last, key[4] + open_.parts - 1) + 1)
            )
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


@dataclass(frozen=True, slots=True)
class Waveform:
    """A record as it was measured.

    layout: channels, scales, rate. counts: (channels, n). runs: samples missing before, samples,
    instant of the stream's index 0 since the first sample [us]; the first sample has the index
    `origin`. stamp: of the first sample; trigger_us: after it. notes: what the terminal says
    besides, lines of the information file, and hdr, text for people; empty where there is none.
    """

    station: str
    bay: str
    layout: Layout
    nominal_hz: int
    stamp: Stamp
    trigger_us: int
    local_offset_min: int
    origin: int
    runs: tuple[wave_pack.Run, ...]
    counts: npt.NDArray[np.int32] = field(repr=False)
    notes: Sequence[str] = field(repr=False)
    hdr: str = field(repr=False)


def opened(data: bytes) -> Waveform:
    """The record in packed bytes. Raises: RecordError for anything else."""
    import numpy as np

    from agent import wave_vectors

    try:
        head, runs, channels, rows, told = wave_pack.unpack(data, wave_vectors.unpack)
        rate = Fraction(head["rate_numerator"], head["rate_denominator"])
        error_us = head["error_us"] - 1 if head["error_us"] else None
        stamp = Stamp(head["boot"], head["mono_us"], head["utc_us"], head["source"], error_us)
        _check_instants(head, runs, rate)
        layout = Layout("waveform", tuple(_channel(each) for each in channels), rate)
        notes, hdr = _texts(told)
    except (ValueError, OverflowError, zlib.error) as error:
        raise RecordError("waveform", str(error), "a packed record") from error
    return Waveform(
        station=head["station"],
        bay=head["bay"],
        layout=layout,
        nominal_hz=head["nominal_hz"],
        stamp=stamp,
        trigger_us=head["trigger_us"],
        local_offset_min=head["local_offset_min"],
        origin=head["origin"],
        runs=tuple(runs),
        counts=np.array(rows, dtype=np.int32),
        notes=notes,
        hdr=hdr,
    )


def comtrade(waveform: Waveform, revision: int = 2013) -> dict[str, bytes]:
    """Its files by their extensions: .cff of 2013, or .cfg, .dat, .inf and .hdr of 1999."""
    from agent.sensors.comtrade_write import Sheet, files, single

    counts, positions = [], []
    begin = position = 0
    for missing, samples, _ in waveform.runs:
        position += missing
        counts.append(waveform.counts[:, begin : begin + samples])
        positions.append(position)
        begin, position = begin + samples, position + samples
    sheet = Sheet(
        stem="waveform",
        station=waveform.station,
        layout=waveform.layout,
        nominal_hz=waveform.nominal_hz,
        counts=counts,
        positions=positions,
        origin=waveform.origin,
        starts_us=[start_us for _, _, start_us in waveform.runs],
        begin=waveform.stamp,
        trigger_us=waveform.trigger_us,
        offset_min=waveform.local_offset_min,
        inf=waveform.notes,
        hdr=waveform.hdr,
    )
    return {".cff": b"".join(single(sheet))} if revision == 2013 else files(sheet)


def _check_instants(head: wave_pack.Head, runs: Sequence[wave_pack.Run], rate: Fraction) -> None:
    """Raises: ValueError for what a COMTRADE file has no room for."""
    for instant_us in (head["utc_us"], head["utc_us"] + head["trigger_us"]):
        if not 0 <= instant_us <= _LAST_US:
            raise ValueError(f"UTC {instant_us} us; expected 1970 to 9999")
    index = head["origin"]
    for missing, samples, start_us in runs:
        first, index = index + missing, index + missing + samples
        for each in (first, index - 1):
            stamp_us = start_us + each * 1_000_000 // rate
            if not 0 <= stamp_us < 1 << 32:
                raise ValueError(f"a sample at {stamp_us} us; expected 0 to {(1 << 32) - 1}")


def _channel(packed: wave_pack.Channel) -> Channel:
    name, phase, unit, scale, offset = packed
    return Channel(name, unit, _float(*scale), _float(*offset), phase)


def _float(mantissa: int, exponent: int) -> float:
    if abs(mantissa) > 1 << 53 or not -1074 <= exponent <= 971:
        raise ValueError(f"{mantissa} * 2^{exponent}; expected a float64")
    return math.ldexp(mantissa, exponent)


def _texts(told: bytes) -> tuple[list[str], str]:
    """Lines of the information file, and the text for people. Raises: ValueError, zlib.error."""
    if not told:
        return [], ""
    inflating = zlib.decompressobj()
    text = inflating.decompress(told, MOST_TEXT).decode()
    if not inflating.eof or inflating.unused_data:
        raise ValueError(f"notes of more than {MOST_TEXT} bytes, or cut off; expected a whole text")
    notes, _, hdr = text.partition(NOTES_PARTED)
    lines = notes.splitlines()
    if any(_SEPARATOR.match(line) for line in (*lines, *hdr.splitlines())):
        raise ValueError("notes with a line of their own file's separators; expected none")
    return lines, hdr
