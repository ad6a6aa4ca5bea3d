"""What a line does to frames: nothing, or it loses, damages or holds back some of them.

A fault is asked for each frame, by its number since the line was opened, what goes out instead:
pieces of bytes, each after a wait. [s]  The same seed does the same to the same frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

Fault = Callable[[int, bytes], Iterable[tuple[float, bytes]]]


def faultless(_: int, frame: bytes) -> Iterable[tuple[float, bytes]]:
    """As it is."""
    return [(0.0, frame)]


def losing(share: float, seed: int) -> Fault:
    """Some frames never arrive."""

    def fault(number: int, frame: bytes) -> Iterable[tuple[float, bytes]]:
        return [] if _chance(seed, number).random() < share else [(0.0, frame)]

    return fault


def damaging(share: float, seed: int, most_bytes: int = 4) -> Fault:
    """Some frames have bytes changed, lost and put in."""

    def fault(number: int, frame: bytes) -> Iterable[tuple[float, bytes]]:
        chance = _chance(seed, number)
        if chance.random() >= share:
            return [(0.0, frame)]
        at = chance.randrange(len(frame))
        gone, noise = chance.randrange(most_bytes + 1), chance.randbytes(chance.randint(1, 4))
        return [(0.0, frame[:at] + noise + frame[at + gone :])]

    return fault


def delaying(share: float, seed: int, longest_s: float) -> Fault:
    """Some frames, and with them all that stand behind them, are held up."""

    def fault(number: int, frame: bytes) -> Iterable[tuple[float, bytes]]:
        chance = _chance(seed, number)
        return [(chance.uniform(0, longest_s) if chance.random() < share else 0.0, frame)]

    return fault


def _chance(seed: int, number: int) -> Random:
    return Random(f"{seed} {number}")  # noqa: S311  # no secret
