"""Samples that a channel may have, and a second, slow reader of packed waveforms.

The reader is written from the description in ftu.cddl and shares nothing with the code: bits as a
string of letters, one after the other.
Portable.
"""

import struct
from binascii import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TUNED_4K = 32667  # round(2^14 * 2 cos(2 pi 50 / 4000)), by a pocket calculator


def noise(seed: int, count: int, span: int) -> "list[int]":
    """Numbers in -span..span, alike on every interpreter (Lehmer, 1951; Park and Miller, 1988)."""
    drawn = []
    for _ in range(count):
        seed = seed * 16807 % 2147483647
        drawn.append(seed % (2 * span + 1) - span)
    return drawn


def swing(count: int, peak: int, tuned: int, start: int = 0) -> "list[int]":
    """A sine by whole numbers: x = 2 cos(w) x1 - x2."""
    x2, x1 = start, start + peak // 13
    drawn = []
    for _ in range(count):
        drawn.append(x1)
        x2, x1 = x1, (tuned * x1 >> 14) - x2
    return drawn


# Their samples, and the constant c.
CHANNELS = {
    "none": ([], TUNED_4K),
    "one": ([-5], TUNED_4K),
    "still-at-zero": ([0] * 300, TUNED_4K),
    "still-elsewhere": ([-12345] * 300, 0),
    "noise": (noise(7, 300, 3), TUNED_4K),
    "ramp": ([7 * n - 900 for n in range(260)], 0),
    "bend": ([n * n // 3 for n in range(128)], TUNED_4K),
    "sine": (swing(400, 9000, TUNED_4K), TUNED_4K),
    "sine-on-an-offset": ([x + 20000 for x in swing(200, 9000, TUNED_4K)], TUNED_4K),
    "sine-without-c": (swing(200, 9000, TUNED_4K), 0),
    "a-step-in-silence": ([0] * 60 + [30000] * 3 + [1] * 65, 0),
    "corner-to-corner": ([32767, -32768] * 70, TUNED_4K),
    "as-far-as-32-bits-reach": ([2147483647, -2147483648, -2147483648, 0, 2147483647], -32768),
}


def read(data: bytes) -> "dict[str, Any]":
    """What packed bytes hold, by the description; raises on anything that it does not foresee."""
    assert data[:5] == b"FTUW\x01"
    assert crc32(data[:-4]) == int.from_bytes(data[-4:], "big")
    size = int.from_bytes(data[5:9], "big")
    head = list(data[9 : 9 + size])
    told: "dict[str, Any]" = {
        "station": text(head),
        "bay": text(head),
        "boot": uint(head),
        "mono_us": uint(head),
        "utc_us": uint(head),
        "source": uint(head),
        "error_us": uint(head),
        "trigger_us": signed(uint(head)),
        "local_offset_min": signed(uint(head)),
        "nominal_hz": uint(head),
        "rate_numerator": uint(head),
        "rate_denominator": uint(head),
        "tuned": signed(uint(head)),
        "origin": uint(head),
    }
    runs = [[uint(head), uint(head), signed(uint(head))] for _ in range(uint(head))]
    channels = []
    for _ in range(uint(head)):
        name, phase, unit = text(head), text(head), text(head)
        numbers = [signed(uint(head)) for _ in range(4)]
        channels.append([name, phase, unit, numbers[:2], numbers[2:]])
    notes = bytes(taken(head, uint(head)))
    body, count, samples = data[9 + size : -4], sum(run[1] for run in runs), []
    for _ in channels:
        (length,) = struct.unpack(">I", body[:4])
        letters = "".join(f"{byte:08b}" for byte in body[4 : 4 + length])
        samples.append(channel(letters, count, told["tuned"]))
        body = body[4 + length :]
    assert not body
    told.update(runs=runs, channels=channels, notes=notes.hex(), samples=samples)
    return told


def channel(letters: str, count: int, c: int) -> "list[int]":
    """A channel's samples from its bits, as letters 0 and 1."""
    whole, letters = int(letters[:6], 2), letters[6:]
    x = [0, 0, 0]
    while len(x) < count + 3:
        how, k, letters = int(letters[:3], 2), int(letters[3:8], 2), letters[8:]
        some = min(128, count + 3 - len(x))
        z = [0] * some
        if k != 31:
            ones = []
            for _ in range(some):
                ones.append(letters.index("0"))
                letters = letters[ones[-1] + 1 :]
            rests = [int(letters[n * k : n * k + k] or "0", 2) for n in range(some)]
            letters = letters[some * k :]
            for n in range(some):
                if ones[n] == 20:
                    ones[n], letters = int(letters[:whole] or "0", 2), letters[whole:]
                z[n] = ones[n] * 2**k + rests[n]
        for each in z:
            x3, x2, x1 = x[-3:]
            told = [
                0,
                x1,
                2 * x1 - x2,
                c * x1 // 16384 - x2,
                x1 + c * (x1 - x2) // 16384 - (x2 - x3),
            ]
            x.append(told[how] + signed(each))
    assert letters == "0" * (len(letters) % 8)
    return x[3:]


def signed(number: int) -> int:
    """0, 1, 2, 3 ... as 0, -1, 1, -2 ..."""
    return -(number + 1) // 2 if number % 2 else number // 2


def uint(head: "list[int]") -> int:
    """A number in base 128, lowest digits first."""
    digit = head.pop(0)
    return digit if digit < 128 else digit - 128 + 128 * uint(head)


def text(head: "list[int]") -> str:
    """Its bytes after their number."""
    return bytes(taken(head, uint(head))).decode()


def taken(head: "list[int]", size: int) -> "list[int]":
    """The first so many bytes, which are gone then."""
    some = head[:size]
    del head[:size]
    return some
