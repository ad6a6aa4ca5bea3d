"""Envelopes there and back, on both interpreters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.clock import Stamp
from agent.errors import RecordError
from agent.records import Event
from agent.store import cbor, entries, entry
from agent.uplink import wire
from bench.walk import AT_ITS_LIMIT

BASE_US = 1_795_478_400_000_000


@st.composite
def lanes(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Items of a lane: records with clocks that step, and lost ranges, seqs rising."""
    items: list[tuple[Any, ...]] = []
    seq, mono_us, ahead_us = draw(st.integers(1, 1 << 40)), 1_000_000, BASE_US
    for _ in range(draw(st.integers(1, 25))):
        mono_us += draw(st.integers(0, 10**9))
        ahead_us += draw(st.sampled_from([0, 0, 0, 3, -5_000_000]))
        if draw(st.integers(0, 9)) == 0:
            last = seq + draw(st.integers(0, 5))
            items.append(("lost", seq, last, "torn"))
            seq = last + 1
            continue
        stamp = Stamp(
            draw(st.sampled_from([1, 1, 1, 2])),
            mono_us,
            mono_us + ahead_us,
            draw(st.sampled_from([1, 2, 2, 2])),
            draw(st.sampled_from([None, 900, 1000, 60_000_000])),
        )
        text = draw(st.text(max_size=40))
        items.append(("record", seq, entries.audit_entry(stamp, "what" + text)))
        seq += draw(st.sampled_from([1, 1, 1, 4]))
    return items


def through(items: list[tuple[Any, ...]], limit: int) -> list[tuple[Any, ...]]:
    """Everything, envelope after envelope, through bytes."""
    back: list[tuple[Any, ...]] = []
    while items:
        envelope, taken = wire.envelope(5, "s", items, limit)
        assert taken >= 1
        data = cbor.dumps(envelope)
        assert taken == 1 or len(data) <= limit
        epoch, lane, opened = wire.open_envelope(cbor.loads(data))
        assert (epoch, lane) == (5, "s")
        back += opened
        items = items[taken:]
    return back


@settings(max_examples=200, deadline=None)
@given(items=lanes(), limit=st.sampled_from([100, 400, 8192]))
def test_what_is_sent_is_what_was_logged(items: list[tuple[Any, ...]], limit: int) -> None:
    back = through(items, limit)
    assert [item[:2] for item in back] == [item[:2] for item in items]
    for was, now in zip(items, back, strict=True):
        assert tuple(now) == tuple(was)


def records(number: int) -> list[tuple[Any, ...]]:
    return [
        ("record", n, entries.audit_entry(Stamp(1, n * 1000, BASE_US + n * 1000, 2, 900), "x"))
        for n in range(1, number + 1)
    ]


def test_a_backlog_goes_in_one_envelope() -> None:
    envelope, taken = wire.envelope(5, "s", records(100), 8192)
    assert taken == 100
    assert len(cbor.dumps(envelope)) / 100 < 10


def test_records_whose_clock_changed_its_mind_stay_in_one_envelope() -> None:
    """The bound of an error goes up and down between polls of the time server."""
    items = [
        (
            "record",
            n,
            entries.audit_entry(Stamp(1, n * 1000, BASE_US + n * 1000, source, error), "x"),
        )
        for n, (source, error) in enumerate([(2, 900), (2, 5000), (1, 60_000_000), (0, None)], 1)
    ]

    envelope, taken = wire.envelope(5, "a", items, 8192)

    assert taken == 4
    assert wire.open_envelope(cbor.loads(cbor.dumps(envelope)))[2] == items


# The worst that a 10 kV terminal has to say in its life: a close three-phase fault on a long line,
# after years of service, its clock in holdover.
LATE = Stamp(60_000, 280_000_000_000_000, BASE_US + 123_456, 1, 60_000_000)
WORST = Event(
    event="intermittent_earth_fault",
    bay="bay-12",
    t_us=LATE.mono_us,
    alarm=True,
    kind="BCG",
    direction="unknown",
    outcome="self_cleared",
    confidence=0.97,
    currents=(19_871.23, 20_112.87, 19_993.14),
    voltages=(6_352.4, 6_351.9, 6_350.8),
    residual_amps=12_003.55,
    neutral_volts=6_123.4,
)
DISTANCE = {"distance_m": 41_234, "distance_low_m": 39_871, "distance_high_m": 42_655}
HEADLINE_END = entry.column(entry.EVENT, "distance_high_m") + 1


def worst_headline() -> list[Any]:
    logged = entries.event_entry(WORST, LATE, logged_us=LATE.mono_us)
    for name, metres in DISTANCE.items():
        logged[entry.column(entry.EVENT, name)] = metres
    headline = logged[:HEADLINE_END]
    assert None not in headline
    return headline


def test_the_longest_headline_has_60_bytes_and_its_envelope_40() -> None:
    """contract.md, promise 8, with every field present."""
    headline = worst_headline()

    envelope, _ = wire.envelope((1 << 32) - 1, "a", [("record", (1 << 32) - 1, headline)], 8192)

    (record,) = envelope[wire.RECORDS]
    assert len(cbor.dumps(record)) <= 60
    assert len(cbor.dumps(envelope)) - len(cbor.dumps(record)) <= 40


METER = {"bay": "bay-12", **AT_ITS_LIMIT}


def test_a_set_of_13_values_alone_has_60_bytes() -> None:
    """contract.md, promise 8: switchgear of 630 A at its limit, as history and for a screen."""
    values: dict[str, Any] = dict(zip(entry.METERED, entries.metered(METER), strict=True))
    values |= {"bay": METER["bay"], "observed_s": 900, "quality": entry.STEPPED}
    logged = entries.interval_entry(LATE, entry.HISTORY, values)
    envelope, _ = wire.envelope((1 << 32) - 1, "h", [("record", (1 << 32) - 1, logged)], 8192)
    (record,) = envelope[wire.RECORDS]

    assert len(cbor.dumps(record)) <= 60
    assert len(cbor.dumps(envelope)) - len(cbor.dumps(record)) <= 40
    assert len(cbor.dumps(entries.meter_row(METER))) <= 60


def test_live_values_come_back_within_their_scales() -> None:
    payload = cbor.dumps(wire.live(BASE_US, 5, [entries.meter_row(METER)]))

    utc_us, mono_us, (row,) = wire.open_live(cbor.loads(payload))

    assert (utc_us, mono_us) == (BASE_US, 5)
    back = entries.row_meter(row)
    assert back == METER | {"active_watts": 10_903_300.0, "reactive_vars": -4_912_300.0}


def test_live_values_of_schema_1_have_eight_values() -> None:
    _, _, (row,) = wire.open_live({0: 1, 1: 2, 2: 3, 3: [["head", 1, 2, 3, 4, 5, 6, 7, 8]]})

    assert row == ["head", 1, 2, 3, 4, 5, 6, 7, 8, None, None, None, None, None]


def test_an_envelope_of_schema_1_is_still_read() -> None:
    """Bytes that release 0.1.0 wrote, and what it put into them."""
    sent = bytes.fromhex(
        "aa0001010502617303070403051b000660fa643b94c00602070a09184c0c828305194b40"
        "6275708405821a0001d1e00364646f776e63616e6e"
    )

    assert cbor.parsed(sent, wire.open_envelope) == (
        5,
        "s",
        [
            ("record", 7, [5, 3, 5_000_000, BASE_US, 2, 1024, "up"]),
            ("record", 8, [5, 3, 5_100_000, BASE_US + 100_003, 2, 1024, "down", "ann"]),
        ],
    )


@pytest.mark.parametrize("clock", [b"", bytes(13), bytes(15), bytes([2, 99]) + bytes(12), 5, None])
def test_a_wrong_clock_is_told(clock: object) -> None:
    envelope, _ = wire.envelope(5, "s", records(1), 8192)
    with pytest.raises(ValueError, match="expected"):
        wire.open_envelope({**envelope, wire.CLOCK: clock})


def test_both_interpreters_make_and_open_the_same(board: Any) -> None:
    items = records(5)
    envelope, taken = wire.envelope(5, "s", items, 8192)
    answers = board(
        [
            ("agent.uplink.wire", "envelope", [5, "s", items, 8192]),
            ("agent.uplink.wire", "open_envelope", [envelope]),
        ]
    )
    assert answers[0] == (envelope, taken)
    assert answers[1] == wire.open_envelope(envelope)


OPENERS = (
    *(wire.open_envelope, wire.open_birth, wire.open_state, wire.open_ack),
    *(wire.open_replay, wire.open_ask, wire.open_drain),
)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_one_error(data: bytes) -> None:
    for parse in OPENERS:
        try:
            cbor.parsed(data, parse)
        except RecordError:
            continue


@given(
    st.dictionaries(
        st.integers(0, 12),
        st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=3),
    )
)
def test_any_map_is_an_envelope_or_one_error(item: dict[int, Any]) -> None:
    for parse in OPENERS:
        with_version = {**item, 0: wire.VERSION}
        try:
            parse(with_version)
        except ValueError:
            continue


def test_acks_and_states_come_back() -> None:
    assert wire.open_ack(cbor.loads(cbor.dumps(wire.ack(7, {"a": 3, "s": 0})))) == (
        7,
        {"a": 3, "s": 0},
    )
    online, conn, utc_us = wire.open_state(cbor.loads(cbor.dumps(wire.state(True, 9, 5))))
    assert (online, conn, utc_us) == (True, 9, 5)
    told = cbor.loads(cbor.dumps(wire.state(False, 9, figures={"depth_records": 3})))
    assert wire.open_state(told) == (False, 9, None)
    assert wire.figures_of(told) == {"depth_records": 3}


def test_requests_and_the_brake_come_back() -> None:
    def back(item: Any) -> Any:
        return cbor.loads(cbor.dumps(item))

    assert wire.open_replay(back(wire.replay(5, "h", 3, 9, 77))) == (5, "h", 3, 9, 77)
    assert wire.open_replay(back(wire.replay(5, "h", 3, 3))) == (5, "h", 3, 3, None)
    assert wire.open_ask(back(wire.ask("q1", "record", "a-7"))) == ("q1", "record", "a-7", None)
    assert wire.open_ask(back(wire.ask("q1", "weather"))) == ("q1", "weather", None, None)
    assert wire.open_drain(back(wire.drain(0, 60))) == (0, 60, 0)
    assert wire.open_drain(back(wire.drain(holds_old=1))) == (None, None, 1)


@pytest.mark.parametrize(
    ("parse", "item"),
    [
        (wire.open_replay, {0: 2, 1: 5, 2: "h", 3: 9, 4: 3}),
        (wire.open_replay, {0: 2, 1: 5, 2: "hh", 3: 1, 4: 3}),
        (wire.open_ask, {0: 2, 1: "", 2: "probe"}),
        (wire.open_ask, {0: 2, 1: "q" * 65, 2: "probe"}),
        (wire.open_ask, {0: 2, 1: "q", 2: "record", 3: "r" * 65}),
        (wire.open_drain, {0: 2, 1: -1}),
        (wire.open_drain, {0: 2, 2: 86_401}),
        (wire.open_drain, {0: 2, 3: 2}),
        (wire.open_drain, []),
        (wire.open_state, {0: 2, 1: 1, 2: 1, 4: {"depth": "deep"}}),
        (wire.open_state, {0: 2, 1: 1, 2: 1, 4: {str(n): n for n in range(17)}}),
    ],
)
def test_a_request_that_cannot_be_is_refused(parse: Any, item: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse(item)


def test_what_a_later_version_adds_is_passed_over() -> None:
    envelope, _ = wire.envelope(5, "s", records(1), 8192)
    assert wire.open_envelope({**envelope, 23: "new"}) == wire.open_envelope(envelope)


@pytest.mark.parametrize("key", [0, 1, 2, 3, 4, 12, 13])
def test_a_missing_key_is_told(key: int) -> None:
    envelope, _ = wire.envelope(5, "s", records(1), 8192)
    del envelope[key]
    with pytest.raises(ValueError, match="expected"):
        wire.open_envelope(envelope)


def test_the_schema_file_and_the_table_name_the_same_columns() -> None:
    from pathlib import Path

    text = (Path(wire.__file__).with_name("ftu.cddl")).read_text()
    for number, name in enumerate(entry.EVENTS):
        assert f"{number:<2} ; {name}" in text or f"{number}  ; {name}" in text
    for columns in entry.COLUMNS.values():
        for name, _, _ in columns:
            assert name in text or name in ("lane", "seq")
