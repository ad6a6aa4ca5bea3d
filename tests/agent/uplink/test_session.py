"""The session: contract.md section 4, promises 2 and 3, under every order of misfortune."""

from __future__ import annotations

import pytest

from agent.uplink.pacing import UNREAD_US, Pacing
from agent.uplink.session import (
    ACK_WAIT_US,
    AHEAD,
    HEAD,
    HOLD_LONGEST_US,
    HOLD_US,
    LANES,
    REQUEST,
    Session,
)
from tests import portable
from tests.conftest import Board

S = 1_000_000
EPOCH = 77
NONE_WAITS = 10_000  # messages: consumers are looked at elsewhere than where this stands


def session_with(
    ready: dict[str, int],
    *,
    consumers: tuple[str, ...] = ("scada",),
    ack: str = "consumer",
    window: int = 8,
    gather_us: int = 0,
) -> Session:
    """A connected session whose lanes hold seqs 1..n."""
    session = Session(
        EPOCH, consumers, ack=ack, window=window, gather_us=gather_us, unread=NONE_WAITS
    )
    for lane, count in ready.items():
        session.available(lane, count + 1)
    session.connected(0)
    return session


def due(session: Session, now_us: int = 0) -> tuple[str, int, bool] | None:
    """What may go next: (lane, first, whether it is a resend)."""
    told = session.next_send(now_us)
    return None if told is None else (told[0], told[1], told[3] != HEAD)


def send(session: Session, now_us: int = 0, size: int = 1) -> tuple[str, int, bool, int]:
    """Send the next message, of `size` records: (lane, first, resent, token)."""
    told = session.next_send(now_us)
    assert told is not None
    lane, first, last, why = told
    last = min(first + size - 1, last)
    requested = why == REQUEST
    token = session.sending(lane, first, last, now_us=now_us, size=100, requested=requested)
    return lane, first, why != HEAD, token


def drain(session: Session, now_us: int = 0, size: int = 1) -> list[tuple[str, int, bool]]:
    """Send and confirm until nothing is due."""
    sent = []
    while session.next_send(now_us) is not None:
        lane, first, resent, token = send(session, now_us, size)
        session.published(token, True, now_us)
        sent.append((lane, first, resent))
    return sent


# Priority, window and share.


def test_alarms_go_before_states_and_states_before_history() -> None:
    session = session_with({"h": 2, "s": 2, "a": 2})

    assert [lane for lane, _, _ in drain(session)] == ["a", "a", "s", "s", "h", "h"]


def test_history_leaves_two_places_of_the_window_to_alarms() -> None:
    session = session_with({"h": 100})
    for _ in range(10):  # prompt answers: the link is a good one
        session.published(send(session)[3], True, 0)

    in_flight = 0
    while session.next_send(0) is not None:
        send(session)
        in_flight += 1
    session.available("a", 2)

    assert in_flight == 6
    assert due(session, 0) == ("a", 1, False)


def test_alarms_may_fill_the_window_and_no_more() -> None:
    session = session_with({"a": 100, "h": 100})

    for _ in range(8):
        assert send(session)[0] == "a"

    assert session.next_send(0) is None


def test_each_tenth_message_is_history_during_a_storm_of_alarms() -> None:
    session = session_with({"a": 100, "h": 100})

    lanes = []
    for _ in range(30):
        lane, _, _, token = send(session)
        session.published(token, True, 0)
        lanes.append(lane)

    assert [n for n, lane in enumerate(lanes, start=1) if lane == "h"] == [10, 20, 30]


def old_alarms(count: int) -> Session:
    """A connected session that has so many alarms of before, and goes ahead of 10."""
    session = Session(EPOCH, ["scada"], ahead_of=10, unread=NONE_WAITS)
    session.available("a", count + 1)
    session.available("h", 100)
    session.connected(0)
    return session


def test_an_alarm_goes_ahead_of_old_ones_and_comes_again_in_its_turn() -> None:
    session = old_alarms(100)
    session.published(send(session)[3], True, 0)
    session.available("a", 103)

    assert send(session, size=2)[:2] == ("a", 101)
    session.available("a", 104)
    assert session.next_send(0) == ("a", 103, 103, AHEAD)
    firsts = [first for lane, first, _ in drain(session) if lane == "a"]

    assert firsts == [103, *range(2, 104)]


@pytest.mark.parametrize(("older", "first"), [(10, 2), (11, 12)])
def test_ahead_of_few_old_ones_it_does_not_go(older: int, first: int) -> None:
    session = old_alarms(older)
    session.published(send(session)[3], True, 0)

    session.available("a", older + 2)

    assert due(session) == ("a", first, first != 2)


def test_alarms_that_wait_when_the_link_comes_back_keep_their_order() -> None:
    session = old_alarms(100)
    session.available("a", 102)
    session.disconnected(0)
    session.connected(0)

    assert due(session) == ("a", 1, False)


def test_what_went_ahead_moves_no_mark_and_no_cursor() -> None:
    session = old_alarms(100)
    session.available("a", 102)
    session.published(send(session)[3], True, 0)

    assert (session.sent("a"), session.acked("a")) == (0, 0)
    assert session.acknowledged("scada", EPOCH, "a", 0, 0) == "known"
    assert due(session) == ("a", 1, False)


@pytest.mark.parametrize("how", ["refused", "unheard"])
def test_what_could_not_go_ahead_goes_ahead_later(how: str) -> None:
    session = old_alarms(100)
    session.available("a", 102)
    token = send(session)[3]

    if how == "refused":
        session.published(token, False, 0)
    else:
        session.unheard(token, 0)

    assert session.next_send(HOLD_US) == ("a", 101, 101, AHEAD)


def test_new_alarms_without_an_end_leave_history_its_share_and_old_ones_too() -> None:
    session = old_alarms(100)
    lanes = []
    for number in range(30):
        session.available("a", 102 + number)
        lane, first, _, token = send(session)
        session.published(token, True, 0)
        lanes.append("new" if lane == "a" and first > 100 else lane)

    assert [n for n, lane in enumerate(lanes, start=1) if lane == "h"] == [10, 20, 30]
    assert lanes.count("new") == 27


def test_what_every_consumer_has_is_not_sent_in_its_turn() -> None:
    session = old_alarms(100)
    session.available("a", 102)
    session.published(send(session)[3], True, 0)
    for _ in range(100):
        session.published(send(session)[3], True, 0)
    session.acknowledged("scada", EPOCH, "a", 101, 0)

    assert [lane for lane, _, _ in drain(session)].count("a") == 0


def test_the_broker_may_make_the_window_smaller_but_not_larger() -> None:
    session = session_with({"a": 100})
    session.connected(0, receive_maximum=3)

    for _ in range(3):
        send(session)

    assert session.next_send(0) is None
    session.connected(0, receive_maximum=65535)
    for _ in range(8):
        send(session)
    assert session.next_send(0) is None


def test_history_waveforms_and_requests_take_turns_and_drills_come_last() -> None:
    session = session_with({"h": 6, "w": 6, "x": 2})
    drain(session)
    for lane in "hwx":
        session.available(lane, 10)
    session.requested(EPOCH, "h", 1, 3, 0)

    sent = drain(session)

    assert [lane + ("!" if again else "") for lane, _, again in sent] == [
        *("h!", "h", "w", "h!", "h", "w", "h!", "h", "w"),
        *("x",) * 7,
    ]


@pytest.mark.parametrize("receive_maximum", [1, 2])
def test_a_tiny_window_still_lets_history_pass(receive_maximum: int) -> None:
    session = session_with({"h": 5})
    session.connected(0, receive_maximum)

    assert [first for _, first, _ in drain(session)] == [1, 2, 3, 4, 5]


def test_nothing_goes_while_the_link_is_down() -> None:
    session = Session(EPOCH, ["scada"])
    session.available("a", 10)

    assert session.next_send(0) is None
    assert session.wake_at(0) is None


# Marks.


def test_a_puback_moves_sent_and_only_the_consumer_moves_acked() -> None:
    session = session_with({"a": 3})

    drain(session)

    assert (session.sent("a"), session.acked("a"), session.backlog("a")) == (3, 0, 3)
    assert session.acknowledged("scada", EPOCH, "a", 2, 0) == "moved"
    assert (session.sent("a"), session.acked("a"), session.backlog("a")) == (3, 2, 1)


def test_pubacks_out_of_order_move_sent_only_without_a_gap() -> None:
    session = session_with({"a": 3})
    tokens = [send(session)[3] for _ in range(3)]

    session.published(tokens[2], True, 0)
    session.published(tokens[1], True, 0)
    assert session.sent("a") == 0

    session.published(tokens[0], True, 0)
    assert session.sent("a") == 3


def test_every_required_consumer_has_to_acknowledge() -> None:
    session = session_with({"a": 5}, consumers=("scada", "oms"))
    drain(session)

    session.acknowledged("scada", EPOCH, "a", 5, 0)
    assert session.acked("a") == 0

    session.acknowledged("oms", EPOCH, "a", 3, 0)
    assert session.acked("a") == 3
    assert session.marks("a") == {"oms": 3, "scada": 5}


@pytest.mark.parametrize(
    ("consumer", "epoch", "lane", "mark", "verdict"),
    [
        pytest.param("scada", EPOCH, "a", 5, "moved", id="what-was-sent-is-taken"),
        pytest.param("scada", EPOCH, "a", 3, "known", id="a-repeated-one-changes-nothing"),
        pytest.param("scada", EPOCH, "a", 2, "behind", id="less-than-before-moves-no-mark"),
        pytest.param("scada", EPOCH, "a", 0, "behind", id="nothing-at-all-moves-no-mark"),
        pytest.param("scada", EPOCH, "a", -1, "behind", id="a-negative-mark"),
        pytest.param("scada", EPOCH, "a", 6, "beyond", id="beyond-what-is-on-disk"),
        pytest.param("scada", EPOCH + 1, "a", 5, "epoch", id="of-another-log"),
        pytest.param("scada", EPOCH, "z", 5, "lane", id="of-a-lane-we-do-not-have"),
        pytest.param("board", EPOCH, "a", 5, "optional", id="of-one-who-is-not-required"),
        pytest.param("board", EPOCH + 1, "z", 9, "optional", id="whatever-he-says"),
    ],
)
def test_an_acknowledgement_is_weighed(
    consumer: str, epoch: int, lane: str, mark: int, verdict: str
) -> None:
    session = session_with({"a": 5})
    drain(session)
    session.acknowledged("scada", EPOCH, "a", 3, 0)

    assert session.acknowledged(consumer, epoch, lane, mark, 0) == verdict
    assert session.acked("a") == (5 if verdict == "moved" else 3)
    assert session.acks_refused == (1 if verdict in ("beyond", "epoch", "lane") else 0)


def test_in_puback_mode_the_brokers_word_is_the_acknowledgement() -> None:
    session = session_with({"a": 3}, ack="puback", consumers=())
    tokens = [send(session)[3] for _ in range(3)]

    session.published(tokens[1], True, 0)
    assert session.acked("a") == 0
    session.published(tokens[0], True, 0)

    assert session.acked("a") == 2
    assert session.acknowledged("scada", EPOCH, "a", 3, 0) == "optional"
    session.published(tokens[2], True, 0)
    assert session.acked("a") == 3
    assert session.wake_at(0) is None


def test_without_a_consumer_there_is_no_consumer_mode() -> None:
    with pytest.raises(ValueError, match="at least one name"):
        Session(EPOCH, [])


# Resending.


def test_a_reconnect_resumes_from_the_acknowledged_mark() -> None:
    session = session_with({"a": 6})
    drain(session)
    session.acknowledged("scada", EPOCH, "a", 4, 0)

    session.disconnected(1 * S)
    session.connected(2 * S)

    assert drain(session, 2 * S) == [("a", 5, True), ("a", 6, True)]


def test_what_lacked_its_puback_is_sent_anew_and_is_no_resend() -> None:
    session = session_with({"a": 3})
    send(session)

    session.disconnected(0)
    session.connected(0)

    assert due(session, 0) == ("a", 1, False)


def test_a_puback_of_the_old_link_means_nothing_on_the_new_one() -> None:
    session = session_with({"a": 3})
    token = send(session)[3]
    session.disconnected(0)
    session.connected(0)

    session.published(token, True, 0)

    assert session.sent("a") == 0
    assert due(session, 0) == ("a", 1, False)


def test_silence_after_the_puback_resends_from_the_mark_each_time_later() -> None:
    session = session_with({"a": 2})
    drain(session)
    wakes = []

    now_us = 0
    for _ in range(7):
        wake_us = session.wake_at(now_us)
        assert wake_us is not None
        assert session.next_send(wake_us - 1) is None
        assert drain(session, wake_us) == [("a", 1, True), ("a", 2, True)]
        wakes.append((wake_us - now_us) // ACK_WAIT_US)
        now_us = wake_us

    assert wakes == [1, 2, 4, 8, 15, 15, 15]


def test_a_stream_of_pubacks_does_not_put_off_the_resend() -> None:
    session = session_with({"a": 1})
    for second in range(60):
        session.available("a", second + 2)
        assert drain(session, second * S) == [("a", second + 1, False)]

    assert due(session, 60 * S) == ("a", 1, True)


def test_a_consumer_that_makes_progress_is_not_resent_to() -> None:
    session = session_with({"a": 100}, window=8)
    drain(session)

    for second in range(1, 100):
        session.acknowledged("scada", EPOCH, "a", second, second * 30 * S)
        assert session.next_send(second * 30 * S) is None

    session.acknowledged("scada", EPOCH, "a", 100, 3000 * S)
    assert session.wake_at(3000 * S) is None


def test_an_acknowledgement_of_a_part_keeps_the_clock_running_for_the_rest() -> None:
    session = session_with({"a": 3})
    drain(session)

    session.acknowledged("scada", EPOCH, "a", 1, 10 * S)

    assert session.wake_at(10 * S) == 70 * S
    assert drain(session, 70 * S) == [("a", 2, True), ("a", 3, True)]


def test_a_presence_that_returns_is_resent_to_at_once() -> None:
    session = session_with({"a": 3})
    drain(session)
    session.acknowledged("scada", EPOCH, "a", 1, 0)

    session.returned("scada", 5 * S)

    assert drain(session, 5 * S) == [("a", 2, True), ("a", 3, True)]


def test_a_silent_consumer_costs_one_window_and_holds_up_nobody() -> None:
    session = session_with({"a": 1000}, consumers=("dead", "scada"))
    drain(session)
    session.acknowledged("scada", EPOCH, "a", 1000, 0)

    session.disconnected(1 * S)
    session.connected(2 * S)
    session.available("a", 1002)

    assert drain(session, 2 * S) == [("a", 1001, False), *(("a", n, True) for n in range(1, 9))]


def test_a_consumer_that_comes_back_to_life_gets_everything() -> None:
    session = session_with({"a": 100}, consumers=("late", "scada"))
    drain(session)
    session.acknowledged("scada", EPOCH, "a", 100, 0)
    session.disconnected(1 * S)
    session.connected(2 * S)

    got: list[int] = []
    while sent := drain(session, 2 * S):
        got += [first for _, first, _ in sent]
        session.acknowledged("late", EPOCH, "a", got[-1], 2 * S)

    assert got == list(range(1, 101))
    assert session.acked("a") == 100


def test_a_resend_ends_where_the_acknowledgement_has_come_meanwhile() -> None:
    session = session_with({"a": 5})
    drain(session)
    session.returned("scada", 0)
    send(session)

    session.acknowledged("scada", EPOCH, "a", 4, 0)

    assert drain(session) == [("a", 5, True)]


def test_one_resend_serves_every_consumer_that_lacks_it() -> None:
    session = session_with({"a": 8}, consumers=("oms", "scada"))
    drain(session)
    session.acknowledged("oms", EPOCH, "a", 2, 0)
    session.acknowledged("scada", EPOCH, "a", 4, 0)
    session.disconnected(0)
    session.connected(0)

    assert drain(session, size=4) == [("a", 3, True), ("a", 7, True)]


# Asked for again.


def test_what_is_asked_for_goes_again_and_moves_nothing() -> None:
    session = session_with({"a": 9})
    drain(session)
    session.acknowledged("scada", EPOCH, "a", 9, 0)

    assert session.requested(EPOCH, "a", 4, 6, 0) == "taken"

    assert session.next_send(0) == ("a", 4, 6, REQUEST)
    assert drain(session, size=2) == [("a", 4, True), ("a", 6, True)]
    assert (session.acked("a"), session.sent("a"), session.requests) == (9, 9, 0)


@pytest.mark.parametrize(
    ("epoch", "lane", "last", "until_us", "verdict"),
    [
        pytest.param(EPOCH, "a", 5, None, "taken", id="what-the-log-holds"),
        pytest.param(EPOCH, "a", 5, 7 * S + 1, "taken", id="in-time"),
        pytest.param(EPOCH, "a", 5, 7 * S, "late", id="after-its-deadline"),
        pytest.param(EPOCH, "a", 6, None, "beyond", id="beyond-what-is-on-disk"),
        pytest.param(EPOCH + 1, "a", 5, None, "epoch", id="of-another-log"),
        pytest.param(EPOCH, "z", 5, None, "lane", id="of-a-lane-we-do-not-have"),
    ],
)
def test_a_request_is_weighed(
    epoch: int, lane: str, last: int, until_us: int | None, verdict: str
) -> None:
    session = session_with({"a": 5})
    drain(session)

    assert session.requested(epoch, lane, 2, last, 7 * S, until_us) == verdict
    assert session.requests_refused == (verdict != "taken")
    assert session.requests == (verdict == "taken")


def test_a_request_waits_behind_alarms_and_states() -> None:
    session = session_with({"a": 3, "s": 3})
    drain(session)
    session.requested(EPOCH, "a", 1, 2, 0)
    session.available("a", 6)
    session.available("s", 5)

    assert drain(session) == [
        *(("a", 4, False), ("a", 5, False), ("s", 4, False)),
        *(("a", 1, True), ("a", 2, True)),
    ]


def test_what_was_never_sent_is_not_sent_twice_because_somebody_asks() -> None:
    session = session_with({"h": 4})
    session.published(send(session)[3], True, 0)

    session.requested(EPOCH, "h", 1, 4, 0)

    assert sorted(drain(session)) == [
        *(("h", 1, True), ("h", 2, False), ("h", 3, False), ("h", 4, False)),
    ]


@pytest.mark.parametrize("how", ["refused", "quota", "link"])
def test_an_answer_to_a_request_that_did_not_arrive_goes_again(how: str) -> None:
    session = session_with({"a": 4})
    drain(session)
    session.acknowledged("scada", EPOCH, "a", 4, 0)
    session.requested(EPOCH, "a", 2, 3, 0, 100 * S)
    token = send(session, size=2)[3]

    if how == "refused":
        session.published(token, False, 0)
    elif how == "quota":
        session.exhausted(token, 0)
    else:
        session.disconnected(0)
        session.connected(0)

    assert drain(session, 2 * S, size=2) == [("a", 2, True)]
    assert session.requests == 0


def test_a_request_that_waited_beyond_its_deadline_is_dropped() -> None:
    session = session_with({"a": 4})
    drain(session)
    session.requested(EPOCH, "a", 1, 4, 0, 10 * S)
    session.published(send(session, size=2)[3], False, 0)

    assert session.next_send(10 * S) is None
    assert session.requests == 0


# The brake, the quota and the start.


def test_a_pause_holds_the_backlog_and_lets_alarms_pass() -> None:
    session = session_with({"a": 2, "s": 2, "h": 2, "w": 2, "x": 2})
    session.brake(0, None, False, 0)

    assert [lane for lane, _, _ in drain(session)] == ["a", "a", "s", "s"]
    for lane in "as":
        session.acknowledged("scada", EPOCH, lane, 2, 0)
    assert (session.next_send(900 * S), session.wake_at(0)) == (None, None)

    session.brake(None, None, False, S)
    assert len(drain(session, S)) == 6


def test_the_brake_may_hold_old_alarms_until_a_new_one_comes() -> None:
    session = session_with({"a": 2, "s": 2})
    session.brake(0, None, True, 0)

    assert session.next_send(0) is None
    session.available("a", 4)

    assert drain(session) == [("a", 1, False), ("a", 2, False), ("a", 3, False)]


def test_a_start_is_put_off_for_the_backlog_alone() -> None:
    session = Session(EPOCH, ["scada"], pacing=Pacing(lambda below: below - 1, jitter_us=5 * S))
    session.available("h", 3)
    session.available("a", 3)
    session.connected(10 * S)

    assert [lane for lane, _, _ in drain(session, 10 * S)] == ["a", "a"]
    assert session.wake_at(10 * S) == 15 * S
    assert session.next_send(15 * S - 1) is None
    assert [lane for lane, _, _ in drain(session, 15 * S)] == ["h", "h"]


def test_a_quota_of_the_broker_slows_the_backlog_and_no_alarm() -> None:
    session = session_with({"h": 100})
    for _ in range(10):
        session.published(send(session)[3], True, 0)
    session.exhausted(send(session)[3], 0)
    session.available("a", 4)
    after_us = HOLD_US

    assert [lane for lane, _, _ in drain(session, after_us)][:3] == ["a", "a", "a"]
    wake_us = session.wake_at(after_us)
    assert session.next_send(after_us) is None
    assert wake_us is not None
    assert session.next_send(wake_us) is not None


# Consumers that are slower than the broker.


def behind(unread: int = 5, ack: str = "consumer") -> Session:
    """A session with a backlog, so much of which was sent that its consumers have to read."""
    session = Session(EPOCH, ["oms", "scada"], ack=ack, unread=unread)
    for lane in LANES:
        session.available(lane, 101)
    session.connected(0)
    for _ in range(unread):
        session.published(send(session)[3], True, 0)
    return session


def test_a_backlog_waits_while_its_messages_are_unread_and_a_new_alarm_does_not() -> None:
    session = Session(EPOCH, ["scada"], unread=5, ahead_of=10)
    session.available("a", 101)
    session.connected(0)
    for _ in range(5):
        session.published(send(session)[3], True, 0)

    assert session.next_send(0) is None
    session.available("a", 102)
    assert session.next_send(0) == ("a", 101, 101, AHEAD)


def test_new_states_do_not_wait_for_consumers_that_read_history() -> None:
    session = Session(EPOCH, ["scada"], unread=5)
    session.available("h", 101)
    session.connected(0)
    for _ in range(5):
        session.published(send(session)[3], True, 0)

    assert session.next_send(0) is None
    session.available("s", 3)
    session.available("a", 3)
    assert [lane for lane, _, _ in drain(session)] == ["a", "a", "s", "s"]


@pytest.mark.parametrize(
    ("name", "mark", "more"),
    [
        pytest.param("scada", 2, 2, id="as-much-as-was-read"),
        pytest.param("oms", 2, 2, id="the-quickest-of-them-counts"),
        pytest.param("scada", 0, 0, id="nothing-was"),
        pytest.param("board", 2, 0, id="somebody-who-is-not-required"),
    ],
)
def test_what_was_read_makes_room(name: str, mark: int, more: int) -> None:
    session = behind()

    session.acknowledged(name, EPOCH, "a", mark, 0)

    assert len(drain(session)) == more


def test_whoever_reads_nothing_holds_up_the_others_for_two_seconds() -> None:
    session = behind()

    assert session.wake_at(0) == UNREAD_US
    assert session.next_send(UNREAD_US - 1) is None
    assert len(drain(session, UNREAD_US)) == 5


def test_a_message_that_did_not_arrive_is_not_unread() -> None:
    session = behind(unread=6)
    session.connected(0)
    tokens = [send(session)[3] for _ in range(6)]
    session.published(tokens[-1], False, 0)

    assert session.next_send(HOLD_US) is not None


def test_where_the_brokers_word_is_enough_nobody_is_waited_for() -> None:
    assert behind(ack="puback").next_send(0) is not None


# Who is there at all.


def test_a_required_consumer_that_nobody_has_ever_seen_is_named() -> None:
    session = session_with({"a": 2}, consumers=("typo", "oms", "scada", "old"))
    session.restore("a", 1, {"old": 1})
    session.acknowledged("scada", EPOCH, "a", 0, 0)
    session.acknowledged("typo", EPOCH + 1, "a", 0, 0)
    session.returned("oms", 0)
    session.returned("board", 0)

    assert session.never_heard == ["typo"]


# A consumer that has lost its memory.


def test_a_consumer_without_memory_gets_again_what_is_on_disk_and_no_mark_moves() -> None:
    session = session_with({"a": 30})
    drain(session)
    session.acknowledged("scada", EPOCH, "a", 30, 0)

    got = []
    assert session.acknowledged("scada", EPOCH, "a", 0, 0) == "behind"
    while sent := drain(session):
        got += [first for _, first, _ in sent]
        session.acknowledged("scada", EPOCH, "a", got[-1], 0)

    assert got == list(range(1, 31))
    assert session.acked("a") == 30


def test_a_consumer_without_memory_that_gets_nothing_is_tried_again_later() -> None:
    session = session_with({"a": 2})
    drain(session)
    session.acknowledged("scada", EPOCH, "a", 2, 0)
    session.acknowledged("scada", EPOCH, "a", 1, 0)

    assert drain(session) == [("a", 2, True)]
    assert drain(session, ACK_WAIT_US - 1) == []
    assert drain(session, ACK_WAIT_US) == [("a", 2, True)]


def test_two_consumers_under_one_name_cannot_keep_the_link_busy() -> None:
    session = session_with({"a": 100})
    drain(session)

    sent = 0
    for _ in range(1000):
        session.acknowledged("scada", EPOCH, "a", 100, 0)
        session.acknowledged("scada", EPOCH, "a", 0, 0)
        sent += len(drain(session))

    assert sent == 8
    assert session.wake_at(0) == ACK_WAIT_US


def test_a_memory_that_comes_back_ends_the_repetition() -> None:
    session = session_with({"a": 5})
    drain(session)
    session.acknowledged("scada", EPOCH, "a", 5, 0)
    session.acknowledged("scada", EPOCH, "a", 0, 0)

    session.acknowledged("scada", EPOCH, "a", 5, 0)

    assert drain(session) == []


# Refusals by the broker.


def test_a_refused_message_goes_again_after_a_pause_that_grows() -> None:
    session = session_with({"a": 1})
    now_us, pauses = 0, []
    for _ in range(9):
        token = send(session, now_us)[3]
        session.published(token, False, now_us)
        wake_us = session.wake_at(now_us)
        assert wake_us is not None
        assert session.next_send(wake_us - 1) is None
        pauses.append((wake_us - now_us) // HOLD_US)
        now_us = wake_us

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert HOLD_LONGEST_US == 60 * S
    assert due(session, now_us) == ("a", 1, False)
    assert session.sends_refused == 9


def test_a_message_that_nobody_heard_goes_again_soon() -> None:
    session = session_with({"a": 1}, ack="puback")
    now_us, pauses = 0, []
    for _ in range(5):
        session.unheard(send(session, now_us)[3], now_us)
        wake_us = session.wake_at(now_us)
        assert wake_us is not None
        pauses.append((wake_us - now_us) // S)
        now_us = wake_us

    assert pauses == [1, 2, 4, 8, 8]
    assert session.acked("a") == 0
    assert (session.sends_refused, session.sends_unheard) == (0, 5)


def test_messages_refused_together_make_one_pause() -> None:
    session = session_with({"a": 8})
    for token in [send(session)[3] for _ in range(8)]:
        session.published(token, False, 0)

    assert session.wake_at(0) == HOLD_US


def test_a_refused_lane_does_not_hold_up_the_others() -> None:
    session = session_with({"a": 1, "s": 1})
    token = send(session)[3]

    session.published(token, False, 0)

    assert drain(session) == [("s", 1, False)]


def test_a_refusal_behind_a_confirmed_message_goes_back_no_further_than_itself() -> None:
    session = session_with({"a": 3})
    first, second, third = (send(session)[3] for _ in range(3))
    session.published(first, True, 0)
    session.published(second, False, 0)
    session.published(third, True, 0)

    assert session.sent("a") == 1
    assert drain(session, 2 * S) == [("a", 2, False), ("a", 3, False)]


def test_somebody_who_comes_to_listen_ends_the_pause() -> None:
    session = session_with({"a": 1})
    session.published(send(session)[3], False, 0)
    assert session.next_send(0) is None

    session.returned("anybody", 0)

    assert due(session, 0) == ("a", 1, False)


def test_a_refusal_skips_nothing_for_those_who_are_further_behind() -> None:
    session = session_with({"a": 20}, consumers=("dead", "scada"))
    drain(session)
    session.acknowledged("scada", EPOCH, "a", 20, 0)
    session.returned("dead", 0)
    drain(session)
    session.available("a", 22)
    token = send(session)[3]

    session.published(token, False, 0)
    session.acknowledged("dead", EPOCH, "a", 8, 0)

    assert due(session, 0) == ("a", 9, True)


def test_refused_resends_do_not_use_up_the_right_to_be_resent() -> None:
    session = session_with({"a": 3})
    drain(session)
    session.returned("scada", 0)
    now_us = 0
    for _ in range(20):
        session.published(send(session, now_us)[3], False, now_us)
        now_us += HOLD_LONGEST_US

    assert drain(session, now_us) == [("a", 1, True), ("a", 2, True), ("a", 3, True)]


# Restart of the process.


def test_a_new_process_goes_on_from_the_persisted_cursors() -> None:
    session = Session(EPOCH, ["scada", "oms"])
    session.restore("a", 8, {"scada": 8, "oms": 6, "long-gone": 2})
    session.available("a", 11)
    session.connected(0)

    assert drain(session) == [
        ("a", 7, True),
        ("a", 8, True),
        ("a", 9, False),
        ("a", 10, False),
    ]
    assert session.marks("a") == {"oms": 6, "scada": 8}


def test_a_newly_required_consumer_gets_the_log_from_its_beginning() -> None:
    session = Session(EPOCH, ["new", "scada"])
    session.restore("a", 3, {"scada": 3})
    session.available("a", 4)
    session.connected(0)

    assert drain(session) == [("a", 1, True), ("a", 2, True), ("a", 3, True)]


def test_lost_cursors_are_made_good_by_the_consumers_retained_acknowledgement() -> None:
    session = Session(EPOCH, ["scada"])
    session.restore("a", 0, {})
    session.available("a", 6)
    session.connected(0)

    session.acknowledged("scada", EPOCH, "a", 4, 0)

    assert drain(session) == [("a", 5, False)]
    session.disconnected(0)
    session.connected(0)
    assert drain(session) == [("a", 5, True)]


def test_what_a_consumer_has_is_not_sent_anew_after_a_lost_puback() -> None:
    session = session_with({"a": 6})
    send(session, size=4)
    session.acknowledged("scada", EPOCH, "a", 4, 0)

    session.disconnected(0)
    session.connected(0)

    assert due(session, 0) == ("a", 5, False)


def test_seqs_that_are_not_on_disk_cannot_be_sent() -> None:
    session = session_with({"a": 3})

    with pytest.raises(ValueError, match="expected seqs below 4"):
        session.sending("a", 3, 4, now_us=0)


# History waits for company.


def test_history_goes_at_once_after_a_pause_and_what_follows_goes_together() -> None:
    session = session_with({"h": 1}, gather_us=S)
    assert [first for _, first, _ in drain(session, 0)] == [1]
    went = []
    for tenth in range(1, 30):  # ten records a second
        session.available("h", tenth + 2)
        went += [(tenth, first) for _, first, _ in drain(session, tenth * S // 10, size=100)]

    assert went == [(10, 2), (20, 12)]
    session.acknowledged("scada", EPOCH, "h", 21, 3 * S)
    assert session.wake_at(29 * S // 10) == 3 * S  # for those that wait
    drain(session, 3 * S, size=100)
    session.acknowledged("scada", EPOCH, "h", 30, 3 * S)
    assert session.wake_at(3 * S) is None


def test_a_backlog_of_history_does_not_wait_for_company() -> None:
    session = session_with({"h": 40}, gather_us=S)

    assert len(drain(session, 0, size=10)) == 4


@pytest.mark.parametrize("lane", ["a", "s", "w", "x"])
def test_nothing_but_history_waits_for_company(lane: str) -> None:
    session = session_with({lane: 1}, gather_us=S)
    drain(session)
    session.available(lane, 3)

    assert not session.rests(lane, 0)
    assert due(session) == (lane, 2, False)


def test_what_is_sent_again_does_not_wait_for_company() -> None:
    session = session_with({"h": 2}, gather_us=S)
    drain(session)
    session.available("h", 4)
    session.returned("scada", 0)

    assert drain(session) == [("h", 1, True), ("h", 2, True)]
    session.disconnected(0)
    session.connected(0)
    assert drain(session, size=3) == [("h", 1, True)]  # and a new link begins with all there is


# The board runs the same file.


def test_the_board_decides_the_same_at_every_step(board: Board) -> None:
    calls = [("tests.agent.uplink.session_scenarios", "walk", [seed, 300]) for seed in range(8)]

    ours = portable.here(calls)

    assert [len(trace) for trace in ours] == [600] * 8
    assert board(calls) == ours
