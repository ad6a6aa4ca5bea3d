from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SiteError
from agent.sensors import profile, registers
from agent.sensors.registers import Point, plan_reads


@pytest.mark.parametrize(
    ("point", "words", "expected"),
    [
        (Point("x", 0), [65_535], 65_535.0),
        (Point("x", 0, type="s16"), [65_535], -1.0),
        (Point("x", 0, type="u32"), [1, 2], 65_538.0),
        (Point("x", 0, type="u32", word_order="little"), [2, 1], 65_538.0),
        (Point("x", 0, type="s32", scale=0.5), [0xFFFF, 0xFFFE], -1.0),
        (Point("x", 0, type="f32"), [0x4248, 0x0000], 50.0),  # IEEE 754: 50.0 = 0x42480000
        (Point("x", 0, type="f32", word_order="little"), [0x0000, 0x4248], 50.0),
        (Point("x", 0, type="f32"), [0x7FC0, 0], None),  # NaN
        (Point("x", 0, type="f32"), [0x7F80, 0], None),  # infinity
        (Point("x", 0, invalid=(0x8000,)), [0x8000], None),
        (Point("x", 0, type="s16", invalid=(0x8000,)), [0x8000], None),
        (Point("x", 0, space="coil"), [1], 1.0),
    ],
)
def test_what_registers_say(point: Point, words: list[int], expected: float | None) -> None:
    assert point.value(words) == expected


@given(
    st.lists(
        st.tuples(
            st.integers(0, 400),
            st.sampled_from(["holding", "input"]),
            st.sampled_from(["u16", "u32"]),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_reads_fetch_every_point_and_none_is_too_long(
    places: list[tuple[int, str, str]],
) -> None:
    points = [Point(str(k), a, space, kind) for k, (a, space, kind) in enumerate(places)]
    reads = list(plan_reads(points))
    assert sorted(k for read in reads for k in read.points) == list(range(len(points)))
    for read in reads:
        assert read.count <= registers.LONGEST_READ
        for k in read.points:
            assert points[k].space == read.space
            assert read.address <= points[k].address
            assert points[k].address + points[k].width <= read.address + read.count


def test_neighbours_are_read_together() -> None:
    reads = list(plan_reads([Point("a", 0), Point("b", 5), Point("c", 100)]))
    assert [(read.address, read.count) for read in reads] == [(0, 6), (100, 1)]


def test_the_profiles_that_ship_are_right() -> None:
    for path in Path(profile.__file__).with_name("profiles").glob("*.toml"):
        assert profile.load(path.stem).points


def test_all_findings_come_at_once() -> None:
    document = tomllib.loads('[[point]]\nname = ""\naddress = 70000\ncolour = 1\n[[point]]\n')
    with pytest.raises(SiteError) as caught:
        profile.parse("bad", document)
    assert len(caught.value.findings) == 6  # source; name, address, colour; name, address


def test_an_unknown_profile_names_those_that_ship() -> None:
    with pytest.raises(SiteError, match="shipped are generic"):
        profile.load("nothing")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_point_is_a_point_or_findings(table: object) -> None:
    try:
        profile.parse("any", {"source": "s", "point": [table]})
    except SiteError as error:
        assert error.findings
