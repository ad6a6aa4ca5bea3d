"""Registers as the rig fills them, read back with the product's own register maps."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agent.sensors.profile as profiles
from agent.sensors.registers import TYPES, Point, Profile
from hil.instruments.register_image import RegisterImage

SHIPPED = sorted(path.stem for path in Path(profiles.__file__).parent.glob("profiles/*.toml"))
MEASURED = {
    "ia": 231.4,
    "ib": 0.0,
    "ic": 612.9,
    "i0": 12.3,
    "ua": 5773.5,
    "ub": 5801.2,
    "uc": 12.0,
    "p": -1_234_560.0,
    "q": 345_670.0,
    "f": 49.9,
}


def read_back(image: RegisterImage) -> dict[str, float | None]:
    chart = image.profile
    values = chart.values({read: image.words(read) for read in chart.reads})
    return dict(zip((p.name for p in chart.measured_points()), values, strict=True))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_map_that_ships_shows_what_is_measured(name: str) -> None:
    image = RegisterImage(profiles.load(name))
    image.show(MEASURED)

    seen = read_back(image)
    scales = {point.name: abs(point.scale) for point in image.profile.points}
    for point in image.profile.measured_points():
        if point.name in MEASURED:
            near = max(scales[point.name], 1e-6 * abs(MEASURED[point.name]))
            assert seen[point.name] == pytest.approx(MEASURED[point.name], abs=near), point.name


def test_what_is_not_measured_has_no_value_and_an_unknown_switch_is_closed() -> None:
    image = RegisterImage(profiles.load("generic"))
    image.show({"ia": 5.0})

    seen = read_back(image)
    assert (seen["ia"], seen["ua"], seen["switch"]) == (5.0, None, 1.0)


def test_the_heartbeat_counts_and_begins_anew() -> None:
    image = RegisterImage(Profile("p", "test", (Point("count", 12, heartbeat=True),)))
    (read,) = image.profile.reads
    seen = []
    for _ in range(65_537):
        seen += image.words(read)
        image.beat()

    assert seen[:3] == [1, 2, 3]
    assert seen[-2:] == [0, 1]


ORDERS = st.sampled_from(["big", "little"])


@given(
    kind=st.sampled_from(sorted(TYPES)),
    word_order=ORDERS,
    byte_order=ORDERS,
    raw=st.integers(-30_000, 30_000),
)
def test_any_type_in_any_order_is_read_back(
    kind: str, word_order: str, byte_order: str, raw: int
) -> None:
    point = Point("x", 7, type=kind, word_order=word_order, byte_order=byte_order, scale=0.5)
    image = RegisterImage(Profile("p", "test", (point,)))
    image.show({"x": raw * 0.5})

    expected = max(raw, 0) if kind[0] == "u" else raw
    assert read_back(image) == {"x": expected * 0.5}


def test_bits_of_one_register_and_states_by_value_are_kept_apart() -> None:
    chart = Profile(
        "p",
        "test",
        (
            Point("low", 3, type="u32", bit=2),
            Point("high", 3, type="u32", bit=20),
            Point("place", 9, ones=(2,), zeros=(1,)),
            Point("coil", 5, space="coil"),
        ),
    )
    image = RegisterImage(chart)
    image.show({"low": 1.0, "high": 0.0, "place": 0.0, "coil": 0.0})
    assert read_back(image) == {"low": 1.0, "high": 0.0, "place": 0.0, "coil": 0.0}
    image.show({"low": 0.0, "high": 1.0, "place": 1.0, "coil": 1.0})
    assert read_back(image) == {"low": 0.0, "high": 1.0, "place": 1.0, "coil": 1.0}


def test_more_than_a_register_holds_shows_as_the_most_that_it_holds() -> None:
    image = RegisterImage(Profile("p", "test", (Point("x", 0, type="s16", scale=0.1),)))
    image.show({"x": -1e9})

    assert read_back(image) == {"x": pytest.approx(-3276.8)}
