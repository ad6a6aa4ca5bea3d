"""Rows of integers as bits and back, on both interpreters."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.uplink import columns

ANY = st.none() | st.integers(-(1 << 63), (1 << 63) - 1)
SMALL = st.none() | st.integers(-300, 300)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[int | None]], list[int]]:
    width = draw(st.integers(1, 6))
    value = draw(st.sampled_from([ANY, SMALL]))
    rows = draw(st.lists(st.lists(value, min_size=width, max_size=width), min_size=1, max_size=20))
    groups = st.integers(0, draw(st.sampled_from([0, 2, 255])))
    return rows, [draw(groups) for _ in rows]


@settings(max_examples=150, deadline=None)
@given(tables())
def test_what_is_packed_comes_back(table: tuple[list[list[int | None]], list[int]]) -> None:
    rows, groups = table
    assert columns.unpack(columns.pack(rows, groups)) == (rows, groups)


def walks(count: int, seed: int) -> tuple[list[list[int | None]], list[int]]:
    """Three bays in turn: a shared walk, one of their own, one that follows it, a constant."""
    chance = random.Random(seed)
    shared, own = 60_000, [20_000, 5_000, 9_000]
    rows: list[list[int | None]] = []
    for turn in range(count):
        shared += chance.randint(-100, 100)
        for bay in range(3):
            own[bay] += chance.randint(-100, 100)
            follower = 3 * own[bay] + chance.randint(-4, 4)
            rows.append([turn, shared, own[bay], follower, 900, None])
    return rows, [0, 1, 2] * count


def test_neighbours_foretell_each_other() -> None:
    """A step of 201 equal chances takes 7.7 bits, one of 9 takes 3.2: Rice codes come near.

    The shared walk costs once a round, rounds and constants nothing, the order of the bays 1 bit.
    """
    rows, groups = walks(300, 1)

    bits = len(columns.pack(rows, groups)) * 8 / len(rows)

    assert bits < (7.7 + 1) / 3 + (7.7 + 1) + (3.2 + 1) + 1


def test_a_batch_may_begin_in_the_middle_of_a_round() -> None:
    rows, groups = walks(300, 1)

    late = len(columns.pack(rows[2:], groups[2:]))

    assert late < 1.15 * len(columns.pack(rows, groups))


def test_a_leap_does_not_spoil_the_rest() -> None:
    rows, groups = walks(300, 2)
    smooth = len(columns.pack(rows, groups))
    rows[450][2] = 1 << 60

    packed = columns.pack(rows, groups)

    assert columns.unpack(packed) == (rows, groups)
    assert len(packed) - smooth < 60


def test_both_interpreters_pack_and_unpack_the_same(board: Any) -> None:
    tables: list[tuple[list[list[int | None]], list[int]]] = [
        walks(20, 3),
        ([[None], [-(1 << 63)], [(1 << 63) - 1], [None]], [0, 1, 1, 0]),
        ([[-5, 7, None]], [255]),
    ]
    for rows, groups in tables:
        packed = columns.pack(rows, groups)
        answers = board(
            [
                ("agent.uplink.columns", "pack", [rows, groups]),
                ("agent.uplink.columns", "unpack", [packed]),
                ("agent.uplink.columns", "unpack", [packed[:-1]]),
            ]
        )
        assert answers[0] == packed
        assert answers[1] == (rows, groups)
        assert answers[2].kind == "ValueError"


@pytest.mark.parametrize(
    ("rows", "groups"),
    [
        pytest.param([], [], id="no-rows"),
        pytest.param([[]], [0], id="no-columns"),
        pytest.param([[0] * 64], [0], id="too-wide"),
        pytest.param([[0]] * 4096, [0] * 4096, id="too-long"),
        pytest.param([[1 << 63]], [0], id="beyond-64-bits"),
        pytest.param([[0]], [256], id="too-many-groups"),
    ],
)
def test_what_cannot_be_packed_is_told(rows: list[list[int | None]], groups: list[int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        columns.pack(rows, groups)


def bounded(data: bytes) -> None:
    try:
        rows, groups = columns.unpack(data)
    except ValueError as error:
        assert str(error)
        return
    assert len(rows) == len(groups) <= columns.LONGEST
    for row in rows:
        assert all(v is None or -(1 << 63) <= v < 1 << 63 for v in row)


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_are_rows_or_one_error(data: bytes) -> None:
    bounded(data)


PACKED = columns.pack(*walks(8, 4))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_flipped_byte_gives_rows_or_one_error(data: st.DataObject) -> None:
    packed = bytearray(PACKED)
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    bounded(bytes(packed))


@given(st.integers(0, 255))
def test_bytes_after_the_end_are_an_error(more: int) -> None:
    packed = columns.pack(*walks(2, 5))
    with pytest.raises(ValueError, match="expected"):
        columns.unpack(packed + bytes([more]))
