"""An operating curve: the share of faults that are told, against how large or how near they are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hil.bounds import interval
from hil.report.markup import escaped
from hil.tally import Mark

_FONT = 'font-family="sans-serif" font-size="11"'
_LEAST = 5  # marks in a point; fewer say nothing
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 640, 300, 50, 16, 150, 40
_COLOURS = ("#1b6ca8", "#b3541e", "#3a7d44", "#7d3a74", "#555555", "#c0a020")


@dataclass(frozen=True, slots=True)
class Point:
    """Marks whose quantity lies from `low` up to `high`, and the share that counts, with bounds."""

    low: float
    high: float
    of: int
    share: float
    bounds: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a plot."""

    name: str
    points: tuple[Point, ...]


def curve(
    name: str,
    marks: Sequence[Mark],
    edges: Sequence[float],
    of: Callable[[Mark], float | None],
    count: Callable[[Mark], bool],
) -> Curve:
    """edges: of the bins, rising. of: the quantity of a mark, None where it has none."""
    points = []
    valued = [(value, each) for each in marks if (value := of(each)) is not None]
    for low, high in itertools.pairwise(edges):
        chosen = [each for value, each in valued if low <= value < high]
        if len(chosen) >= _LEAST:
            counted = sum(count(each) for each in chosen)
            bounds = interval(counted, len(chosen))
            points.append(Point(low, high, len(chosen), counted / len(chosen), bounds))
    return Curve(name, tuple(points))


def table(head: str, curves: Sequence[Curve], edges: Sequence[float]) -> list[str]:
    """As Markdown: a row a bin, a column a curve, shares with how many there were."""
    told = [f"| {head} | " + " | ".join(each.name for each in curves) + " |"]
    told.append("|---" * (len(curves) + 1) + "|")
    for low, high in itertools.pairwise(edges):
        cells = [_cell(each, low) for each in curves]
        told.append(f"| {low:g} to {high:g} | " + " | ".join(cells) + " |")
    return told


def _cell(curve: Curve, low: float) -> str:
    found = next((point for point in curve.points if point.low == low), None)
    return "-" if found is None else f"{100 * found.share:.0f} % of {found.of}"


def svg(title: str, unit: str, curves: Sequence[Curve], edges: Sequence[float]) -> str:
    """A plot over a logarithmic axis; each point has its 95 % interval."""
    plot = _Plot(edges[0], edges[-1])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT}>',
        f"<title>{escaped(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        *plot.axes(edges, unit),
    ]
    for number, each in enumerate(curves):
        parts += plot.line(each, _COLOURS[number % len(_COLOURS)], number)
    return "\n".join([*parts, "</svg>", ""])


class _Plot:
    def __init__(self, low: float, high: float) -> None:
        self._low, self._decades = math.log10(low), math.log10(high / low)

    def _x(self, value: float) -> float:
        share = (math.log10(value) - self._low) / self._decades
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def _y(self, share: float) -> float:
        return _TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM)

    def axes(self, edges: Sequence[float], unit: str) -> list[str]:
        right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        parts = []
        for percent in (0, 25, 50, 75, 100):
            y = self._y(percent / 100)
            parts.append(f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#ddd"/>')
            parts.append(
                f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{percent} %</text>'
            )
        for edge in edges:
            x = self._x(edge)
            parts.append(f'<path d="M{x:.1f} {bottom}v4" stroke="#333"/>')
            parts.append(
                f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{edge:g}</text>'
            )
        middle = (_LEFT + right) / 2
        parts.append(
            f'<text x="{middle}" y="{bottom + 32}" text-anchor="middle">{escaped(unit)}</text>'
        )
        return parts

    def line(self, curve: Curve, colour: str, number: int) -> list[str]:
        places = [(self._x(math.sqrt(p.low * p.high)), self._y(p.share), p) for p in curve.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
        parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
        for x, y, point in places:
            low, high = (self._y(bound) for bound in point.bounds)
            parts.append(
                f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{colour}" opacity=".4"/>'
            )
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
        y = _TOP + 14 + 16 * number
        parts.append(
            f'<rect x="{_WIDTH - _RIGHT + 10}" y="{y - 9}" width="10" height="10" fill="{colour}"/>'
        )
        parts.append(f'<text x="{_WIDTH - _RIGHT + 25}" y="{y}">{escaped(curve.name)}</text>')
        return parts
