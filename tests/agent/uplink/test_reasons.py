"""What a broker's "no" means to people and to the back-off: MQTT 5, section 2.4."""

from __future__ import annotations

import socket
import ssl

import pytest

from agent.errors import UplinkError
from agent.uplink import reasons
from agent.uplink.mqtt import Ended, Refused


@pytest.mark.parametrize(
    ("code", "lasting", "alarm"),
    [
        pytest.param(0x80, False, None, id="unspecified"),
        pytest.param(0x85, True, None, id="client-identifier-not-valid"),
        pytest.param(0x86, True, "uplink_not_authorised", id="bad-user-name-or-password"),
        pytest.param(0x87, True, "uplink_not_authorised", id="not-authorised"),
        pytest.param(0x88, False, None, id="server-unavailable"),
        pytest.param(0x89, False, None, id="server-busy"),
        pytest.param(0x8A, True, "uplink_not_authorised", id="banned"),
        pytest.param(0x8B, False, None, id="server-shutting-down"),
        pytest.param(0x8D, False, None, id="keep-alive-timeout"),
        pytest.param(0x8E, True, "duplicate_identity", id="session-taken-over"),
        pytest.param(0x97, False, None, id="quota-exceeded"),
        pytest.param(0x98, False, None, id="administrative-action"),
        pytest.param(0x9C, True, None, id="use-another-server"),
        pytest.param(0x9D, True, None, id="server-moved"),
        pytest.param(0x9F, False, None, id="connection-rate-exceeded"),
    ],
)
def test_whether_it_lasts_until_a_person_acts(code: int, lasting: bool, alarm: str | None) -> None:
    for error in (Refused("broker", "no", code), Ended("broker", "no", code)):
        assert reasons.lasting(error) is lasting
    assert reasons.ALARMS.get(code) == alarm


def test_a_link_that_broke_without_a_word_is_no_lasting_reason() -> None:
    assert not reasons.lasting(UplinkError("broker", "the link broke"))


def test_a_strangers_words_are_short_and_steer_no_terminal() -> None:
    assert reasons.quoted("\x1b[2J\r\nhost") == "?[2J??host"
    assert len(reasons.quoted("x" * 65_535)) < 200


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(113, "No route to host"), "no connection (No route to host)"),
        (
            socket.gaierror(-2, "Name or service not known"),
            "no connection (its name is not found: Name or service not known)",
        ),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"),
            "no connection (no encryption came about: ",
        ),
        (ValueError("x" * 1000 + "\n"), "no connection (" + "x" * 120 + "...)"),
    ],
)
def test_no_connection_is_one_plain_line(error: Exception, told: str) -> None:
    line = reasons.no_connection(error)

    assert line.startswith(told)
    assert line.isprintable()
