"""Events as entries and back, and the table of entries on both interpreters."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
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


METER = {
    "currents": [57.32, 58.16, None],
    "residual_amps": 1.0,
    "voltages": [6003.2, 5999.2, 5999.5],
    "neutral_volts": 26.1,
    "active_watts": 965_300.0,
    "reactive_vars": -374_200.0,
    "frequency_hz": 49.998,
    "negative_amps": 0.33,
    "negative_volts": None,
}


def test_what_is_metered_comes_back_in_its_units() -> None:
    assert entries.unmetered(entries.metered(METER)) == METER


@given(st.floats(allow_infinity=True, allow_nan=True))
def test_a_value_of_another_world_is_absent(value: float) -> None:
    (count, *_) = entries.metered({**METER, "currents": [value, 0.0, 0.0]})

    assert (count is None) == (not abs(value * 100) < 1 << 53)


def test_a_history_is_shown_in_units_with_its_quarter_hour() -> None:
    values: dict[str, Any] = dict(zip(entry.METERED, entries.metered(METER), strict=True))
    values |= {"bay": "head", "observed_s": 450, "quality": entry.UNEVEN | entry.CUT}
    end = Stamp(3, 5_000_000, 1_795_478_400_000_000, 2, 900)

    shown = entries.shown(entries.interval_entry(end, entry.HISTORY, values))

    assert shown == {
        "event": "history",
        "bay": "head",
        "quarter": "2026-11-23T23:45:00.000000Z",
        **METER,
        "observed_s": 450,
        "quality": ["uneven", "cut"],
        "t": "2026-11-24T00:00:00.000000Z",
        "clock": {"source": "ntp", "error_us": 1024, "boot": 3, "mono_us": 5_000_000},
    }


def extremes(**changed: object) -> list[Any]:
    values = {
        "bay": "head",
        "day_start_utc_s": 1_795_392_000,
        "observed_s": 86_400,
        "maxima": entries.metered(METER),
        "maxima_after_s": [3600] * 12 + [None],
        "minima": entries.metered(METER),
        "minima_after_s": [-1] * 12 + [None],
    }
    return entries.interval_entry(STAMP, entry.EXTREMES, {**values, **changed})


def test_extremes_are_shown_with_their_instants() -> None:
    shown: Any = entries.shown(extremes())

    assert shown["day_start"] == "2026-11-23T00:00:00.000000Z"
    assert shown["maxima"] == shown["minima"] == METER
    assert shown["maxima_at"]["active_watts"] == "2026-11-23T01:00:00.000000Z"
    assert shown["minima_at"]["voltages"] == ["2026-11-22T23:59:59.000000Z"] * 3
    assert shown["maxima_at"]["negative_volts"] is None


@pytest.mark.parametrize("wrong", [[], [1] * 12, [1] * 14, ["x"] * 13], ids=len)
@pytest.mark.parametrize("name", ["maxima", "maxima_after_s", "minima", "minima_after_s"])
def test_extremes_that_cannot_be_are_one_error(name: str, wrong: list[Any]) -> None:
    with pytest.raises(RecordError, match=f"extremes.{name}"):
        entries.shown(extremes(**{name: wrong}))


FLOATS = st.floats(allow_nan=False) | st.integers(-(1 << 62), 1 << 62) | st.text(max_size=20)


@given(st.dictionaries(st.text("abc_", min_size=1, max_size=8), FLOATS, max_size=8))
@example({"large": 4.494232837155802e307, "largest": 1.7976931348623157e308, "least": 5e-324})
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


ITEMS = st.none() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text() | st.binary()
LISTS = st.lists(ITEMS, max_size=3) | st.lists(
    st.tuples(st.text(max_size=3), st.integers() | st.text(max_size=3), st.none() | st.integers())
).map(lambda triples: [each for triple in triples for each in triple])
WHOLES: dict[int, list[Any]] = {
    entry.EVENT: [1, 0],
    entry.BLIND: [None, "restart"],
    entry.AUDIT: ["started", None, "ok"],
    entry.TIMEMAP: [None, 5, "set"],
    entry.HEAD: ["a", 7, bytes(32), bytes(8), bytes(64)],
    entry.WAVE: ["r", 0, 1, bytes(1800), bytes(32)],
    entry.METRICS: ["link", ["depth", 3]],
    entry.WHY: ["a", 7, ["ia", 5, -3, "veto", "inrush", None, "n", 4, None]],
}


@given(
    st.sampled_from(sorted(WHOLES)),
    st.lists(st.tuples(st.integers(0, 14), ITEMS | LISTS), max_size=3),
    st.lists(ITEMS, max_size=25),
)
def test_what_passes_at_a_glance_also_passes_the_closer_look(
    kind: int, changes: list[tuple[int, Any]], more: list[Any]
) -> None:
    logged: list[Any] = [kind, 3, 5_000_000, 1_795_478_400_000_000, 2, 1024, *WHOLES[kind], *more]
    for place, value in changes:
        logged[place % len(logged)] = value
    if entry._is_sound(logged):
        entry._refuse(logged)


def test_an_entry_as_long_as_may_be_is_told_from_one_a_byte_longer() -> None:
    def audit(length: int) -> list[Any]:
        return [entry.AUDIT, 3, 5_000_000, 1_795_478_400_000_000, 2, 1024, "x" * length]

    room = entry.MAX_BYTES - len(cbor.dumps(audit(4000))) + 4000
    entry.check(audit(room))
    with pytest.raises(ValueError, match="4097 bytes; expected at most 4096"):
        entry.check(audit(room + 1))


@given(st.lists(ITEMS | st.lists(ITEMS, max_size=30), max_size=30))
def test_the_size_is_what_cbor_takes(items: list[Any]) -> None:
    assert entry.size(items) == len(cbor.dumps(items, max_bytes=1 << 20))
