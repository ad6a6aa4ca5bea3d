"""What can be wrong on a line with meters: each fault turns a right reply into what goes out.

For `Bridge(fault=...)`; a fault takes the number of the question, the question and the right reply,
and gives bytes, each with a wait before it [s].
"""

from __future__ import annotations

from collections.abc import Iterable

from hil.instruments.serial_bridge import Fault, faultless, with_crc


def late(wait_s: float) -> Fault:
    """The right reply, so much later."""
    return lambda _, __, reply: [(wait_s, reply)]


def twice(after_s: float) -> Fault:
    """The right reply, and again after a while."""
    return lambda _, __, reply: [(0.0, reply), (after_s, reply)]


def silent(_: int, __: bytes, ___: bytes) -> Iterable[tuple[float, bytes]]:
    """No reply."""
    return []


def cut(kept: int) -> Fault:
    """Only so many bytes of the reply."""
    return lambda _, __, reply: [(0.0, reply[:kept])]


def wrong_unit(unit: int) -> Fault:
    """The right reply under another unit's number, with a right check."""
    return lambda _, __, reply: [(0.0, with_crc(bytes((unit,)) + reply[1:-2]))]


def wrong_crc(_: int, __: bytes, reply: bytes) -> Iterable[tuple[float, bytes]]:
    """The right reply with a bit of its check turned over."""
    return [(0.0, reply[:-1] + bytes((reply[-1] ^ 1,)))]


def refused(code: int) -> Fault:
    """An exception: 1 function, 2 address, 4 failure, 6 busy, 11 a gateway's silent target."""
    return lambda _, asked, __: [(0.0, with_crc(bytes((asked[0], asked[1] | 0x80, code))))]


def every(n: int, fault: Fault) -> Fault:
    """The fault on every n-th question; the others are answered rightly."""
    return lambda number, asked, reply: (faultless if number % n else fault)(number, asked, reply)


def within(first: int, last: int, fault: Fault) -> Fault:
    """The fault on the questions from `first` to `last`, counted from 1."""

    def chosen(number: int, asked: bytes, reply: bytes) -> Iterable[tuple[float, bytes]]:
        return (fault if first <= number <= last else faultless)(number, asked, reply)

    return chosen
