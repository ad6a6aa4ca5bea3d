"""A record as a picture in a terminal: braille dots, 80 columns, no colour needed.

A braille character is 2 dots wide and 4 high. Each column of dots shows the least and the largest
sample of its time, so that no peak is lost however long the record is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from agent.records import Event
from agent.traces import Case, Panel, panels

Array = npt.NDArray[np.float64]

WIDTH = 80
_ROWS = 4  # characters in height of one quantity
_LABEL = 10  # characters before the picture
# 3I0 and U0 fill their picture from this share of the phases' peak on; less is mostly noise.
_LEAST_COMMON = 0.02
_ONSET, _DECISION, _BOTH = "o", "|", "#"
_BRAILLE = 0x2800
# Bits of a cell's dots, by column and row (Unicode 15, block Braille Patterns).
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


def picture(case: Case, events: Sequence[Event], width: int = WIDTH) -> str:
    """The quantities of a record one above the other, its events as marks below.

    width: characters of a line, at least 40.
    """
    found = panels(case)
    if not found:
        return "no quantity of a bay"
    t = np.concatenate([trace.t for panel in found for trace in panel.traces[:1]])
    view = float(t.min()), float(t.max())
    columns = max(40, width) - _LABEL
    lines: list[str] = []
    for panel in found:
        kin = max((_peak(other) for other in found if other.unit == panel.unit), default=0.0)
        lines += _panel(panel, max(_peak(panel), _LEAST_COMMON * kin) or 1.0, view, columns)
    return "\n".join([*lines, _axis(view, columns), *_marks(events, view, columns)])


def _peak(panel: Panel) -> float:
    waves = [trace.wave[np.isfinite(trace.wave)] for trace in panel.traces]
    return max((float(np.abs(wave).max()) for wave in waves if wave.size), default=0.0)


def _panel(panel: Panel, peak: float, view: tuple[float, float], columns: int) -> Iterator[str]:
    yield f"{panel.title}, +/- {_amount(peak, panel.unit)} peak"
    for trace in panel.traces:
        rows = cells(trace.t, trace.wave / peak, view, columns, _ROWS)
        for number, row in enumerate(rows):
            yield f"{trace.name[: _LABEL - 1] if number == 1 else '':{_LABEL}}{row}".rstrip()


def cells(t: Array, wave: Array, view: tuple[float, float], columns: int, rows: int) -> list[str]:
    """Lines of braille of a wave between -1 and 1; NaN leaves a hole."""
    dots = np.zeros((4 * rows, 2 * columns), dtype=np.bool_)
    span = max(view[1] - view[0], 1e-9)
    seen = np.isfinite(wave)
    place = np.clip(((t[seen] - view[0]) / span * 2 * columns).astype(int), 0, 2 * columns - 1)
    height = np.clip(np.rint((1 - wave[seen]) / 2 * (4 * rows - 1)).astype(int), 0, 4 * rows - 1)
    least, most = np.full(2 * columns, 4 * rows), np.full(2 * columns, -1)
    np.minimum.at(least, place, height)
    np.maximum.at(most, place, height)
    for column in np.flatnonzero(most >= 0):
        dots[least[column] : most[column] + 1, column] = True
    return [_line(dots[4 * row : 4 * row + 4]) for row in range(rows)]


def _line(dots: npt.NDArray[np.bool_]) -> str:
    """Four rows of dots as a line of characters."""
    bits = np.zeros(dots.shape[1] // 2, dtype=np.int64)
    for side, of_side in enumerate(_DOTS):
        for row, bit in enumerate(of_side):
            bits += bit * dots[row, side::2]
    return "".join(chr(_BRAILLE + int(each)) for each in bits)


def _axis(view: tuple[float, float], columns: int) -> str:
    begin, middle, end = (f"{at:.3f}" for at in (view[0], sum(view) / 2, view[1]))
    room = columns - len(begin) - len(end) - 2
    return f"{'seconds':{_LABEL}}{begin}{middle:^{room}}{end} s"


def _marks(events: Sequence[Event], view: tuple[float, float], columns: int) -> Iterator[str]:
    """A line for each event: o where it began, | where the decision stood."""
    span = max(view[1] - view[0], 1e-9)

    def place(at_us: int) -> int:
        return min(columns - 1, max(0, int((at_us / 1e6 - view[0]) / span * columns)))

    for event in events:
        line = [" "] * columns
        onset = event.t_us if event.onset_us is None else event.onset_us
        for k in range(place(onset), place(event.t_us)):
            line[k] = "-"
        line[place(onset)] = _ONSET
        line[place(event.t_us)] = _BOTH if place(onset) == place(event.t_us) else _DECISION
        yield f"{'ALARM' if event.alarm else '':{_LABEL}}{''.join(line).rstrip()}"
        words = " ".join(w for w in (event.event, event.kind or event.phases, event.direction) if w)
        yield f"{'':{_LABEL}}{event.t_us / 1e6:.4f} s {words}"


def _amount(value: float, unit: str) -> str:
    return f"{value / 1000:.3g} k{unit}" if value >= 1000 else f"{value:.3g} {unit}"
