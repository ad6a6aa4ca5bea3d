"""Events as entries and back, and the table of entries on both interpreters."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import Stamp
from agent.errors import RecordError
from agent.records import DIRECTIONS, FAULT_KINDS, OUTCOMES, Event
from agent.store import cbor, entries, entry

STAMP = Stamp(3, 5_000_000, 1_795_478_400_000_000, 2, 900)
AMPS = st.none() | st.floats(0, 90_000)
VOLTS = st.none() | st.floats(0, 900_000)


@st.composite
def events(draw: st.DrawFn) -> Event:
    latest = draw(st.integers(0, STAMP.mono_us))
    return Event(
        event=draw(st.sampled_from(entry.EVENTS)),
        bay=draw(st.text("abcAB09_-", min_size=1, max_size=32)),
        t_us=STAMP.mono_us,
        alarm=draw(st.booleans()),
        onset_us=draw(st.none() | st.integers(0, STAMP.mono_us)),
        bounds_us=draw(st.none() | st.tuples(st.integers(0, latest), st.just(latest))),
        element=draw(st.none() | st.sampled_from(["50P", "50N", "27"])),
        kind=draw(st.none() | st.sampled_from(FAULT_KINDS)),
        phases=draw(st.none() | st.sampled_from(["", "A", "BC", "ABC"])),
        direction=draw(st.none() | st.sampled_from(DIRECTIONS)),
        outcome=draw(st.none() | st.sampled_from(OUTCOMES)),
        confidence=draw(st.none() | st.integers(0, 100).map(lambda p: p / 100)),
        undetermined=draw(st.none() | st.just("kind: no sensor in phase B")),
        currents=(draw(AMPS), draw(AMPS), draw(AMPS)),
        voltages=(draw(VOLTS), draw(VOLTS), draw(VOLTS)),
        residual_amps=draw(AMPS),
        neutral_volts=draw(VOLTS),
        detail=draw(st.none() | st.just("wire stalled")),
    )


@given(events())
def test_an_event_comes_back_within_the_scales(event: Event) -> None:
    logged = entries.event_entry(event, STAMP, logged_us=STAMP.mono_us + 700)
    entry.check(logged)
    back, stamp = entries.entry_event(cbor.loads(cbor.dumps(logged)))
    assert (stamp.boot, stamp.mono_us, stamp.utc_us) == (3, STAMP.mono_us, STAMP.utc_us)
    for name in ("event", "bay", "t_us", "alarm", "onset_us", "bounds_us", "kind", "element"):
        assert getattr(back, name) == getattr(event, name)
    for name in ("direction", "outcome", "undetermined", "detail"):
        assert getattr(back, name) == getattr(event, name)
    assert (back.phases or "") == (event.phases or "")
    for was, now in zip(event.currents, back.currents, strict=True):
        assert now == (None if was is None else pytest.approx(was, abs=0.0051))
    for was, now in zip(event.voltages, back.voltages, strict=True):
        assert now == (None if was is None else pytest.approx(was, abs=0.051))


@given(st.integers(0, 1 << 40))
def test_the_error_of_the_clock_is_rounded_up_never_down(error_us: int) -> None:
    stamp = Stamp(1, 0, 0, 2, error_us)
    kept = entries.entry_stamp(entries.audit_entry(stamp, "x")).error_us
    assert kept is not None
    assert error_us <= kept <= max(1, 2 * error_us)


FLOATS = st.floats(allow_nan=False) | st.integers(-(1 << 62), 1 << 62) | st.text(max_size=20)


@given(st.dictionaries(st.text("abc_", min_size=1, max_size=8), FLOATS, max_size=8))
def test_a_why_comes_back_to_the_last_bit(why: dict[str, Any]) -> None:
    logged = cbor.loads(cbor.dumps(entries.why_entry(STAMP, "a", 7, why)))
    lane, seq, back = entries.entry_why(logged)
    assert (lane, seq) == ("a", 7)
    assert list(back) == list(why)
    for name, value in why.items():
        assert back[name] == value
        if isinstance(value, float):
            assert math.copysign(1, float(back[name])) == math.copysign(1, value)


def test_a_why_that_is_too_large_says_how_much_is_left_out() -> None:
    why = {f"quantity_{k}": 0.1 + k for k in range(2000)}
    logged = entries.why_entry(STAMP, "a", 1, why)
    assert len(cbor.dumps(logged)) <= 8192
    *_, left_out = entries.entry_why(logged)[2].items()
    assert left_out[0] == "left_out"
    assert int(left_out[1]) > 0


WRONG: list[tuple[list[Any], str]] = [
    ([], "expected"),
    ([1, 1, 2, 3, 1, None], "event"),
    ([1, 1, 2, 3, 1, None, 0, 5], "bay"),
    ([1, -1, 2, 3, 1, None, 0, "b", 0], "boot"),
    ([1, 1, 2, 3, 1, None, 0, "b", 0, 1.5], "kind"),
]


def test_a_type_or_code_of_a_newer_terminal_passes() -> None:
    for logged in ([99, 1, 2, 3, 1, None, "x"], [1, 1, 2, 3, 9, None, 99, "b", 0, 55]):
        entry.check(logged)


@pytest.mark.parametrize(("logged", "word"), WRONG)
def test_a_wrong_entry_names_its_column(board: Any, logged: list[Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        entry.check(logged)
    (answer,) = board([("agent.store.entry", "check", [logged])])
    assert answer.kind == "ValueError"


def test_both_interpreters_read_the_same(board: Any) -> None:
    event = Event(event="fault", bay="b", t_us=5_000_000, kind="BC", currents=(1.0, 2.0, None))
    logged = [
        entries.event_entry(event, STAMP, logged_us=5_000_100),
        entries.why_entry(STAMP, "a", 1, {"x": 0.1}),
        entries.blind_entry(STAMP, 4_000_000, "restart"),
        entries.audit_entry(STAMP, "started", detail="ok"),
    ]
    answers = board([("agent.store.entry", "as_dict", [each]) for each in logged])
    assert answers == [entry.as_dict(each) for each in logged]
    assert board([("agent.store.entry", "size", [each]) for each in logged]) == [
        entry.size(each) for each in logged
    ]


@given(st.lists(st.none() | st.integers() | st.text() | st.lists(st.integers())))
def test_any_list_is_an_entry_or_one_error(logged: list[Any]) -> None:
    try:
        entry.check(logged)
    except ValueError:
        with pytest.raises(RecordError):
            entries.delivered_json(logged, entries.Key("n", 1, "a", 1))
