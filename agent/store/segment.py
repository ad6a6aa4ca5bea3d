"""The log's bytes: how a segment begins and how records are framed in it.

Little-endian throughout; behind the last frame stand zeros (preallocated space) or nothing:

    header  magic 4 | version u8 | lane u8 | reason u8 | 0 | epoch u64 | first_seq u64
            | previous_next u64 | crc u32
    frame   length u16 | crc u32 | low half of seq u32 | payload of 1 to 8192 bytes

A frame's CRC-32 (zlib's) covers length, seq and payload and starts from the header's CRC. For the
same bytes two different starts never give the same CRC, so what an older segment, another lane or
another epoch left in a reused file does not pass. No file is touched here: see segment_files.py.

Portable.
"""

import struct
from binascii import crc32

MAGIC = b"FTUL"
VERSION = 1
HEADER_BYTES = 36
FRAME_BYTES = 10  # what a frame adds to its payload
MAX_PAYLOAD_BYTES = 8192  # one envelope on the uplink; also keeps a resync scan short
SMALLEST_FRAME = FRAME_BYTES + 1  # length 0 means unwritten space, so a payload has a byte

# Why a range of seqs may be lost; the code stands in headers and on the wire, the word elsewhere.
NONE, TORN, DAMAGED, HEADER, WRITE, MISSING, QUOTA = 0, 1, 2, 3, 4, 5, 6
REASON_WORDS = (
    "none",
    "torn",  # power or process went while the end of a segment was written
    "damaged",  # bytes were changed behind our back
    "header",  # a whole segment cannot be read, because its header cannot
    "write_failed",  # the disk refused, so nobody knows what it kept
    "missing",  # no file holds these seqs
    "quota",  # removed to make room, as the site's limits of the log say
)

_BODY = "<4sBBBBQQQ"
_FRAME = "<HII"
_PAGE = 4096
_ZEROS = bytes(_PAGE)
_CHECKED = "<HI"  # length and seq, as a frame's CRC covers them


class Header:
    """How a segment begins.

    lane: one ASCII letter; epoch, first_seq, previous_next: 64 bits, unsigned. The seqs from
    `previous_next`, which would have followed in the segment before, to `first_seq - 1` are
    declared lost with the code `reason`; the two are equal when nothing is.
    raw: the header's bytes; seed: their CRC, from which the CRC of every frame starts.
    """

    def __init__(
        self, lane: str, epoch: int, first_seq: int, previous_next: int, reason: int = NONE
    ) -> None:
        self.lane = lane
        self.epoch = epoch
        self.first_seq = first_seq
        self.previous_next = previous_next
        self.reason = reason
        body = struct.pack(
            _BODY, MAGIC, VERSION, ord(lane), reason, 0, epoch, first_seq, previous_next
        )
        self.seed = crc32(body)
        self.raw = body + struct.pack("<I", self.seed)


def make_header(
    lane: str, epoch: int, first_seq: int, previous_next: int, reason: int = NONE
) -> Header:
    """A header to be written. Raises: ValueError when its fields contradict each other."""
    if not "a" <= lane <= "z" or len(lane) != 1:
        raise ValueError(f"lane {lane!r}; expected one letter a to z")
    if not 1 <= previous_next <= first_seq < 1 << 64:
        raise ValueError(f"seq {first_seq} after {previous_next}; expected to rise")
    return Header(lane, epoch, first_seq, previous_next, reason)


def parse_header(data: bytes) -> "Header | None":
    """The header at the start of `data`; None when there is no intact one of our version."""
    if len(data) < HEADER_BYTES:
        return None
    _, _, lane, reason, _, epoch, first_seq, previous_next = struct.unpack_from(_BODY, data, 0)
    # Made again from its fields it has the same bytes: magic, version, filling and CRC are right.
    header = Header(chr(lane), epoch, first_seq, previous_next, reason)
    return header if header.raw == data[:HEADER_BYTES] else None


def reason_word(code: int) -> str:
    """The short word for a loss reason; a code of a later version is "unknown"."""
    return REASON_WORDS[code] if code < len(REASON_WORDS) else "unknown"


def make_frame(seed: int, seq: int, payload: bytes) -> bytes:
    """The bytes to be written for one record. Raises: ValueError on a payload's length."""
    length = len(payload)
    if not 1 <= length <= MAX_PAYLOAD_BYTES:
        raise ValueError(f"payload of {length} bytes; expected 1 to {MAX_PAYLOAD_BYTES}")
    low = seq & 0xFFFFFFFF
    crc = crc32(payload, crc32(struct.pack(_CHECKED, length, low), seed))
    return struct.pack(_FRAME, length, crc, low) + payload


def make_frames(seed: int, first_seq: int, payloads: "list[bytes]") -> bytes:
    """The bytes of consecutive records. Raises: ValueError on a payload's length."""
    return b"".join(
        [make_frame(seed, first_seq + place, payload) for place, payload in enumerate(payloads)]
    )


def records_at_most(byte_count: int) -> int:
    """How many frames, the last of them perhaps cut, can have stood in so many bytes."""
    return (byte_count + SMALLEST_FRAME - 1) // SMALLEST_FRAME


def end_of_bytes(buffer: bytes) -> int:
    """Where the zeros begin that the buffer ends in.

    A follower looks there each time that a lane grows: page by page, a hundred times as fast as by
    rstrip.
    """
    end = len(buffer)
    while end >= _PAGE and buffer[end - _PAGE : end] == _ZEROS:
        end -= _PAGE
    start = max(0, end - _PAGE)
    return start + len(buffer[start:end].rstrip(b"\0"))


class Walker:
    """Goes through the frames of `buffer`, from a frame's start at `at` on.

    at: where the good frames that were walked end; next_seq: the seq expected there.
    """

    def __init__(self, buffer: bytes, seed: int, next_seq: int, at: int = 0) -> None:
        self.at = at
        self.next_seq = next_seq
        self._buffer = buffer
        self._seed = seed

    def step(self) -> "tuple[int, int, bytes | None] | None":
        """What comes next.

        (seq, seq, payload) is a good frame; (first, last, None) are seqs lost in bad bytes that
        good frames follow; None: no good frame follows, `torn_records` tells about the rest.
        """
        found = self._frame(self.at, 0) or self._resync()
        if found is None:
            return None
        at, seq, payload = found
        if seq > self.next_seq:
            lost = (self.next_seq, seq - 1, None)
            self.at, self.next_seq = at, seq
            return lost
        self.at, self.next_seq = at + FRAME_BYTES + len(payload), seq + 1
        return (seq, seq, payload)

    def run(self, most: int) -> "list[bytes]":
        """The payloads of good frames that follow one another from here, so many at most.

        What `step` finds one by one; [] where it finds a loss or nothing.
        """
        buffer, seed, at, seq = self._buffer, self._seed, self.at, self.next_seq
        payloads: "list[bytes]" = []
        while len(payloads) < most and at + SMALLEST_FRAME <= len(buffer):
            length, crc, low = struct.unpack_from(_FRAME, buffer, at)
            payload = buffer[at + FRAME_BYTES : at + FRAME_BYTES + length]
            if (
                low != seq & 0xFFFFFFFF
                or len(payload) != length
                or not 1 <= length <= MAX_PAYLOAD_BYTES
                or crc != crc32(payload, crc32(struct.pack(_CHECKED, length, low), seed))
            ):
                break
            payloads.append(payload)
            at, seq = at + FRAME_BYTES + length, seq + 1
        self.at, self.next_seq = at, seq
        return payloads

    def torn_records(self) -> int:
        """0 when what follows is clean: zeros or nothing; else the records it can have held.

        Every frame that was ever there whole is counted: its length is not zero, so it reaches
        into the bytes before the last zeros.
        """
        return records_at_most(max(0, end_of_bytes(self._buffer) - self.at))

    def _frame(self, at: int, skipped: int) -> "tuple[int, int, bytes] | None":
        """The intact frame at `at`, when `skipped` bad bytes before it explain its seq."""
        if at + SMALLEST_FRAME > len(self._buffer):
            return None
        length, crc, low = struct.unpack_from(_FRAME, self._buffer, at)
        ahead = (low - self.next_seq) & 0xFFFFFFFF
        end = at + FRAME_BYTES + length
        if ahead > skipped // SMALLEST_FRAME or end > len(self._buffer):
            return None
        if not 1 <= length <= MAX_PAYLOAD_BYTES:
            return None
        payload = self._buffer[at + FRAME_BYTES : end]
        if crc != crc32(payload, crc32(struct.pack(_CHECKED, length, low), self._seed)):
            return None
        return at, self.next_seq + ahead, payload

    def _resync(self) -> "tuple[int, int, bytes] | None":
        """The first intact frame somewhere behind the bad bytes at `at`."""
        last = end_of_bytes(self._buffer)  # no frame begins with its length in zeros
        for at in range(self.at + 1, last):
            found = self._frame(at, at - self.at)
            if found is not None:
                return found
        return None
