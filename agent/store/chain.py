"""The hash chain of a lane, and what a signed head of it says: the evidence of the log.

    h0      SHA-256("ftu chain 1" 00 | epoch u64 | lane, one ASCII letter)
    record  SHA-256(h | 01 | seq u64 | SHA-256(the record's canonical bytes))
    lost    SHA-256(h | 00 | first u64 | last u64 | reason, UTF-8)

Big-endian. A record's canonical bytes are its entry as it travels (`canonical`) in deterministic
CBOR, so that a central server computes the same from what it received. A head record states the
chain at a seq, and which seqs entered it as lost; its signature covers `signed_bytes`. Signatures
themselves stay outside (device_key.py), and so does CBOR (evidence.py). Who holds records checks
them against heads by follower.py.

Portable.
"""

import struct
from hashlib import sha256

from agent.store import entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Entry = list[Any]
    Range = tuple[int, int, str]  # first, last, reason

START_TAG = b"ftu chain 1\0"
HEAD_TAG = b"ftu head 1\0"
HASH_BYTES = 32
KEY_ID_BYTES = 8
# The lanes that are evidence: alarms with what happened to settings, and what people are told.
LANES = "as"
# What cannot be read as an entry travels as lost for this reason, and enters the chain so.
UNREADABLE = "damaged"
# Of a head: some 2 kB, half of the largest record.
LOST_MOST = 64
_NO_ERROR = 255
_U64 = 1 << 64


class Head:
    """What a head record states, as its columns are called; `lost`: [(first, last, reason)].

    lane, seq: of which lane, up to and with which seq. after: the seq of the head before it.
    lowest: the lowest seq that the lane kept then; None where a head does not say so.
    """

    def __init__(self, logged: "Entry") -> None:
        """Raises: ValueError unless the entry is a head whose parts fit together."""
        entry.check(logged)
        if logged[entry.TYPE] != entry.HEAD:
            raise ValueError(f"a record of type {logged[entry.TYPE]}; expected a head")
        columns = logged[entry.FIRST :] + [None] * len(entry.COLUMNS[entry.HEAD])
        self.logged = logged
        self.lane, self.seq, self.chain, self.signer, self.signature = columns[:5]
        self.after = 0 if columns[5] is None else columns[5]
        self.lowest = columns[6]
        self.lost = _ranges(columns[7] or [])
        if len(self.lane) != 1 or not "a" <= self.lane <= "z":
            raise ValueError(f"head of lane {entry.short(self.lane)}; expected a letter, a to z")
        if len(self.chain) != HASH_BYTES or not self.after < self.seq:
            raise ValueError(f"head of seq {self.seq} after {self.after}; expected it to rise")
        if self.lost and not self.after < self.lost[0][0] <= self.lost[-1][1] <= self.seq:
            raise ValueError(f"lost {self.lost[0][0]} to {self.lost[-1][1]}; expected its own seqs")


class Chain:
    """The chain of one lane as it grows: its value up to and with `seq`.

    after: the seq of the last head; lost: the ranges since then.
    """

    def __init__(self, epoch: int, lane: str, seq: int = 0, value: "bytes | None" = None) -> None:
        self.epoch = epoch
        self.lane = lane
        self.seq = self.after = seq
        self.value = start(epoch, lane) if value is None else value
        self.lost: "list[Range]" = []

    def record(self, seq: int, canonical_bytes: bytes) -> None:
        """The next record. Raises: ValueError for another seq."""
        self._check(seq, seq)
        self.value = after_record(self.value, seq, sha256(canonical_bytes).digest())
        self.seq = seq

    def loss(self, first: int, last: int, reason: str) -> None:
        """The next seqs are lost. Raises: ValueError for others."""
        self._check(first, last)
        self.value = after_loss(self.value, first, last, reason)
        self.seq = last
        self.lost.append((first, last, reason))

    def headed(self) -> None:
        """A head states what has come so far."""
        self.after, self.lost = self.seq, []

    def _check(self, first: int, last: int) -> None:
        if first != self.seq + 1 or last < first:
            raise ValueError(f"seq {first} to {last} after {self.seq}; expected the next one")


def start(epoch: int, lane: str) -> bytes:
    """The chain of a lane before its first record."""
    return sha256(START_TAG + struct.pack(">QB", epoch, ord(lane))).digest()


def after_record(value: bytes, seq: int, digest: bytes) -> bytes:
    """The chain one record on; digest: SHA-256 of its canonical bytes."""
    return sha256(value + struct.pack(">BQ", 1, seq) + digest).digest()


def after_loss(value: bytes, first: int, last: int, reason: str) -> bytes:
    """The chain behind a range of seqs that is declared lost, as it is declared."""
    return sha256(value + struct.pack(">BQQ", 0, first, last) + reason.encode()).digest()


def canonical(logged: "Entry") -> "Entry":
    """The entry as it travels: a clock's error as a power of two, no nulls at its end.

    What an agent stores is so already; an entry of another hand is brought to it.
    """
    exponent = entry.error_exponent(logged[entry.ERROR])
    error_us = None if exponent is None else 1 << exponent
    if logged[entry.ERROR] == error_us and (len(logged) == entry.FIRST or logged[-1] is not None):
        return logged
    return entry.trimmed(logged[: entry.ERROR] + [error_us] + logged[entry.FIRST :])


def key_id(public_key: bytes) -> bytes:
    """By which a head names its key."""
    return sha256(public_key).digest()[:KEY_ID_BYTES]


def signed_bytes(site: str, node: str, epoch: int, head: "Head") -> bytes:
    """What the signature of a head covers, big-endian:

    "ftu head 1" 00 | site | node | epoch u64 | lane u8 | seq u64 | after u64 | lowest u64 (0: not
    said) | chain 32 | boot u64 | mono u64 [us] | utc u64 [us] | source u8 | n u8: the error is
    2^n us, 255: unknown | number of lost ranges u16 | {first u64, last u64, reason} of each.
    Texts are UTF-8 with their length before them, u16.
    """
    _, boot, mono_us, utc_us, source, error_us = head.logged[: entry.FIRST]
    exponent = entry.error_exponent(error_us)
    parts = [
        HEAD_TAG,
        _text(site),
        _text(node),
        struct.pack(">QBQQ", epoch, ord(head.lane), head.seq, head.after),
        struct.pack(">Q", head.lowest or 0),
        head.chain,
        struct.pack(">QQQB", boot, mono_us, utc_us, source),
        struct.pack(">BH", _NO_ERROR if exponent is None else exponent, len(head.lost)),
    ]
    for first, last, reason in head.lost:
        parts.append(struct.pack(">QQ", first, last) + _text(reason))
    return b"".join(parts)


def head_columns(chain: "Chain", lowest: int, signer: bytes, signature: bytes) -> "dict[str, Any]":
    """The columns of a head of what has come so far, for `entry.compose`."""
    lost = [part for each in chain.lost for part in each]
    return {
        "of_lane": chain.lane,
        "of_seq": chain.seq,
        "chain": chain.value,
        "signer": signer,
        "signature": signature,
        "after_seq": chain.after,
        "lowest_seq": lowest,
        "lost": lost or None,
    }


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def _ranges(flat: "Entry") -> "list[Range]":
    if len(flat) % 3 or len(flat) > 3 * LOST_MOST:
        raise ValueError(f"lost ranges of {len(flat)} parts; expected three each")
    ranges = [(flat[at], flat[at + 1], flat[at + 2]) for at in range(0, len(flat), 3)]
    end = 0
    for first, last, reason in ranges:
        if type(first) is not int or type(last) is not int or type(reason) is not str:
            raise ValueError(f"lost {entry.short([first, last, reason])}; expected seq, seq, text")
        if not end < first <= last:
            raise ValueError(f"lost {first} to {last} after {end}; expected to rise")
        end = last
    return ranges
