"""A backlog of histories: small, complete, and never before an alarm."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.clock import Stamp
from agent.errors import RecordError
from agent.store import cbor, entries, entry
from agent.store.journal import Journal
from agent.uplink import topics, wire
from agent.uplink.consumer import Consumer, Received
from agent.uplink.feed import Feed, last_of
from agent.uplink.session import Session
from bench.walk import quarters

EPOCH = (1 << 32) - 1
LIMIT = 8192


def items(logged: list[list[Any]], first: int = 70_001) -> list[tuple[Any, ...]]:
    return [("record", first + n, each) for n, each in enumerate(logged)]


def through(lane: list[tuple[Any, ...]], limit: int = LIMIT) -> list[int]:
    """Everything, envelope after envelope; answers the bytes of each. Fails on any difference."""
    sizes = []
    while lane:
        envelope, taken = wire.envelope(EPOCH, "h", lane, limit)
        data = cbor.dumps(envelope)
        assert cbor.parsed(data, wire.open_envelope) == (EPOCH, "h", lane[:taken])
        assert taken == 1 or len(data) <= limit
        sizes.append(len(data))
        lane = lane[taken:]
    return sizes


@pytest.mark.parametrize(
    ("count", "bays"),
    [
        pytest.param(60, 1, id="sixty-of-one-bay"),
        pytest.param(10, 6, id="sixty-of-six-bays"),
        pytest.param(96, 1, id="a-day-of-one-bay"),
        pytest.param(96, 6, id="a-day-of-six-bays"),
    ],
)
def test_a_set_in_a_batch_takes_15_bytes_at_most(count: int, bays: int) -> None:
    """contract.md, promise 8; the envelope, at most 40 bytes, stands apart."""
    logged = quarters(count, bays)

    (size,) = through(items(logged))

    assert (size - 40) / len(logged) <= 15


def test_a_week_drains_in_few_messages() -> None:
    week = items(quarters(672))

    assert len(week) == 4032
    assert len(through(week)) <= 7


def test_a_consumer_shows_them_as_if_each_had_come_alone() -> None:
    lane = items(quarters(12), first=1)
    packed, taken = wire.envelope(EPOCH, "h", lane, LIMIT)
    assert taken == len(lane)
    alone = [wire.envelope(EPOCH, "h", [item], LIMIT)[0] for item in lane]

    def printed(envelopes: list[dict[int, Any]]) -> list[dict[str, object]]:
        consumer = Consumer("scada", ack=True, tell=pytest.fail)
        topic = topics.topic(topics.LANES["h"], "site", "node")
        taken = [new for each in envelopes for new in consumer.take(topic, cbor.dumps(each))]
        return [
            entries.delivered_json(new.entry, new.key) for new in taken if isinstance(new, Received)
        ]

    assert printed([packed]) == printed(alone)
    assert len(printed([packed])) == len(lane)


def test_a_smaller_broker_gets_smaller_envelopes() -> None:
    assert all(size <= 500 for size in through(items(quarters(40)), 500))


def test_events_and_their_reasons_keep_their_places_between_histories() -> None:
    logged = quarters(40)
    stamp = entries.entry_stamp(logged[100])
    why = entries.why_entry(stamp, "a", 7, {"ratio": 1.5})
    blind = entries.blind_entry(Stamp(41, stamp.mono_us, stamp.utc_us + 3, 1, None), 5, "restart")
    for place in (0, 1, 101, 102, len(logged) + 4):
        logged.insert(place, why if place % 2 else blind)

    assert len(through(items(logged))) == 1


def test_a_quarter_hour_cut_short_and_an_absent_sensor_are_packed_too() -> None:
    logged = quarters(12, 2)
    for column in ("frequency_millihertz", "neutral_decivolts", "current_b_centiamps"):
        logged[7][entry.column(entry.HISTORY, column)] = None
    logged[9][entry.UTC] -= 123_456_789
    logged[9][entry.MONO] -= 123_456_780
    logged[9].append(entry.CUT)

    envelope, _ = wire.envelope(EPOCH, "h", items(logged), LIMIT)

    assert wire.PACKED in envelope
    assert wire.RECORDS not in envelope
    through(items(logged))


def test_a_history_of_a_later_version_comes_through() -> None:
    logged = quarters(6, 2)
    for each in logged[4:]:
        each += [None, -7]
    logged[8] += ["text"]

    through(items(logged))


def test_a_new_boot_begins_a_new_envelope() -> None:
    logged = quarters(6, 2)
    for each in logged[5:]:
        each[entry.BOOT] += 1

    assert len(through(items(logged))) == 2


VALUE = st.none() | st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-3, 3)


@st.composite
def histories(draw: st.DrawFn) -> list[Any]:
    head = [
        draw(st.integers(0, 1 << 62 - 1)),
        draw(st.integers(0, 1 << 62 - 1)),
        draw(st.integers(0, 255)),
        draw(st.none() | st.integers(0, 62).map(lambda n: 1 << n)),
    ]
    bay = draw(st.sampled_from(["head", "", "b" * 32]))
    values = draw(st.lists(VALUE, min_size=13, max_size=13))
    return entry.trimmed(
        [entry.HISTORY, 3, *head, bay, *values, draw(st.integers(0, 1 << 40)), draw(st.just(None))]
    )


@settings(max_examples=60, deadline=None)
@given(logged=st.lists(histories(), min_size=1, max_size=12), limit=st.sampled_from([120, LIMIT]))
def test_any_history_comes_back(logged: list[list[Any]], limit: int) -> None:
    through(items(logged), limit)


def test_both_interpreters_pack_and_open_the_same(board: Any) -> None:
    lane = items(quarters(6, 3))
    envelope, taken = wire.envelope(5, "h", lane, LIMIT)
    assert wire.PACKED in envelope

    answers = board(
        [
            ("agent.uplink.wire", "envelope", [5, "h", lane, LIMIT]),
            ("agent.uplink.wire", "open_envelope", [envelope]),
        ]
    )

    assert answers == [(envelope, taken), (5, "h", lane)]


@pytest.mark.parametrize(
    ("packed", "records"),
    [
        pytest.param(lambda p: [[], p[1]], None, id="no-bays"),
        pytest.param(lambda p: [["head"], p[1]], None, id="too-few-bays"),
        pytest.param(lambda p: [p[0], p[1][:-1]], None, id="bytes-cut"),
        pytest.param(lambda p: [p[0], b""], None, id="no-bytes"),
        pytest.param(lambda p: [p[0], p[1].hex()], None, id="text-for-bytes"),
        pytest.param(lambda p: [[1, 2, 3], p[1]], None, id="numbers-for-bays"),
        pytest.param(lambda p: [p[0], p[1], [0]], None, id="a-place-without-record"),
        pytest.param(lambda p: p, [[5, 0, "up"]], id="a-record-without-place"),
        pytest.param(lambda p: [p[0], p[1], [99]], [[5, 0, "up"]], id="a-place-beyond"),
        pytest.param(
            lambda p: [p[0], p[1], [3, 3]], [[5, 0, "up"], [5, 0, "up"]], id="a-place-twice"
        ),
        pytest.param(lambda p: p[0], None, id="half-of-it"),
        pytest.param(lambda p: 7, None, id="a-number"),
    ],
)
def test_a_wrong_backlog_is_one_error(packed: Any, records: Any) -> None:
    envelope, _ = wire.envelope(EPOCH, "h", items(quarters(6, 3)), LIMIT)
    wrong = {**envelope, wire.PACKED: packed(envelope[wire.PACKED])}
    if records is not None:
        wrong[wire.RECORDS] = records

    with pytest.raises(RecordError, match="expected"):
        cbor.parsed(cbor.dumps(wrong), wire.open_envelope)


@cache
def packed_bytes() -> bytes:
    return cbor.dumps(wire.envelope(EPOCH, "h", items(quarters(6, 3)), LIMIT)[0])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_flipped_byte_gives_an_envelope_or_one_error(data: st.DataObject) -> None:
    sent = bytearray(packed_bytes())
    sent[data.draw(st.integers(0, len(sent) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        cbor.parsed(bytes(sent), wire.open_envelope)
    except RecordError:
        return


def test_an_alarm_waits_behind_one_message_of_a_week_of_history(tmp_path: Path) -> None:
    """Log, feed, session and wire as link has them; the broker takes one message at a time."""
    alarm = entries.audit_entry(Stamp(41, 1, 2, 2, None), "alarm")
    with Journal.open(tmp_path, "ah") as journal:
        for logged in quarters(672):
            journal.append("h", cbor.dumps(logged), sync=False)
        journal.sync()
        session = Session(journal.epoch, ["scada"], lanes="ah")
        feeds = {lane: Feed(tmp_path, lane, start=1, tell=print) for lane in "ah"}
        session.connected(0)
        sent: list[str] = []
        while True:
            for lane, feed in feeds.items():
                session.available(lane, feed.grow())
            due = session.next_send(0)
            if due is None:
                break
            lane, first, _, _ = due
            read = feeds[lane].items(first)
            _, taken = wire.envelope(journal.epoch, lane, read, LIMIT)
            token = session.sending(lane, first, last_of(read[taken - 1]), now_us=0)
            session.published(token, True, 0)
            sent.append(lane)
            if len(sent) == 3:
                journal.append("a", cbor.dumps(alarm))
        for feed in feeds.values():
            feed.close()

    assert sent[3] == "a"
    assert sorted(sent) == ["a"] + ["h"] * (len(sent) - 1)
    assert len(sent) <= 8


def test_an_alarm_waits_behind_one_message_of_days_of_old_alarms(tmp_path: Path) -> None:
    """As above; two alarms come while the old ones leave, and all of them arrive (0044)."""
    alarm = cbor.dumps(entries.audit_entry(Stamp(41, 1, 2, 2, None), "alarm"))
    old = 2000
    with Journal.open(tmp_path, "a") as journal:
        journal.append_group("a", [alarm] * old)
        session = Session(journal.epoch, ["scada"], lanes="a")
        feed = Feed(tmp_path, "a", start=1, tell=pytest.fail)
        session.available("a", feed.grow())
        session.connected(0)
        sent: list[range] = []
        while due := session.next_send(0):
            _, first, last, _ = due
            read = [item for item in feed.items(first) if last_of(item) <= last]
            _, taken = wire.envelope(journal.epoch, "a", read, LIMIT)
            came = range(first, last_of(read[taken - 1]) + 1)
            session.published(session.sending("a", first, came[-1], now_us=0), True, 0)
            sent.append(came)
            if len(sent) in (2, 4):
                journal.append("a", alarm)
                session.available("a", feed.grow())
        feed.close()

    assert (sent[2], sent[4]) == (range(old + 1, old + 2), range(old + 2, old + 3))
    in_turn = [each for number, each in enumerate(sent) if number not in (2, 4)]
    assert [seq for each in in_turn for seq in each] == list(range(1, old + 3))
