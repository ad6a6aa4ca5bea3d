"""The samples of one waveform channel as bits and back. Lossless, integers only.

A sample is foretold from those before it, and what is left is written in a Rice code. Five ways to
foretell, of which each block of samples takes the one that leaves least (x1, x2, x3: the samples
before, 0 before the first; c: 2 cos of a step of the nominal frequency, in 2^-14):

    0  0                    3  ((c * x1) >> 14) - x2                      a sine of that frequency
    1  x1                   4  x1 + ((c * (x1 - x2)) >> 14) - (x2 - x3)   the same on an offset
    2  2 * x1 - x2

    channel = whole 6, block after block; the last may be shorter
    block   = how 3, k 5, {quotient} for each sample, {rest k} for each, {quotient whole} for each
              that escaped; k = STILL: nothing is left of any sample, and nothing follows
    z       = what is left, zigzag: 0, -1, 1, -2 ... as 0, 1, 2, 3 ...; its rest is its lowest k
              bits, its quotient is z >> k as so many ones and a zero; ESCAPE ones and a zero: it
              escaped, see above

Numbers stand from their highest bit on; zeros fill up the last byte. All quotients of a block come
before all rests, so that a machine with vectors can take them at once: agent/wave_vectors.py does,
with the same bytes.

Source of the code: R. F. Rice, "Some practical universal noiseless coding techniques", JPL
    Publication 79-22, 1979; a block that chooses between differences: T. Robinson, "SHORTEN",
    Cambridge University CUED/F-INFENG/TR.156, 1994.
Portable.
"""

from agent.uplink import bits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Half a cycle to a few cycles: a fault changes what foretells best. A block costs one byte.
BLOCK = 128
# Below the lowest rest that pays, a step would cost thousands of ones.
ESCAPE = 20
STILL = 31
SHIFT = 14
LOWEST, HIGHEST = -(1 << 31), (1 << 31) - 1  # counts, as COMTRADE's BINARY32 has them
# What is left of such samples has at most 36 bits.
WIDEST = 40
HOWS = 5
# How many k are tried, from one above the mean's length on downwards: a single step in a block of
# small values lifts the mean by that much.
TRIED = 6
# What an escape is taken to cost beside its ones, while k is chosen. [bits]
ESCAPED_BITS = 16


def pack(samples: "Sequence[int]", tuned: int) -> bytes:
    """The bits of a channel. tuned: c. Raises: ValueError for samples that need over 32 bits."""
    for sample in samples:
        check(sample)
    blocks = []
    whole = 0
    for begin in range(0, len(samples), BLOCK):
        how, left = _least(samples, begin, min(len(samples), begin + BLOCK), tuned)
        k = _best_k(left)
        blocks.append((how, k, left))
        if k != STILL and max(left) >> k >= ESCAPE:
            whole = max(whole, bits.length(max(left) >> k))
    out = bits.Writer()
    out.write(whole, 6)
    for how, k, left in blocks:
        out.write(how << 5 | k, 8)
        if k != STILL:
            _write(out, k, left, whole)
    return out.end()


def unpack(data: bytes, count: int, tuned: int) -> "list[int]":
    """So many samples of a channel. Raises: ValueError for bytes that are none."""
    source = bits.Reader(data)
    whole = source.read(6)
    if whole > WIDEST:
        raise ValueError(f"quotients of {whole} bits; expected at most {WIDEST}")
    samples: "list[int]" = []
    known = (0, 0, 0)
    while len(samples) < count:
        how, k = source.read(3), source.read(5)
        if how >= HOWS:
            raise ValueError(f"foretold in way {how}; expected below {HOWS}")
        left = _read(source, k, min(BLOCK, count - len(samples)), whole)
        for z in left:
            sample = foretold(how, known, tuned) + (z >> 1 ^ -(z & 1))
            samples.append(check(sample))
            known = (sample, known[0], known[1])
    source.end()
    return samples


def foretold(how: int, known: "tuple[int, int, int]", tuned: int) -> int:
    """The next sample as the last three tell it, the youngest first."""
    x1, x2, x3 = known
    if how == 0:
        return 0
    if how == 1:
        return x1
    if how == 2:
        return 2 * x1 - x2
    if how == 3:
        return (tuned * x1 >> SHIFT) - x2
    return x1 + (tuned * (x1 - x2) >> SHIFT) - (x2 - x3)


def tuned_to(rate: "tuple[int, int]", nominal_hz: int) -> int:
    """The constant c of a rate [Hz, as a fraction], to the last of its 14 bits, anywhere.

    0 where the rate is not twice the nominal frequency.
    """
    if rate[0] <= 0 or 2 * nominal_hz * rate[1] >= rate[0]:
        return 0
    # cos x = 1 - x^2/2! + x^4/4! ...; x below pi, in 2^-40.
    angle = _TWO_PI * nominal_hz * rate[1] // rate[0]
    square = angle * angle >> _ANGLE_SHIFT
    term = total = 1 << _ANGLE_SHIFT
    order = 0
    while term:
        order += 2
        term = (term * square >> _ANGLE_SHIFT) // (order * (order - 1))
        total += -term if order & 2 else term
    return (2 * total + (1 << _ANGLE_SHIFT - SHIFT - 1)) >> _ANGLE_SHIFT - SHIFT


_ANGLE_SHIFT = 40
_TWO_PI = 6908435304715  # 2 pi, in 2^-40


def check(sample: int) -> int:
    """The sample itself. Raises: ValueError unless 32 bits hold it."""
    if not LOWEST <= sample <= HIGHEST:
        raise ValueError(f"sample {sample}; expected 32 bits")
    return sample


def _least(samples: "Sequence[int]", begin: int, end: int, tuned: int) -> "tuple[int, list[int]]":
    """The way of foretelling a block that leaves the smallest sum, the first of equals; and what
    it leaves.
    """
    best: "tuple[int, int, list[int]] | None" = None
    for how in range(HOWS if tuned else HOWS - 2):
        left = []
        for at in range(begin, end):
            known = (
                samples[at - 1] if at > 0 else 0,
                samples[at - 2] if at > 1 else 0,
                samples[at - 3] if at > 2 else 0,
            )
            r = samples[at] - foretold(how, known, tuned)
            left.append(r << 1 if r >= 0 else -1 - (r << 1))
        total = sum(left)
        if best is None or total < best[0]:
            best = (total, how, left)
    return best[1:] if best else (0, [])


def _best_k(left: "list[int]") -> int:
    """Of TRIED lengths of the rest the one that takes the fewest bits, the longest of equals."""
    total = sum(left)
    if not total:
        return STILL
    highest = bits.length(total // len(left))
    best = (1 << 62, 0)
    for k in range(min(highest, STILL - 1), max(highest - TRIED, -1), -1):
        cost = k * len(left)
        for z in left:
            ones = z >> k
            cost += ones if ones < ESCAPE else ESCAPE + ESCAPED_BITS
        if cost < best[0]:
            best = (cost, k)
    return best[1]


def _write(out: "bits.Writer", k: int, left: "list[int]", whole: int) -> None:
    for z in left:
        ones = min(z >> k, ESCAPE)
        out.write((1 << ones) - 1 << 1, ones + 1)
    for z in left:
        out.write(z & (1 << k) - 1, k)
    for z in left:
        if z >> k >= ESCAPE:
            out.write(z >> k, whole)


def _read(source: "bits.Reader", k: int, count: int, whole: int) -> "list[int]":
    """What is left of each sample of a block, zigzag."""
    if k == STILL:
        return [0] * count
    quotients = []
    for _ in range(count):
        ones = 0
        while source.read(1):
            ones += 1
            if ones > ESCAPE:
                raise ValueError(f"more than {ESCAPE} ones; expected a zero behind them")
        quotients.append(ones)
    rests = [source.read(k) for _ in range(count)]
    left = []
    for ones, rest in zip(quotients, rests):
        quotient = source.read(whole) if ones == ESCAPE else ones
        if quotient >> WIDEST - k:
            raise ValueError(f"quotient {quotient}; expected {WIDEST} bits with its rest")
        left.append(quotient << k | rest)
    return left
