from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SiteError
from agent.sensors import profile, registers
from agent.sensors.registers import Limits, Point, Profile, Span, plan_reads, prefixes


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
        # 0x12345678 in the four orders that meters have: ABCD, CDAB, BADC, DCBA.
        (Point("x", 0, type="u32"), [0x1234, 0x5678], 0x12345678),
        (Point("x", 0, type="u32", word_order="little"), [0x5678, 0x1234], 0x12345678),
        (Point("x", 0, type="u32", byte_order="little"), [0x3412, 0x7856], 0x12345678),
        (
            Point("x", 0, type="u32", word_order="little", byte_order="little"),
            [0x7856, 0x3412],
            0x12345678,
        ),
        (Point("x", 0, byte_order="little"), [0x0100], 1.0),
        (Point("x", 0, type="u64"), [0, 0, 1, 0], 65_536.0),
        (Point("x", 0, type="s64"), [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], -2.0),
        (Point("x", 0, type="s64", word_order="little"), [0xFFFE, 0xFFFF, 0xFFFF, 0xFFFF], -2.0),
        (Point("x", 0, type="f64"), [0x4049, 0, 0, 0], 50.0),  # IEEE 754: 0x4049000000000000
        (Point("x", 0, type="f32", word_order="little", byte_order="little"), [0, 0x4842], 50.0),
        (Point("x", 0, type="sm16"), [0x8005], -5.0),
        (Point("x", 0, type="sm16"), [0x0005], 5.0),
        (Point("x", 0, type="sm32"), [0x8000, 0x0005], -5.0),
        (Point("x", 0, type="u16", invalid=(0xFFFF,)), [0xFFFF], None),
        (Point("x", 0, type="s32", invalid=(0x80000000,)), [0x8000, 0], None),
        (Point("x", 0, type="f32", invalid=(0x7FC00000,)), [0x7FC0, 0], None),
        (Point("x", 0, type="f32"), [0xFF80, 0], None),  # minus infinity
        (Point("x", 0, bit=3), [0b1000], 1.0),
        (Point("x", 0, bit=3), [0b0111], 0.0),
        (Point("x", 0, type="u32", bit=16), [1, 0], 1.0),
        # A switch with two contacts: 1 = open, 2 = closed, anything else lies in between.
        (Point("x", 0, ones=(2,), zeros=(1,)), [2], 1.0),
        (Point("x", 0, ones=(2,), zeros=(1,)), [1], 0.0),
        (Point("x", 0, ones=(2,), zeros=(1,)), [0], None),
        (Point("x", 0, ones=(2,), zeros=(1,)), [3], None),
    ],
)
def test_what_registers_say(point: Point, words: list[int], expected: float | None) -> None:
    assert point.value(words) == expected


POINTS = st.builds(
    Point,
    st.just("x"),
    st.integers(0, 20),
    type=st.sampled_from(["u16", "s16", "sm16"]),
    byte_order=st.sampled_from(["big", "little"]),
    scale=st.sampled_from([1.0, 0.1, -2.5]),
    bit=st.sampled_from([None, None, 3]),
    ones=st.sampled_from([(), (7,)]),
    invalid=st.sampled_from([(), (0xFFFF,)]),
)


@given(st.lists(POINTS, min_size=1, max_size=8), st.data())
def test_a_profile_s_values_are_those_of_its_points(
    points: list[Point], data: st.DataObject
) -> None:
    """Its way past what a plain point does not need ends where the point's own way ends."""
    plan = Profile("p", "test", tuple(points))
    word = st.sampled_from([0, 7, 8, 500, 0x8001, 0xFFFF])
    image = {
        read: data.draw(st.none() | st.lists(word, min_size=read.count, max_size=read.count))
        for read in plan.reads
    }
    expected = []
    for k, point in enumerate(points):
        (home,) = (read for read in plan.reads if k in read.points)
        words = image[home]
        at = point.address - home.address
        expected.append(None if words is None else point.value(words[at : at + 1]))

    assert plan.values(image) == expected


@pytest.mark.parametrize(
    ("exponent", "expected"),
    [(0xFFFE, 230.4), (0, 23_040.0), (1, 230_400.0), (0x8000, None), (77, None)],
)
def test_a_register_may_hold_the_power_of_ten_of_another(
    exponent: int, expected: float | None
) -> None:
    """As in SunSpec's inverter models: PhVphA, and V_SF, whose 0x8000 is not implemented."""
    chart = profile.parse(
        "sunspec",
        tomllib.loads("""
            source = "SunSpec model 103"
            point = [
              { name = "ua", address = 77, exponent = "v_sf", unit = "V" },
              { name = "v_sf", address = 80, type = "s16", invalid = [0x8000] },
            ]
            """),
    )
    (read,) = chart.reads
    assert (read.address, read.count) == (77, 4)
    assert [channel.name for channel in chart.channels()] == ["ua"]
    (value,) = chart.values({read: [23_040, 0, 0, exponent]})
    assert value == (None if expected is None else pytest.approx(expected))


def test_the_reads_of_a_channel_include_those_of_what_scales_it() -> None:
    points = (Point("ua", 77, exponent="sf"), Point("ia", 80), Point("sf", 200, type="s16"))
    chart = Profile("p", "s", points)
    assert [read.address for read in chart.reads_of([0])] == [77, 200]
    assert [read.address for read in chart.reads_of([1])] == [77]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(), [(0, 10), (20, 1)]),
        (Limits(most_registers=4), [(0, 4), (6, 4), (20, 1)]),
        (Limits(widest_hole=0), [(0, 4), (6, 1), (9, 1), (20, 1)]),
        (Limits(forbidden=(Span("holding", 8, 8),)), [(0, 7), (9, 1), (20, 1)]),
        (Limits(forbidden=(Span("input", 8, 8),)), [(0, 10), (20, 1)]),
    ],
)
def test_what_a_device_takes_bounds_the_reads(
    limits: Limits, expected: list[tuple[int, int]]
) -> None:
    points = [Point(str(a), a) for a in (0, 1, 2, 3, 6, 9, 20)]
    assert [(r.address, r.count) for r in plan_reads(points, limits)] == expected


def test_where_it_can_be_no_two_reads_in_a_row_are_of_one_length() -> None:
    points = tuple(Point(str(a), a) for a in (0, 100, 200, 201, 300))
    counts = [read.count for read in Profile("p", "s", points).reads]
    assert counts == [1, 2, 1, 1]
    assert [read.address for read in profile.load("schneider-iem3000").reads] == [
        *(2999, 3059),
        *(3027, 3109),
    ]


def test_beginnings_of_reads_end_where_a_point_ends_and_each_length_stands_once() -> None:
    points = [Point("a", 0, type="u32"), Point("b", 2), Point("c", 100, type="u32")]
    found = prefixes(points, plan_reads(points))
    assert [(r.address, r.count) for r in found] == [(0, 2), (0, 3)]


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


def test_the_page_about_register_maps_tells_every_key() -> None:
    page = (Path(__file__).parents[3] / "docs/register-maps.md").read_text()
    assert [key for key in (*profile._PROFILE, *profile._POINT) if f"`{key}`" not in page] == []
    example = page.partition("```toml\n")[2].partition("```")[0]
    assert profile.parse("example", tomllib.loads(example)).points[0].name == "ua"


def test_the_profiles_that_ship_are_right() -> None:
    for path in Path(profile.__file__).with_name("profiles").glob("*.toml"):
        assert profile.load(path.stem).points


def test_all_findings_come_at_once() -> None:
    document = tomllib.loads('[[point]]\nname = ""\naddress = 70000\ncolour = 1\n[[point]]\n')
    with pytest.raises(SiteError) as caught:
        profile.parse("bad", document)
    assert len(caught.value.findings) == 6  # source; name, address, colour; name, address


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("most_registers = 126", "most_registers = 126: expected 1 to 125"),
        ("widest_hole = -1", "widest_hole = -1: expected 0 to 125"),
        ("slowest_reply_ms = 5", "slowest_reply_ms = 5: expected 20 to 10000"),
        ("forbidden = [{ space = 'holding', first = 9, last = 8 }]", "forbidden = "),
        ("every_point = 1", "every_point: expected a table"),
        ("every_point = { colour = 1 }", "[[point]] 1 colour: unknown"),
        ("forbidden = [{ space = 'holding', first = 0, last = 8 }]", "lies in what is forbidden"),
        ("most_registers = 1\nevery_point = { type = 'u32' }", "wider than most_registers"),
        ("every_point = { exponent = 'sf' }", "point a: exponent sf: no such point"),
        ("every_point = { exponent = 'a' }", "scales a point and is itself scaled"),
        ("every_point = { bit = 16 }", "point a: bit 16 is none of its register"),
        ("every_point = { bit = 3, type = 'f32' }", "point a: bit 3 is none of its register"),
        ("every_point = { unit = 'kW' }", "unit = 'kW': expected one of A, V, W, var, Hz"),
    ],
)
def test_what_is_wrong_with_a_map_is_told(text: str, told: str) -> None:
    document = tomllib.loads(f"source = 's'\n{text}\n[[point]]\nname = 'a'\naddress = 5\n")
    with pytest.raises(SiteError) as caught:
        profile.parse("bad", document)
    assert told in str(caught.value)
    assert len(caught.value.findings) == 1


def test_an_unknown_profile_names_those_that_ship() -> None:
    with pytest.raises(SiteError, match="shipped are abb-b23, "):
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
