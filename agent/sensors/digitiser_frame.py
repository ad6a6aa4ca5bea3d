"""The digitiser's frames: samples, and what they mean, one way over a line of bytes.

    frame         0x00 | body and its CRC-32, stuffed (COBS) | 0x00
    announcement  kind u8 = 1 | version u8 | stream u16 | rate u32 over u32 | lag u32 [us]
                  | channels u8 | contacts u8 | device text
                  | each channel: name, unit, phase text, scale u32 over u32 | each contact: name
    samples       kind u8 = 2 | flags u8 | stream u16 | number u16 | first u64 | sets
    set           each channel's count i16 | contacts, a bit each, in whole bytes

Little-endian; a text is its length u8 and printable ASCII. docs/digitiser.md explains every field
to those who build a board, decision 0025 why it is so. The decoder holds nothing but the part of a
frame that has come so far; whatever is no frame is counted by its reason and passed over.

Portable.
"""

import struct
from binascii import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Ratio = tuple[int, int]
    # Name, unit, phase ("A" ... "N", "AB", or ""), and the scale [units a count].
    ChannelFields = tuple[str, str, str, Ratio]

VERSION = 1
ANNOUNCEMENT, SAMPLES = 1, 2
# Flags of a frame of samples: a converter stood at its stop; samples are missing before it.
OVERRANGE, GAP = 1, 2

MOST_BYTES = 2048  # of a body with its CRC: 11 ms at 8 channels and 12.8 kHz, and a buffer's bound
MOST_STUFFED = MOST_BYTES + MOST_BYTES // 254 + 1
MOST_CHANNELS = MOST_CONTACTS = 32
MOST_DEVICE, MOST_NAME, MOST_UNIT, MOST_PHASE = 32, 16, 4, 2
STREAMS, NUMBERS = 1 << 16, 1 << 16  # both are counted in so many

# Why bytes were passed over.
STUFFING, SHORT, LONG, CRC, KIND, CONTENTS, UNANNOUNCED, LENGTH = (
    "stuffing",  # its zeros do not lie where its own bytes say
    "short",  # too few bytes for any frame
    "long",  # no frame is so long: the line is noise, or another device's
    "crc",
    "kind",  # a frame of a later version, to be ignored
    "contents",  # an announcement that contradicts itself, or of a later version
    "unannounced",  # samples of a stream whose announcement has not come yet
    "length",  # not a whole number of sets
)

_CRC = "<I"
_CRC_BYTES = 4
_ANNOUNCED = "<BBHIIIBB"
_ANNOUNCED_BYTES = 18
_HEAD = "<BBHHQ"
HEAD_BYTES = 14  # of a frame of samples
_RATIO = "<II"
_LARGEST = 0xFFFFFFFF
_FULL = 0xFF  # a code byte of COBS behind whose 254 bytes no zero stood


class Announcement:
    """What a stream of samples is, said again and again while it lasts.

    stream: number of this start of the sampling, another one after each restart of the device.
    rate: sampling rate as a ratio [Hz]. lag_us: from the instant of a frame's last sample to the
    end of its last byte, at best. channels: see ChannelFields; contacts: their names.
    """

    def __init__(
        self,
        stream: int,
        rate: "Ratio",
        channels: "Sequence[ChannelFields]",
        contacts: "Sequence[str]" = (),
        device: str = "",
        lag_us: int = 0,
    ) -> None:
        self.stream = stream
        self.rate = rate
        self.channels = tuple(channels)
        self.contacts = tuple(contacts)
        self.device = device
        self.lag_us = lag_us
        self.set_bytes = 2 * len(self.channels) + (len(self.contacts) + 7) // 8

    def meaning(self) -> "tuple[object, ...]":
        """All of it but which start of the device it is of."""
        return self.rate, self.channels, self.contacts, self.device, self.lag_us

    def wrong(self) -> str:
        """What is impossible about it, or ""."""
        ratios = [self.rate] + [channel[3] for channel in self.channels]
        names = [channel[0] for channel in self.channels] + list(self.contacts)
        if not 0 <= self.stream < STREAMS or not 0 <= self.lag_us <= _LARGEST:
            return "stream or lag out of range"
        if not 1 <= len(self.channels) <= MOST_CHANNELS or len(self.contacts) > MOST_CONTACTS:
            return f"{len(self.channels)} channels, {len(self.contacts)} contacts"
        if [1 for over, under in ratios if not (1 <= over <= _LARGEST and 1 <= under <= _LARGEST)]:
            return "a rate or a scale that is no ratio"
        if len(set(names)) < len(names) or "" in names:
            return "names that are empty or stand twice"
        texts = [(self.device, MOST_DEVICE)] + [(name, MOST_NAME) for name in names]
        for _, unit, phase, _ in self.channels:
            texts += [(unit, MOST_UNIT), (phase, MOST_PHASE)]
        odd = [text for text, most in texts if len(text) > most or not _printable(text)]
        return f"text too long or not printable: {odd[0]}" if odd else ""


class Samples:
    """Sets of samples that follow each other.

    number: counts the stream's frames, modulo NUMBERS. first: index of the first set since the
    stream began, by the clock of the converter. sets: how many; data: their bytes.
    """

    def __init__(
        self, stream: int, number: int, first: int, flags: int, sets: int, data: bytes
    ) -> None:
        self.stream = stream
        self.number = number
        self.first = first
        self.flags = flags
        self.sets = sets
        self.data = data


def _printable(text: str) -> bool:
    return all(" " <= letter <= "~" for letter in text)


def announcement_frame(announcement: Announcement) -> bytes:
    """Its bytes on the line. Raises: ValueError when it is impossible."""
    wrong = announcement.wrong()
    if wrong:
        raise ValueError(f"announcement: {wrong}")
    channels, contacts = announcement.channels, announcement.contacts
    over, under = announcement.rate
    head = (ANNOUNCEMENT, VERSION, announcement.stream, over, under, announcement.lag_us)
    parts = [struct.pack(_ANNOUNCED, *(head + (len(channels), len(contacts))))]
    parts.append(_text(announcement.device))
    for name, unit, phase, scale in channels:
        parts += [_text(name), _text(unit), _text(phase), struct.pack(_RATIO, scale[0], scale[1])]
    parts += [_text(name) for name in contacts]
    return _framed(b"".join(parts))


def samples_frame(stream: int, number: int, first: int, flags: int, data: bytes) -> bytes:
    """The bytes on the line of sets of samples. Raises: ValueError on what does not fit."""
    room = MOST_BYTES - HEAD_BYTES - _CRC_BYTES
    if not 1 <= len(data) <= room:
        raise ValueError(f"{len(data)} bytes of samples; expected 1 to {room}")
    if not (0 <= stream < STREAMS and 0 <= number < NUMBERS and 0 <= first < 1 << 64):
        raise ValueError(f"stream {stream}, number {number}, first {first}: out of range")
    return _framed(struct.pack(_HEAD, SAMPLES, flags, stream, number, first) + data)


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _framed(body: bytes) -> bytes:
    """With its CRC, stuffed, between zeros: what stands before or behind it harms itself only."""
    return b"\x00" + stuffed(body + struct.pack(_CRC, crc32(body))) + b"\x00"


def stuffed(data: bytes) -> bytes:
    """Without zeros: each is replaced by the distance to the next (COBS).

    Source: S. Cheshire, M. Baker, "Consistent overhead byte stuffing", IEEE/ACM Transactions on
    Networking, vol. 7 no. 2, 1999.
    """
    parts = data.split(b"\x00")
    pieces = []
    for place, part in enumerate(parts):
        # A full code stands for no zero: before one, 254 bytes need another code behind them.
        most = _FULL - 1 if place + 1 == len(parts) else _FULL - 2
        while len(part) > most:
            pieces += [b"\xff", part[: _FULL - 1]]
            part = part[_FULL - 1 :]  # noqa: PLW2901  # what is left of it
        pieces += [bytes([len(part) + 1]), part]
    return b"".join(pieces)


def unstuffed(data: bytes) -> "bytes | None":
    """The inverse of `stuffed`; None when it is nothing that `stuffed` made. `data` has no zero."""
    out = bytearray(data)
    size, at = len(data), 0
    extra = []  # places of codes that stand for no zero, or the end
    while at < size:
        code = data[at]
        out[at] = 0
        at += code
        if code == _FULL:
            extra.append(at)
    if at != size or not size:
        return None
    if not extra:
        return bytes(out[1:])
    pieces, begin = [], 1
    for place in extra:
        pieces.append(bytes(out[begin:place]))
        begin = place + 1
    pieces.append(bytes(out[begin:]))
    return b"".join(pieces)


class Decoder:
    """Bytes in, in any pieces; announcements and samples out, whole and right, or not at all.

    announced: the latest announcement. frames: how many were right. passed_over: reason to number.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.passed_over: "dict[str, int]" = {}
        self.begin()

    def begin(self) -> None:
        """Another line, or the same one opened anew: there may be another device on it."""
        self.announced: "Announcement | None" = None
        self._begun = b""
        # What comes before the first zero is the end of a frame whose beginning nobody heard.
        self._skipping = True

    def feed(self, data: bytes) -> "list[Announcement | Samples]":
        """What is complete with these bytes, in order."""
        parts = (self._begun + data).split(b"\x00")
        self._begun = parts.pop()
        told = []
        if parts and self._skipping:
            parts[0], self._skipping = b"", False
        for part in parts:
            if part:
                item = self._decoded(part)
                if item is not None:
                    self.frames += 1
                    told.append(item)
        if self._skipping:
            self._begun = b""
        elif len(self._begun) > MOST_STUFFED:
            self._count(LONG)
            self._begun, self._skipping = b"", True
        return told

    def _count(self, reason: str) -> None:
        self.passed_over[reason] = self.passed_over.get(reason, 0) + 1

    def _decoded(self, part: bytes) -> "Announcement | Samples | None":
        body = self._body(part)
        if body is None:
            return None
        if body[0] == SAMPLES:
            return self._samples(body)
        if body[0] == ANNOUNCEMENT:
            return self._announcement(body)
        self._count(KIND)
        return None

    def _body(self, part: bytes) -> "bytes | None":
        """What was sent, without its CRC; None when anything is wrong with it."""
        whole = unstuffed(part) if len(part) <= MOST_STUFFED else b""
        size = len(whole) - _CRC_BYTES if whole else 0
        if whole is None:
            self._count(STUFFING)
        elif len(part) > MOST_STUFFED:
            self._count(LONG)
        elif size < 1:
            self._count(SHORT)
        elif crc32(whole[:size]) != struct.unpack_from(_CRC, whole, size)[0]:
            self._count(CRC)
        else:
            return whole[:size]
        return None

    def _announcement(self, body: bytes) -> "Announcement | None":
        announcement = parse_announcement(body)
        if announcement is None:
            self._count(CONTENTS)
        else:
            self.announced = announcement
        return announcement

    def _samples(self, body: bytes) -> "Samples | None":
        if len(body) < HEAD_BYTES:
            self._count(SHORT)
            return None
        _, flags, stream, number, first = struct.unpack_from(_HEAD, body, 0)
        known = self.announced
        if known is None or known.stream != stream:
            self._count(UNANNOUNCED)
            return None
        sets, over = divmod(len(body) - HEAD_BYTES, known.set_bytes)
        if over or not sets:
            self._count(LENGTH)
            return None
        return Samples(stream, number, first, flags, sets, body[HEAD_BYTES:])


def parse_announcement(body: bytes) -> "Announcement | None":
    """Of a frame's body without its CRC; None when it is not a right one of our version."""
    if len(body) < _ANNOUNCED_BYTES or body[1] != VERSION:
        return None
    _, _, stream, over, under, lag_us, channels, contacts = struct.unpack_from(_ANNOUNCED, body, 0)
    try:
        fields = _Fields(body, _ANNOUNCED_BYTES)
        device = fields.text()
        announcement = Announcement(
            stream,
            (over, under),
            [fields.channel() for _ in range(channels)],
            [fields.text() for _ in range(contacts)],
            device,
            lag_us,
        )
    except ValueError:
        return None
    return announcement if fields.at == len(body) and not announcement.wrong() else None


class _Fields:
    """Walks through an announcement behind its head. Each raises ValueError at the body's end."""

    def __init__(self, body: bytes, at: int) -> None:
        self._body = body
        self.at = at

    def text(self) -> str:
        length = self._taken(1)[0]
        raw = self._taken(length)
        if [1 for code in raw if not 0x20 <= code <= 0x7E]:
            raise ValueError("not printable")
        return raw.decode()

    def channel(self) -> "ChannelFields":
        name, unit, phase = self.text(), self.text(), self.text()
        over, under = struct.unpack(_RATIO, self._taken(8))
        return name, unit, phase, (over, under)

    def _taken(self, count: int) -> bytes:
        begin = self.at
        self.at += count
        if self.at > len(self._body):
            raise ValueError("ends early")
        return self._body[begin : self.at]
