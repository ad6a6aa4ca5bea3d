"""What comes in: every topic, and on each of them what nobody should send."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.clock import Clock, Stamp
from agent.store import cbor
from agent.uplink import asks, wire
from agent.uplink.hearing import Hearing
from agent.uplink.mqtt import Ended, Message
from agent.uplink.session import Session

EPOCH = 7
UTC_US = 1_800_000_000_000_000
S = 1_000_000
NODE = "ftu/1/site/node/"
DRAIN = "ftu/1/site/_ctl/drain"


class At(Clock):
    """A clock that stands still until it is set, and knows UTC or not."""

    def __init__(self, source: int = 2) -> None:
        self.us = 100 * S
        self.source = source

    def now_us(self) -> int:
        return self.us

    def stamp(self, mono_us: int) -> Stamp:
        return Stamp(1, mono_us, UTC_US + mono_us - 100 * S, self.source, 900)


class Ear:
    """A hearing over a session that has sent five records of lane a."""

    def __init__(self, source: int = 2) -> None:
        self.clock = At(source)
        self.session = Session(EPOCH, ["scada", "oms"])
        self.session.available("a", 6)
        self.session.connected(0)
        while due := self.session.next_send(0):
            self.session.published(self.session.sending(*due[:3], now_us=0), True, 0)
        self.asked: list[tuple[str, str, str | None]] = []
        self.commanded: list[tuple[str, str]] = []
        self.moved: list[str] = []
        self.told: list[str] = []
        self.hearing = Hearing(
            self.session,
            clock=self.clock,
            asked=lambda *question: self.asked.append(question),
            commanded=lambda topic, operation, _: self.commanded.append((topic, operation)),
            moved=self.moved.append,
            tell=self.told.append,
        )

    def hear(self, topic: str, item: Any, *, retained: bool = False) -> None:
        payload = item if isinstance(item, bytes) else cbor.dumps(item)
        self.hearing.hear(Message(topic, payload, retained))

    def state(self) -> list[Any]:
        """Everything that a message may change."""
        session = self.session
        rate = session.pacing.rate(self.clock.us)
        lanes = [(session.marks(lane), session.sent(lane)) for lane in "ashwx"]
        return [lanes, session.requests, session.rewinds, rate, session.pacing.holds_old]


HOSTILE = [
    pytest.param(NODE + "ack/scada", b"\xff\xff", id="ack-no-cbor"),
    pytest.param(NODE + "ack/scada", {0: 2, 1: EPOCH, 2: {"a": -1}}, id="ack-negative"),
    pytest.param(NODE + "ack/scada", {0: 2, 1: EPOCH, 2: {"aa": 1}}, id="ack-no-lane"),
    pytest.param(NODE + "ack/scada", {0: 2, 1: "7", 2: {"a": 5}}, id="ack-epoch-in-letters"),
    pytest.param(NODE + "ack/sca da", {0: 2, 1: EPOCH, 2: {"a": 5}}, id="ack-of-no-name"),
    pytest.param("ftu/1/site/_host/scada", {0: 2, 1: 2, 2: 1}, id="host-neither-on-nor-off"),
    pytest.param("ftu/1/site/_host/scada", [], id="host-no-map"),
    pytest.param(NODE + "replay", {0: 2, 1: EPOCH, 2: "a", 3: 5, 4: 1}, id="replay-backwards"),
    pytest.param(NODE + "replay", {0: 2, 1: EPOCH, 2: "a", 3: 0, 4: 1}, id="replay-from-zero"),
    pytest.param(NODE + "replay", {0: 2, 2: "a", 3: 1, 4: 1}, id="replay-without-epoch"),
    pytest.param(NODE + "ask", {0: 2, 1: "t" * 65, 2: "probe"}, id="ask-long-token"),
    pytest.param(NODE + "ask", {0: 2, 1: "t"}, id="ask-for-nothing"),
    pytest.param(DRAIN, {0: 2, 1: -5}, id="drain-negative"),
    pytest.param(DRAIN, {0: 2, 1: 10, 2: 10**9}, id="drain-for-thirty-years"),
    pytest.param(DRAIN, b"\x00" * 50, id="drain-trailing-bytes"),
    pytest.param(NODE + "trip", {0: 2}, id="no-such-topic"),
    pytest.param("ftu/1/site", {0: 2}, id="no-topic"),
]


@pytest.mark.parametrize(("topic", "item"), HOSTILE)
def test_what_cannot_be_taken_is_one_line_counted_and_changes_nothing(
    topic: str, item: Any
) -> None:
    ear = Ear()
    ear.hear(DRAIN, wire.drain(500))
    before = ear.state()

    ear.hear(topic, item)

    assert ear.state() == before
    assert (ear.hearing.refused, len(ear.told), ear.asked, ear.moved) == (1, 1, [], [])
    assert "\n" not in ear.told[0]
    assert topic in ear.told[0]


@given(
    topic=st.sampled_from(
        [NODE + "ack/scada", "ftu/1/site/_host/oms", NODE + "replay", NODE + "ask", DRAIN]
    ),
    payload=st.binary(max_size=40),
    retained=st.booleans(),
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_obeyed_or_counted(topic: str, payload: bytes, retained: bool) -> None:
    ear = Ear()
    ear.hear(topic, payload, retained=retained)
    assert len(ear.told) <= 1
    assert ear.hearing.refused == len(ear.told) or ear.told[0].count("refused")


@pytest.mark.parametrize(
    ("request_", "verdict"),
    [
        pytest.param(wire.replay(EPOCH, "a", 2, 4), "", id="taken"),
        pytest.param(wire.replay(EPOCH, "a", 2, 4, UTC_US + S), "", id="in-time"),
        pytest.param(wire.replay(EPOCH, "a", 2, 4, UTC_US), "its time is over", id="late"),
        pytest.param(wire.replay(EPOCH, "a", 2, 6), "does not reach so far", id="beyond"),
        pytest.param(wire.replay(EPOCH + 1, "a", 2, 4), "of another log", id="epoch"),
        pytest.param(wire.replay(EPOCH, "q", 2, 4), "no such lane", id="lane"),
    ],
)
def test_a_request_to_send_again_is_taken_or_told_once(
    request_: dict[int, Any], verdict: str
) -> None:
    ear = Ear()

    ear.hear(NODE + "replay", request_)

    assert ear.session.requests == (not verdict)
    assert [verdict in line for line in ear.told] == ([True] if verdict else [])
    assert ear.session.requests_refused == bool(verdict)


def test_a_deadline_is_not_held_against_a_clock_that_was_never_set() -> None:
    ear = Ear(source=0)

    ear.hear(NODE + "replay", wire.replay(EPOCH, "a", 1, 2, 5))
    ear.hear(NODE + "ask", wire.ask("t", "probe", None, 5))

    assert (ear.session.requests, len(ear.asked)) == (1, 1)


def test_what_is_retained_is_neither_sent_again_nor_answered() -> None:
    ear = Ear()

    ear.hear(NODE + "replay", wire.replay(EPOCH, "a", 1, 2), retained=True)
    ear.hear(NODE + "ask", wire.ask("t", "probe"), retained=True)

    assert (ear.session.requests, ear.asked) == (0, [])
    assert len(ear.told) == 2


def test_a_question_is_passed_on_once_whatever_it_asks() -> None:
    ear = Ear()

    for _ in range(3):
        ear.hear(NODE + "ask", wire.ask("t1", "probe"))
        ear.hear(NODE + "ask", wire.ask("t2", "weather", "x"))
    ear.hear(NODE + "ask", wire.ask("t3", "probe", None, UTC_US - 1))

    assert ear.asked == [("t1", "probe", None), ("t2", "weather", "x")]
    assert ear.hearing.asks_refused == 1


def test_whoever_asks_without_end_is_answered_within_limits() -> None:
    ear = Ear()

    for number in range(1000):
        ear.hear(NODE + "ask", wire.ask(f"t{number}", "probe"))
    assert len(ear.asked) == asks.AT_ONCE
    assert (ear.hearing.asks_refused, len(set(ear.told))) == (1000 - asks.AT_ONCE, 1)

    ear.clock.us += asks.EVERY_US
    ear.hear(NODE + "ask", wire.ask("later", "probe"))
    assert ear.asked[-1][0] == "later"
    for number in range(asks.TOKENS + 50):
        ear.clock.us += asks.EVERY_US
        ear.hear(NODE + "ask", wire.ask(f"u{number}", "probe"))
    assert len(ear.hearing._asks._tokens) == asks.TOKENS


def test_the_brake_comes_goes_and_is_forgotten_with_the_connection() -> None:
    ear = Ear()
    rates = []
    for payload in (wire.drain(0, None, 1), wire.drain(900), b""):
        ear.hear(DRAIN, payload, retained=True)
        rates.append((ear.session.pacing.rate(0), ear.session.pacing.holds_old))

    assert rates == [(0, True), (900, False), (None, False)]
    ear.hear(DRAIN, wire.drain(0))
    ear.hearing.connected(3)
    assert ear.session.pacing.rate(0) is None


@pytest.mark.parametrize(
    ("number", "retained", "twin"),
    [
        pytest.param(2, True, False, id="a-lower-number-is-our-own-past"),
        pytest.param(3, True, True, id="ours-before-we-have-used-it"),
        pytest.param(9, True, True, id="beyond-ours"),
        pytest.param(9, False, False, id="what-is-said-now-may-be-our-own-word-or-will"),
    ],
)
def test_a_twin_is_told_by_the_state_that_stood_before_ours(
    number: int, retained: bool, twin: bool
) -> None:
    ear = Ear()
    ear.hearing.connected(3)

    with pytest.raises(Ended) if twin else contextlib.nullcontext():
        ear.hear(NODE + "state", wire.state(True, number, 1), retained=retained)


def test_acknowledgements_are_taken_retained_or_not_and_told_where_they_cannot_be() -> None:
    ear = Ear()

    ear.hear(NODE + "ack/scada", wire.ack(EPOCH, {"a": 4}), retained=True)
    ear.hear(NODE + "ack/scada", wire.ack(EPOCH + 1, {"a": 5}), retained=True)
    ear.hear(NODE + "ack/scada", wire.ack(EPOCH, {"a": 6, "q": 1, "s": 0}))
    ear.hear(NODE + "ack/somebody", wire.ack(EPOCH, {"a": 5}))
    ear.hear(NODE + "ack/scada", b"", retained=True)

    assert ear.session.marks("a") == {"oms": 0, "scada": 4}
    assert ear.moved == ["a"]
    assert ear.session.acks_refused == 3
    assert len(ear.told) == 3


@pytest.mark.parametrize("payload", [b"", b"\xff", b"\x80"])
def test_a_command_is_handed_on_whatever_it_holds(payload: bytes) -> None:
    ear = Ear()
    ear.hear(NODE + "cmd/drill-stop", payload)

    assert ear.commanded == [(NODE + "cmd/drill-stop", "drill-stop")]


def test_of_the_fleets_brake_and_its_own_the_stricter_one_holds() -> None:
    ear = Ear()
    pacing, now_us = ear.session.pacing, ear.clock.us
    for fleets, own, rate, holds_old in (
        ((900, None, 0), (500, 9, 0), 500, False),
        ((100, None, 1), (500, 9, 0), 100, True),
        ((None, None, 0), (500, 9, 0), 500, False),
        ((700, None, 0), (None, None, 1), 700, True),
        ((None, None, 0), (None, None, 0), None, False),
    ):
        ear.hearing.brake(own)
        ear.hear(DRAIN, wire.drain(*fleets))
        assert (pacing.rate(now_us), pacing.holds_old) == (rate, holds_old)

    ear.hearing.brake((500, None, 0))
    ear.hear(DRAIN, wire.drain(100))
    ear.hearing.connected(2)
    assert pacing.rate(now_us) == 500
