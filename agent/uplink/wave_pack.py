"""A waveform record as one run of bytes and back: what a terminal sends of it in lane w. Lossless.

    packed  = "FTUW", version u8, head bytes u32, head, {channel bytes u32, channel} for each,
              CRC-32 of all before it u32 (that of IEEE 802.3, as zlib has it); big-endian
    head    = the fields of HEAD one after another, the runs, the channels, the notes; what follows
              comes with a later version and is passed over
    run     = samples missing before it, samples, start_us
    channel = name, phase, unit, scale, offset, each of these two as mantissa, exponent
    notes   = bytes, after their number: anything of the sender's, in this house deflated text

    uint    = base 128, lowest digits first, bit 7 set in all bytes but the last; below 2^63
    int     = zigzag (0, -1, 1, -2 ... as 0, 1, 2, 3 ...) as a uint of up to 64 bits
    text    = bytes of its UTF-8 as a uint, these

A value in its unit is scale * (count + offset); scale and offset are mantissa * 2^exponent,
exactly. Samples, missing ones too, are numbered on from `origin`; number s of a run stood at
start_us + floor(s * 1000000 * rate denominator / rate numerator) after the record's first one, and
that stood at the instants of the head. The samples of a channel, those of all runs one behind the
other, are packed as wave_channel.py says.

Whatever bytes come in, they open within the limits below or raise ValueError.
Portable.
"""

import struct
from binascii import crc32

from agent.uplink import wave_channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Head = dict[str, Any]
    # missing, samples, start_us
    Run = tuple[int, int, int]
    # name, phase, unit, scale, offset; the last two as (mantissa, exponent)
    Channel = tuple[str, str, str, tuple[int, int], tuple[int, int]]

VERSION = 1
MAGIC = b"FTUW"
_LEAD = ">4sBI"
_LEAD_BYTES, _CRC_BYTES = 9, 4

# Sixteen bays of eight channels.
MOST_CHANNELS = 128
# 250 cycles at 204.8 kHz, or the recorder's longest of 48 channels at 12.8 kHz three times over.
MOST_SAMPLES = 1 << 20
MOST_VALUES = 1 << 23
# A clock that is slewed begins a new run at most with every block of samples.
MOST_RUNS = 1 << 14
LONGEST_TEXT = 128
# Settings of sixteen bays and hundreds of events with their reasons, deflated.
MOST_NOTES = 1 << 20
MOST_BYTES = 1 << 24

UINT, INT, TEXT = 0, 1, 2
# name, kind, lowest, highest. error_us is one more than the bound, 0 where there is none.
HEAD = (
    ("station", TEXT, 0, 0),
    ("bay", TEXT, 0, 0),
    ("boot", UINT, 0, (1 << 63) - 1),
    ("mono_us", UINT, 0, (1 << 62) - 1),
    ("utc_us", UINT, 0, (1 << 62) - 1),
    ("source", UINT, 0, 255),
    ("error_us", UINT, 0, (1 << 63) - 1),
    ("trigger_us", INT, -(1 << 53), 1 << 53),
    ("local_offset_min", INT, -1440, 1440),
    ("nominal_hz", UINT, 1, 1000),
    ("rate_numerator", UINT, 1, 1 << 40),
    ("rate_denominator", UINT, 1, 1 << 40),
    ("tuned", INT, -(2 << wave_channel.SHIFT), 2 << wave_channel.SHIFT),
    ("origin", UINT, 0, (1 << 62) - 1),
)


def pack(
    head: "Head",
    runs: "Sequence[Run]",
    channels: "Sequence[Channel]",
    samples: "Any",
    notes: bytes = b"",
    pack_channel: "Callable[[Any, int], bytes]" = wave_channel.pack,
) -> bytes:
    """The record as bytes.

    head: by the names of HEAD. samples: one row for each channel, counts of 32 bits. pack_channel:
    another one with the same bytes. Raises: ValueError beyond the limits.
    """
    out = bytearray()
    for name, kind, low, high in HEAD:
        _put(out, kind, _within(name, kind, head[name], low, high))
    total = _checked(runs, len(channels))
    _put(out, UINT, len(runs))
    for missing, count, start_us in runs:
        _put(out, UINT, missing)
        _put(out, UINT, count)
        _put(out, INT, start_us)
    _put(out, UINT, len(channels))
    for name, phase, unit, scale, offset in channels:
        for text in (name, phase, unit):
            _put(out, TEXT, _within("channel", TEXT, text, 0, 0))
        for number in scale + offset:
            _put(out, INT, number)
    if len(notes) > MOST_NOTES:
        raise ValueError(f"notes of {len(notes)} bytes; expected at most {MOST_NOTES}")
    _put(out, UINT, len(notes))
    out.extend(notes)
    packed = bytearray(struct.pack(_LEAD, MAGIC, VERSION, len(out)))
    packed.extend(out)
    for row in samples:
        if len(row) != total:
            raise ValueError(f"{len(row)} samples of a channel; expected {total}")
        data = pack_channel(row, head["tuned"])
        packed.extend(struct.pack(">I", len(data)))
        packed.extend(data)
    packed.extend(struct.pack(">I", crc32(packed)))
    return bytes(packed)


def unpack(
    data: bytes, unpack_channel: "Callable[[bytes, int, int], Any]" = wave_channel.unpack
) -> "tuple[Head, list[Run], list[Channel], list[Any], bytes]":
    """(head, runs, channels, samples of each, notes). Raises: ValueError for anything else."""
    head, runs, channels, notes, at = open_head(data)
    end = len(data) - _CRC_BYTES
    count = sum([run[1] for run in runs])
    samples = []
    for _ in channels:
        size = struct.unpack(">I", data[at : at + 4])[0] if at + 4 <= end else end
        at += 4
        if at + size > end:
            raise ValueError(f"{len(data)} bytes; expected more of them")
        samples.append(unpack_channel(data[at : at + size], count, head["tuned"]))
        at += size
    if at != end:
        raise ValueError(f"{end - at} bytes behind the last channel; expected none")
    return head, runs, channels, samples, notes


def open_head(data: bytes) -> "tuple[Head, list[Run], list[Channel], bytes, int]":
    """What stands before the samples, and where they begin. Raises: ValueError as `unpack` does."""
    if not _LEAD_BYTES + _CRC_BYTES <= len(data) <= MOST_BYTES:
        raise ValueError(f"{len(data)} bytes; expected a packed waveform, {MOST_BYTES} at most")
    magic, version, size = struct.unpack(_LEAD, data[:_LEAD_BYTES])
    if magic != MAGIC or version != VERSION:
        raise ValueError(f"{magic!r} of version {version}; expected {MAGIC!r} of {VERSION}")
    end = len(data) - _CRC_BYTES
    if crc32(data[:end]) != struct.unpack(">I", data[end:])[0]:
        raise ValueError("the checksum does not fit; expected the bytes as they were packed")
    if _LEAD_BYTES + size > end:
        raise ValueError(f"head of {size} bytes; expected fewer")
    source = _Source(data[_LEAD_BYTES : _LEAD_BYTES + size])
    head = {}
    for name, kind, low, high in HEAD:
        head[name] = _within(name, kind, source.next(kind), low, high)
    runs = [
        (source.next(UINT), source.next(UINT), source.next(INT))
        for _ in range(_within("runs", UINT, source.next(UINT), 1, MOST_RUNS))
    ]
    number = _within("channels", UINT, source.next(UINT), 1, MOST_CHANNELS)
    _checked(runs, number)
    channels = [
        (
            _within("name", TEXT, source.next(TEXT), 0, 0),
            _within("phase", TEXT, source.next(TEXT), 0, 0),
            _within("unit", TEXT, source.next(TEXT), 0, 0),
            (source.next(INT), source.next(INT)),
            (source.next(INT), source.next(INT)),
        )
        for _ in range(number)
    ]
    notes = source.take(_within("notes", UINT, source.next(UINT), 0, MOST_NOTES))
    return head, runs, channels, notes, _LEAD_BYTES + size


def _checked(runs: "Sequence[Run]", channels: int) -> int:
    """How many samples there are. Raises: ValueError beyond the limits."""
    if not 0 < len(runs) <= MOST_RUNS or not 0 < channels <= MOST_CHANNELS:
        raise ValueError(
            f"{len(runs)} runs of {channels} channels; expected 1 to {MOST_RUNS} of 1 to "
            f"{MOST_CHANNELS}"
        )
    total = spanned = 0
    for missing, count, _ in runs:
        total += count
        spanned += missing + count
        if missing < 0 or count <= 0 or spanned >= 1 << 32:  # COMTRADE's own limit of numbers
            raise ValueError(f"run of {count} samples after {missing} missing; expected some")
    if total > MOST_SAMPLES or total * channels > MOST_VALUES:
        raise ValueError(
            f"{total} samples of {channels} channels; expected at most {MOST_SAMPLES} and "
            f"{MOST_VALUES} together"
        )
    return total


def _within(name: str, kind: int, value: "Any", low: int, high: int) -> "Any":
    """The value itself. Raises: ValueError."""
    if kind == TEXT:
        if len(value) > LONGEST_TEXT:
            raise ValueError(f"{name} of {len(value)} letters; expected at most {LONGEST_TEXT}")
    elif not low <= value <= high:
        raise ValueError(f"{name} {value}; expected {low} to {high}")
    return value


def _put(out: bytearray, kind: int, value: "Any") -> None:
    if kind == TEXT:
        data = value.encode()
        _put(out, UINT, len(data))
        out.extend(data)
        return
    number = value
    if kind == INT:
        number = value << 1 if value >= 0 else -1 - (value << 1)
    if not 0 <= number < 1 << 64:
        raise ValueError(f"{value}; expected 64 bits")
    while number >> 7:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


def _text(data: bytes) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeError as error:
        raise ValueError(f"text {data[:20]!r}; expected UTF-8") from error


class _Source:
    """Fields of a head, one after another. Raises: ValueError beyond its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def next(self, kind: int) -> "Any":
        """The next field."""
        number = self._uint()
        if kind == TEXT:
            return _text(self.take(_within("text", UINT, number, 0, 4 * LONGEST_TEXT)))
        if kind == INT:
            return number >> 1 ^ -(number & 1)
        return _within("number", UINT, number, 0, (1 << 63) - 1)

    def take(self, size: int) -> bytes:
        """So many bytes as they are."""
        begin, self._at = self._at, self._at + size
        if self._at > len(self._data):
            raise ValueError(f"head of {len(self._data)} bytes; expected more of them")
        return self._data[begin : self._at]

    def _uint(self) -> int:
        number = shift = 0
        while True:
            digit = self.take(1)[0]
            number |= (digit & 127) << shift
            shift += 7
            if digit < 128:
                break
            if shift > 63:
                raise ValueError("number of more than 64 bits; expected at most 64")
        if number >> 64:
            raise ValueError(f"{number}; expected 64 bits")
        return number
