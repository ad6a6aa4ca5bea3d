"""Phasors as pairs of numbers, and the symmetrical components of three of them.

    zero, positive, negative = sequences(a, b, c)

Source: C. L. Fortescue, "Method of symmetrical co-ordinates applied to the solution of polyphase
networks", Trans. AIEE, vol. 37, 1918.

Portable.
"""

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    Phasor = tuple[float, float]

_HALF_ROOT3 = math.sqrt(3.0) / 2.0
ZERO: "Phasor" = (0.0, 0.0)


def size(p: "Phasor") -> float:
    """Of a phasor."""
    return math.sqrt(p[0] * p[0] + p[1] * p[1])


def plus(p: "Phasor", q: "Phasor") -> "Phasor":
    """Their sum."""
    return p[0] + q[0], p[1] + q[1]


def minus(p: "Phasor", q: "Phasor") -> "Phasor":
    """What must be added to `q` to make it `p`."""
    return p[0] - q[0], p[1] - q[1]


def over(p: "Phasor", q: "Phasor") -> "Phasor":
    """`p` as seen from `q`: their ratio, (0, 0) where `q` is nothing."""
    square = q[0] * q[0] + q[1] * q[1]
    if square == 0.0:
        return ZERO
    return (p[0] * q[0] + p[1] * q[1]) / square, (p[1] * q[0] - p[0] * q[1]) / square


def turned(p: "Phasor", thirds: int) -> "Phasor":
    """Ahead by so many thirds of a circle."""
    side = (0.0, _HALF_ROOT3, -_HALF_ROOT3)[thirds % 3]
    if side == 0.0:
        return p
    return -0.5 * p[0] - side * p[1], side * p[0] - 0.5 * p[1]


def sequences(a: "Phasor", b: "Phasor", c: "Phasor") -> "tuple[Phasor, Phasor, Phasor]":
    """Zero, positive and negative sequence, all of phase A."""
    return (
        _third(a, b, c),
        _third(a, turned(b, 1), turned(c, 2)),
        _third(a, turned(b, 2), turned(c, 1)),
    )


def _third(a: "Phasor", b: "Phasor", c: "Phasor") -> "Phasor":
    return (a[0] + b[0] + c[0]) / 3.0, (a[1] + b[1] + c[1]) / 3.0
