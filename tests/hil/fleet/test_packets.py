"""The node's own MQTT 5. That brokers understand it is shown by test_fleet.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import BenchError
from hil.fleet import packets
from hil.fleet.packets import Decoder, Packet

# CONNACK with receive maximum 20, maximum packet 262144 and an assigned client id, as brokers send.
CONNACK = bytes.fromhex("2011 0000 0e 210014 2700040000 120003616263".replace(" ", ""))


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    st.lists(st.integers(1, 40), min_size=1),
)
def test_a_stream_may_be_cut_anywhere(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(packets.publish(n, "a/b", each) for n, each in enumerate(payloads, 1))
    decoder, found = Decoder(), []
    at = 0
    while at < len(stream):
        step = cuts[at % len(cuts)]
        found += list(decoder.feed(stream[at : at + step]))
        at += step

    opened = [packets.open_publish(packet) for packet in found]
    assert [(each.number, each.payload) for each in opened] == list(enumerate(payloads, 1))
    assert {each.topic for each in opened} == {"a/b"}


def test_a_welcome_states_how_much_the_broker_takes() -> None:
    (packet,) = Decoder().feed(CONNACK)

    assert packets.open_connack(packet) == (0, 20)


def test_a_bare_puback_is_a_success_and_a_longer_one_says_why() -> None:
    assert packets.open_puback(Packet(packets.PUBACK, 0, b"\x00\x07")) == (7, 0)
    assert packets.open_puback(Packet(packets.PUBACK, 0, b"\x00\x07\x10\x00")) == (7, 0x10)


@given(st.integers(0, 15), st.integers(0, 15), st.binary(max_size=40))
def test_any_packet_opens_or_is_told(kind: int, flags: int, body: bytes) -> None:
    packet = Packet(kind, flags, body)
    for opened in (
        packets.open_connack,
        packets.open_puback,
        packets.open_suback,
        packets.open_publish,
    ):
        try:
            opened(packet)
        except BenchError as error:
            assert str(error).startswith("broker: ")


def test_a_length_without_an_end_is_told() -> None:
    with pytest.raises(BenchError, match="more than four bytes"):
        list(Decoder().feed(b"\x30\xff\xff\xff\xff\x01"))
