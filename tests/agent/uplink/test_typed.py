"""Records as objects: the fields of each class are the columns of its type."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import Stamp
from agent.records import Event
from agent.store import entries, entry
from agent.uplink import typed

STAMP = Stamp(1, 2_000_000, 1_700_000_000_000_000, 2, 1024)


@pytest.mark.parametrize("kind", typed.CLASSES, ids=entry.TYPE_NAMES.get)
def test_a_class_has_the_columns_of_its_type(kind: int) -> None:
    columns = entry.COLUMNS[kind]
    known = {each.name: each for each in fields(typed.CLASSES[kind])}

    assert set(known) == {name for name, _, _ in columns}
    for name, _, required in columns:
        assert (known[name].default is None) == (not required)


def test_every_type_has_a_class() -> None:
    assert {*typed.CLASSES, entry.EVENT, entry.WHY} == set(entry.TYPE_NAMES)


def test_an_event_comes_back_as_the_event_that_it_was() -> None:
    event = Event(event="fault", bay="head", t_us=2_000_000, alarm=True, kind="AG", residual_amps=3)

    found = typed.record(entries.event_entry(event, STAMP, logged_us=2_000_100))

    assert found == event


def test_a_why_comes_back_bit_for_bit() -> None:
    why: dict[str, float | int | str] = {"i0": 0.1 + 0.2, "rule": "50N"}

    found = typed.record(entries.why_entry(STAMP, "a", 7, why))

    assert found == typed.Why(lane="a", seq=7, quantities=why)


def test_an_audit_has_its_words() -> None:
    assert typed.record(entries.audit_entry(STAMP, "opened", detail="door")) == typed.Audit(
        what="opened", detail="door"
    )


HEADER = [1, 2, 3, 2, None]


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        ([99, *HEADER, "x", [1]], typed.Unknown(type=99, columns=["x", [1]])),
        ([1, *HEADER, 250, "b", 0], Event(event="code-250", bay="b", t_us=2)),
        ([1, *HEADER, 0, "b", 1, 99], typed.Unknown(type="event", columns=[0, "b", 1, 99])),
        ([5, *HEADER, "door", None, None, None, 7], typed.Audit(what="door")),
    ],
    ids=["type", "event", "kind", "column"],
)
def test_what_comes_with_a_later_version_is_no_error(logged: list[Any], expected: object) -> None:
    entry.check(logged)

    assert typed.record(logged) == expected


VALUES: dict[str, st.SearchStrategy[Any]] = {
    entry.UINT: st.integers(0, 9),
    entry.INT: st.integers(-9, 9),
    entry.TEXT: st.text(max_size=3),
    entry.BYTES: st.binary(max_size=3),
    entry.MASK: st.integers(0, 7),
    entry.LIST: st.lists(st.none() | st.integers(0, 9) | st.text(max_size=2), max_size=3),
    entry.QUANTITIES: st.just(["name", 3, None]),
}


@st.composite
def valid_entries(draw: st.DrawFn) -> list[Any]:
    kind = draw(st.sampled_from(sorted(entry.COLUMNS)))
    row: list[Any] = [kind, *HEADER]
    for _, what, required in entry.COLUMNS[kind]:
        value = st.integers(0, 255) if isinstance(what, tuple) else VALUES[what]
        row.append(draw(value if required else st.none() | value))
    return entry.trimmed(row)


@given(valid_entries())
def test_whatever_is_a_valid_entry_becomes_an_object(logged: list[Any]) -> None:
    entry.check(logged)

    assert typed.record(logged) is not None
