"""uplink/wave_channel.py with numpy: the same bytes, the same samples, several times as fast.

For guard's writing thread and for consumers; link and the boards have the portable one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from agent.uplink.wave_channel import (
    BLOCK,
    ESCAPE,
    ESCAPED_BITS,
    HIGHEST,
    HOWS,
    LOWEST,
    SHIFT,
    STILL,
    TRIED,
    WIDEST,
)

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint8]


def pack(samples: npt.NDArray[np.integer], tuned: int) -> bytes:
    """The bits of a channel, shape (n,). Raises: ValueError for what 32 bits do not hold."""
    x = np.asarray(samples, dtype=np.int64)
    if not x.size:
        return b"\0"
    if int(x.min()) < LOWEST or int(x.max()) > HIGHEST:
        raise ValueError("samples beyond 32 bits; expected at most 32")
    ways = _left(x, tuned)
    counts = np.full(ways.shape[1], BLOCK, dtype=np.int64)
    counts[-1] = x.size - BLOCK * (counts.size - 1)
    totals = ways.sum(axis=2)
    how = totals.argmin(axis=0)
    left = np.take_along_axis(ways, how[None, :, None], axis=0)[0]
    total = np.take_along_axis(totals, how[None, :], axis=0)[0]
    k = np.where(total == 0, STILL, _best_k(left, total // counts, counts))
    return np.packbits(_written(left, how << 5 | k, k, counts)).tobytes()


def unpack(data: bytes, count: int, tuned: int) -> npt.NDArray[np.int32]:
    """So many samples of a channel. Raises: ValueError for bytes that are none."""
    source = _Source(data)
    whole = source.number(6)
    if whole > WIDEST:
        raise ValueError(f"quotients of {whole} bits; expected at most {WIDEST}")
    samples = np.zeros(count, dtype=np.int32)
    known = (0, 0, 0)
    for begin in range(0, count, BLOCK):
        some = min(BLOCK, count - begin)
        how, k = source.number(3), source.number(5)
        if how >= HOWS:
            raise ValueError(f"foretold in way {how}; expected below {HOWS}")
        z = source.left(k, some, whole)
        block = _told(how, z >> 1 ^ -(z & 1), known, tuned)
        if int(block.min()) < LOWEST or int(block.max()) > HIGHEST:
            raise ValueError("samples beyond 32 bits; expected at most 32")
        samples[begin : begin + some] = block
        last = [int(sample) for sample in block[-3:]]
        x3, x2, x1 = [*reversed(known), *last][-3:]
        known = (x1, x2, x3)
    source.end()
    return samples


def _left(x: Ints, tuned: int) -> Ints:
    """What each way of foretelling leaves, zigzag, shape (ways, blocks, BLOCK), zeros behind."""
    x1, x2, x3 = (np.concatenate((np.zeros(n, np.int64), x))[: x.size] for n in (1, 2, 3))
    told = [np.zeros_like(x), x1, 2 * x1 - x2]
    if tuned:
        told.append((tuned * x1 >> SHIFT) - x2)
        told.append(x1 + (tuned * (x1 - x2) >> SHIFT) - (x2 - x3))
    blocks = -(-x.size // BLOCK)
    ways = np.zeros((len(told), blocks * BLOCK), dtype=np.int64)
    for way, foretold in zip(ways, told, strict=True):
        r = x - foretold
        way[: x.size] = r << 1 ^ r >> 63
    return ways.reshape(len(told), blocks, BLOCK)


def _best_k(left: Ints, means: Ints, counts: Ints) -> Ints:
    """Of each block, as the portable one chooses."""
    highest = np.maximum(np.frexp(means.astype(np.float64))[1], 1)
    best = np.zeros(means.shape, dtype=np.int64)
    least = np.full(means.shape, np.iinfo(np.int64).max)
    for tried in range(TRIED):
        k = np.minimum(highest, STILL - 1) - tried
        valid = k > np.maximum(highest - TRIED, -1)
        ones = left >> np.maximum(k, 0)[:, None]
        ones[ones >= ESCAPE] = ESCAPE + ESCAPED_BITS
        cost = k * counts + ones.sum(axis=1)
        better = valid & (cost < least)
        best[better], least[better] = k[better], cost[better]
    return best


def _written(left: Ints, heads: Ints, k: Ints, counts: Ints) -> Bits:
    """All bits of a channel, a byte each."""
    present = np.arange(BLOCK) < np.where(k == STILL, 0, counts)[:, None]
    k = np.where(k == STILL, 0, k)
    quotients = np.where(present, left >> k[:, None], 0)
    escaped = quotients >= ESCAPE
    whole = int(quotients[escaped].max()).bit_length() if escaped.any() else 0
    ones = np.minimum(quotients, ESCAPE)
    present_count = present.sum(axis=1)
    unary = ones.sum(axis=1) + present_count
    sizes = 8 + unary + k * present_count + whole * escaped.sum(axis=1)
    begins = 6 + np.cumsum(sizes) - sizes
    out = np.zeros(6 + int(sizes.sum()), dtype=np.uint8)
    _number(out, np.array([0]), np.array([whole]), 6)
    _number(out, begins, heads, 8)
    _ones(out, begins + 8, ones, present)
    rests_at = begins + 8 + unary
    for length in np.unique(k[k > 0]):
        blocks = np.flatnonzero((k == length) & (present_count > 0))
        at = rests_at[blocks, None] + np.arange(BLOCK) * length
        inside = present[blocks]
        _number(out, at[inside], left[blocks][inside], int(length))
    wholes_at = rests_at + k * present_count
    places: Ints = np.cumsum(escaped, axis=1) - escaped
    at = wholes_at[:, None] + places * whole
    _number(out, at[escaped], quotients[escaped], whole)
    return out


def _ones(out: Bits, begins: Ints, ones: Ints, present: npt.NDArray[np.bool_]) -> None:
    """Each present value as so many ones and a zero, block by block from `begins` on."""
    lengths = np.where(present, ones + 1, 0)
    starts = (begins[:, None] + np.cumsum(lengths, axis=1) - lengths).ravel()
    ones = ones.ravel()
    before = np.cumsum(ones) - ones
    out[np.repeat(starts - before, ones) + np.arange(int(ones.sum()))] = 1


def _number(out: Bits, at: Ints, numbers: Ints, length: int) -> None:
    """The lowest `length` bits of each number, from its place on."""
    for bit in range(length):
        out[at + bit] = numbers >> (length - 1 - bit) & 1


def _told(how: int, left: Ints, known: tuple[int, int, int], tuned: int) -> Ints:
    """The samples of a block, from what is left of each and the three before."""
    x1, x2, _ = known
    if how == 0:
        return left
    if how == 1:
        return np.cumsum(left) + x1
    if how == 2:
        return np.cumsum(np.cumsum(left) + (x1 - x2)) + x1
    return np.array(list(_swung(how, left.tolist(), known, tuned)), dtype=np.int64)


def _swung(how: int, left: list[int], known: tuple[int, int, int], tuned: int) -> Iterator[int]:
    """Sample by sample, for a sine's next one needs the last one whole."""
    x1, x2, x3 = known
    for r in left:
        if how == 3:
            x = (tuned * x1 >> SHIFT) - x2 + r
        else:
            x = x1 + (tuned * (x1 - x2) >> SHIFT) - (x2 - x3) + r
        if not LOWEST <= x <= HIGHEST:
            raise ValueError(f"sample {x}; expected 32 bits")
        yield x
        x1, x2, x3 = x, x1, x2


class _Source:
    """Bits of a channel. Raises: ValueError beyond their end."""

    def __init__(self, data: bytes) -> None:
        self._bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8))
        self._zeros = np.flatnonzero(self._bits == 0)
        self._at = 0

    def number(self, length: int) -> int:
        """A number of so many bits."""
        return int(self._numbers(1, length)[0])

    def left(self, k: int, count: int, whole: int) -> Ints:
        """What is left of each sample of a block, zigzag."""
        if k == STILL:
            return np.zeros(count, dtype=np.int64)
        first = int(np.searchsorted(self._zeros, self._at))
        ends = self._zeros[first : first + count]
        quotients = np.diff(ends, prepend=self._at - 1) - 1
        if quotients.size and int(quotients.max()) > ESCAPE:
            raise ValueError(f"more than {ESCAPE} ones; expected a zero behind them")
        if ends.size < count:
            raise ValueError(f"{self._bits.size // 8} bytes; expected more of them")
        self._at = int(ends[-1]) + 1
        rests = self._numbers(count, k)
        escaped = np.flatnonzero(quotients == ESCAPE)
        quotients[escaped] = self._numbers(escaped.size, whole)
        if int(quotients.max()) >> WIDEST - k:
            raise ValueError(f"quotient {quotients.max()}; expected {WIDEST} bits with its rest")
        return quotients << k | rests

    def end(self) -> None:
        """Raises: ValueError unless only the zeros that fill up a byte are left."""
        rest = self._bits[self._at :]
        if rest.size > 7 or rest.any():
            raise ValueError(f"{self._bits.size // 8} bytes; expected fewer, with zeros at the end")

    def _numbers(self, count: int, length: int) -> Ints:
        """So many numbers of so many bits each."""
        begin, self._at = self._at, self._at + count * length
        if self._at > self._bits.size:
            raise ValueError(f"{self._bits.size // 8} bytes; expected more of them")
        table = self._bits[begin : self._at].reshape(count, length)
        weights = np.int64(1) << np.arange(length - 1, -1, -1, dtype=np.int64)
        numbers: Ints = table @ weights
        return numbers
