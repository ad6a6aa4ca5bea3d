"""RMS voltages over one cycle, to be asked every half cycle, and where a wave left what it was.

Urms(1/2) of IEC 61000-4-30, 5.4, less the mean: a divider passes the DC of a charge that is trapped
on a dead cable, which no customer is supplied with.

Portable.
"""

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.raw import Raw

    Three = tuple[float, float, float]

PHASES, PAIRS = ("A", "B", "C"), ("AB", "BC", "CA")
_ROLES = {"A": "ua", "B": "ub", "C": "uc"}
_UNKNOWN = float("nan")

# A wave has left what it was a cycle before where the difference exceeds this share of the largest
# one: 15 % of a voltage is then seen above noise of 40 dB, a millisecond after its zero at worst.
_LEFT_SHARE = 0.25
# So much of what is looked at must show nothing before it. [cycles]
_STEADY_CYCLES = 0.25


def rms(raw: "Raw", names: "tuple[str, ...]") -> "Three":
    """Of phases ("A" ...) or between phases ("AB" ...) over the last cycle, primary; NaN where a
    sensor, or a whole cycle, is missing.
    """
    rows = {}
    for phase in PHASES:
        samples, scale = raw.wave(_ROLES[phase], raw.window)
        if len(samples) == raw.window:
            rows[phase] = samples, scale, sum(samples), sum([x * x for x in samples])
    a, b, c = [_rms(raw.window, [rows.get(phase) for phase in name]) for name in names]
    return a, b, c


def _rms(window: int, rows: "list[tuple[list[int], float, int, int] | None]") -> float:
    """Of one row, or of the difference of two: of whole numbers but for the scales.

    A row: samples, scale, their sum and that of their squares.
    """
    if None in rows:
        return _UNKNOWN
    square = 0.0
    for _, scale, total, squares in rows:  # type: ignore[misc]  # none is missing
        square += scale * scale * (window * squares - total * total)
    if len(rows) == 2:
        one, one_scale, one_sum, _ = rows[0]  # type: ignore[misc]
        other, other_scale, other_sum, _ = rows[1]  # type: ignore[misc]
        product = window * sum([x * y for x, y in zip(one, other)]) - one_sum * other_sum
        square -= 2.0 * one_scale * other_scale * product
    return math.sqrt(max(square, 0.0)) / window


def edge_cycles(raw: "Raw", name: str, back: float) -> "float | None":
    """How many cycles ago the wave of a phase, or between two, left what it was a cycle before.

    back: how far to look. None where it shows no sudden change.
    """
    window = raw.window
    row = _wave(raw, name, window + int(back * window))
    added = [abs(y - x) for x, y in zip(row, row[window:])]
    steady = int(_STEADY_CYCLES * window)
    if len(added) <= steady:
        return None
    level = _LEFT_SHARE * max(added)
    if not level > max(added[:steady]):
        return None
    for place in range(steady, len(added) - 1):
        if added[place] >= level and added[place + 1] >= level:
            return (len(added) - place) / window
    return None


def _wave(raw: "Raw", name: str, count: int) -> "list[float]":
    waves = [raw.wave(_ROLES[phase], count) for phase in name]
    if len(waves) == 1:
        samples, scale = waves[0]
        return [scale * x for x in samples]
    (one, one_scale), (other, other_scale) = waves
    return [one_scale * x - other_scale * y for x, y in zip(one, other)]
