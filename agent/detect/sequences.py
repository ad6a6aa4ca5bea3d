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
    # In one piece, for every slow look asks for some: B and C turned by a third, either way.
    a_re, a_im = a
    b_re, b_im = b
    c_re, c_im = c
    b_along, b_aside, b_back, b_side = (
        -0.5 * b_re,
        _HALF_ROOT3 * b_im,
        0.5 * b_im,
        _HALF_ROOT3 * b_re,
    )
    c_along, c_aside, c_back, c_side = (
        -0.5 * c_re,
        _HALF_ROOT3 * c_im,
        0.5 * c_im,
        _HALF_ROOT3 * c_re,
    )
    return (
        ((a_re + b_re + c_re) / 3.0, (a_im + b_im + c_im) / 3.0),
        (
            (a_re + (b_along - b_aside) + (c_along + c_aside)) / 3.0,
            (a_im + (b_side - b_back) + (-c_side - c_back)) / 3.0,
        ),
        (
            (a_re + (b_along + b_aside) + (c_along - c_aside)) / 3.0,
            (a_im + (-b_side - b_back) + (c_side - c_back)) / 3.0,
        ),
    )
