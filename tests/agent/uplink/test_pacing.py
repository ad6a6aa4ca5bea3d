"""The pacing against second counts of its own: bytes by the clock, and a link that queues."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.uplink.pacing import BURST_BYTES, LEAST_BYTES_S, Pacing, Room

S = 1_000_000
MESSAGE = 8192


def sent_until(pacing: Pacing, begin_us: int, end_us: int, size: int = MESSAGE) -> list[int]:
    """Instants at which messages of a backlog without end leave."""
    instants = []
    now_us = begin_us
    while (ready_us := pacing.ready_at(now_us)) is not None:
        now_us = max(now_us, ready_us)
        if now_us >= end_us:
            break
        pacing.sent(size, now_us, True)
        instants.append(now_us)
    return instants


@pytest.mark.parametrize("rate", [300, 8192, 100_000])
@pytest.mark.parametrize("size", [90, MESSAGE])
def test_the_brake_holds_its_rate_in_every_stretch(rate: int, size: int) -> None:
    pacing = Pacing()
    pacing.connected(0)
    pacing.brake(rate, None, False, 0)

    instants = sent_until(pacing, 0, 300 * S, size)

    for first, begin_us in enumerate(instants):
        for last in (first, (first + len(instants)) // 2, len(instants) - 1):
            span_us = instants[last] - begin_us
            allowed = BURST_BYTES + size + rate * span_us / S
            assert (last - first + 1) * size <= allowed + 1
    assert len(instants) * size >= rate * 299 - MESSAGE


def test_a_pause_ends_with_the_brake() -> None:
    pacing = Pacing()
    pacing.connected(0)
    pacing.brake(0, None, False, 0)

    assert pacing.ready_at(10**12) is None

    pacing.brake(None, None, False, 5 * S)
    assert pacing.ready_at(5 * S) == 0


def test_the_jitter_is_the_brakes_or_our_own() -> None:
    asked: list[int] = []

    def below(limit: int) -> int:
        asked.append(limit)
        return limit - 1

    pacing = Pacing(below, jitter_us=2 * S)
    pacing.connected(10 * S)
    assert pacing.ready_at(10 * S) == 12 * S
    pacing.brake(None, 60 * S, False, 11 * S)
    assert pacing.ready_at(11 * S) == 70 * S
    pacing.brake(5000, 60 * S, False, 11 * S)  # said again: nothing is drawn anew
    assert asked == [2 * S + 1, 60 * S + 1]
    pacing.connected(100 * S)
    assert pacing.ready_at(100 * S) == 160 * S


def test_a_quota_halves_what_was_sent_and_half_of_that_again_at_the_next_one() -> None:
    pacing = Pacing()
    for n in range(20):  # 20 messages within a second
        pacing.sent(MESSAGE, n * 50_000, True)

    pacing.exhausted(S - 1)
    assert pacing.rate(S - 1) == 20 * MESSAGE // 2
    pacing.exhausted(S)  # was in flight beside it
    assert (pacing.rate(S), pacing.halvings) == (20 * MESSAGE // 2, 1)
    pacing.exhausted(2 * S - 1)
    assert pacing.rate(2 * S - 1) == pytest.approx(20 * MESSAGE // 4, rel=0.1)


def test_without_a_refusal_the_rate_creeps_up_until_it_is_free() -> None:
    pacing = Pacing()
    pacing.sent(100 * MESSAGE, 0, True)
    pacing.exhausted(0)

    rates = [pacing.rate(second * S) for second in range(60)]

    known = [rate for rate in rates if rate is not None]
    assert known == sorted(known)
    assert known[0] == 50 * MESSAGE
    assert known[11] == pytest.approx(100 * MESSAGE, rel=0.05)  # (1 + 1/16) ** 11 = 1.95
    assert rates[30:] == [None] * 30


def test_while_the_link_is_away_a_quota_is_not_forgotten() -> None:
    pacing = Pacing()
    pacing.connected(0)
    pacing.sent(100 * MESSAGE, 0, True)
    pacing.disconnected(0)
    pacing.exhausted(0)
    assert pacing.rate(299 * S) == 50 * MESSAGE

    pacing.connected(300 * S)
    assert pacing.rate(300 * S) == 50 * MESSAGE
    assert pacing.rate(311 * S) == pytest.approx(100 * MESSAGE, rel=0.05)
    was = pacing.rate(312 * S)
    pacing.disconnected(312 * S)
    pacing.connected(600 * S)
    assert pacing.rate(600 * S) == was


def test_a_quota_leaves_a_rate_even_where_nothing_passed() -> None:
    pacing = Pacing()
    for second in range(0, 20, 2):
        pacing.exhausted(second * S)
        assert pacing.rate(second * S) == LEAST_BYTES_S


def test_the_stricter_of_brake_and_quota_rules() -> None:
    pacing = Pacing()
    pacing.sent(10_000, 0, True)
    pacing.exhausted(0)

    for brake, rate in ((1000, 1000), (0, 0), (9000, 5000), (None, 5000)):
        pacing.brake(brake, None, False, 0)
        assert pacing.rate(0) == rate


def answers(room: Room, bytes_s: int, latency_us: int, messages: int) -> list[int]:
    """How many are under way as each message is handed over, on a link that sends one after the
    other: its queue is worked out here, message by message.
    """
    free_us = now_us = 0
    under_way: list[tuple[int, int]] = []  # sent, answered
    widths = []
    for _ in range(messages):
        while len(under_way) >= room.now:
            sent_us, now_us = under_way.pop(0)
            room.answered(now_us - sent_us)
        free_us = max(free_us, now_us) + MESSAGE * S // bytes_s
        under_way.append((now_us, free_us + latency_us))
        widths.append(len(under_way))
    return widths


@pytest.mark.parametrize(
    ("bytes_s", "latency_ms", "least", "most", "share_above_one"),
    [
        pytest.param(8_000, 100, 1, 2, 0.15, id="64-kbit-one-at-a-time"),
        pytest.param(2_000, 700, 1, 2, 0.15, id="16-kbit-over-a-satellite"),
        pytest.param(12_500_000, 1, 6, 6, 1.0, id="100-mbit-as-many-as-there-may-be"),
        pytest.param(1_250_000, 600, 6, 6, 1.0, id="fast-and-far-away-is-not-slow"),
    ],
)
def test_no_more_is_under_way_than_the_link_takes(
    bytes_s: int, latency_ms: int, least: int, most: int, share_above_one: float
) -> None:
    widths = answers(Room(6), bytes_s, latency_ms * 1000, 300)[20:]

    assert least <= max(widths) <= most
    assert sum(width > 1 for width in widths) <= share_above_one * len(widths)


@given(st.lists(st.integers(0, 10**9), max_size=80))
@settings(max_examples=100)
def test_there_is_always_room_for_one_and_never_for_more_than_may_be(took: list[int]) -> None:
    room = Room(6)
    for each in took:
        room.answered(each)
        assert 1 <= room.now <= 6
