"""Frames: a request as the standard writes it, and nothing but its answer taken for one."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sensors.modbus_frame import (
    Foreign,
    Question,
    Refused,
    rtu_answer,
    rtu_length,
    rtu_request,
    tcp_answer,
    tcp_length,
    tcp_request,
)
from agent.sensors.registers import SPACES
from hil.instruments.serial_bridge import with_crc, words_reply

# ABB A43/A44 User Manual, 2CMC48001M0201 revision C, page 168: a request with its CRC.
ABB = Question(5, "holding", 0x5000, 0x24)

QUESTIONS = st.builds(
    Question,
    st.integers(1, 247),
    st.sampled_from(SPACES),
    st.integers(0, 65_000),
    st.integers(1, 125),
)


def crc(frame: bytes) -> bytes:
    """CRC-16 bit by bit, as the serial line specification 1.02, 6.2.2 describes it."""
    register = 0xFFFF
    for byte in frame:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0xA001 if register & 1 else 0)
    return register.to_bytes(2, "little")


def test_a_request_is_the_bytes_of_the_manufacturer_s_own_example() -> None:
    assert rtu_request(ABB) == bytes.fromhex("05 03 50 00 00 24 55 55")


@given(QUESTIONS)
def test_every_request_reads_and_ends_in_its_crc(question: Question) -> None:
    request = rtu_request(question)
    assert request[:-2] == bytes(
        (question.unit, 1 + ("coil", "discrete", "holding", "input").index(question.space))
    ) + question.address.to_bytes(2, "big") + question.count.to_bytes(2, "big")
    assert request[-2:] == crc(request[:-2])
    assert tcp_request(question, 7) == b"\x00\x07\x00\x00\x00\x06" + request[:-2]


@given(QUESTIONS, st.data())
def test_the_right_answer_is_its_data(question: Question, data: st.DataObject) -> None:
    bits = question.space in {"coil", "discrete"}
    words = data.draw(
        st.lists(
            st.integers(0, 1 if bits else 65_535), min_size=question.count, max_size=question.count
        )
    )
    if bits:
        packed = sum(bit << k for k, bit in enumerate(words))
        body = packed.to_bytes((question.count + 7) // 8, "little")
    else:
        body = b"".join(word.to_bytes(2, "big") for word in words)
    pdu = bytes((question.unit, question.function, len(body))) + body
    frame = pdu + crc(pdu)
    assert rtu_length(question, frame[:2]) == len(frame)
    assert rtu_answer(question, frame) == words
    assert tcp_answer(question, pdu) == words


@pytest.mark.parametrize("code", [1, 2, 3, 4, 6, 0x0A, 0x0B])
def test_a_refusal_carries_its_code(code: int) -> None:
    pdu = bytes((5, 0x83, code))
    with pytest.raises(Refused) as told:
        rtu_answer(ABB, pdu + crc(pdu))
    assert told.value.code == code
    with pytest.raises(Refused):
        tcp_answer(ABB, pdu)


@given(QUESTIONS, st.binary(min_size=0, max_size=300))
def test_any_bytes_are_the_answer_or_foreign(question: Question, frame: bytes) -> None:
    with contextlib.suppress(Foreign, Refused):
        assert len(rtu_answer(question, frame)) == question.count
    with contextlib.suppress(Foreign, Refused):
        assert len(tcp_answer(question, frame)) == question.count
    with contextlib.suppress(Foreign):
        assert 3 <= tcp_length(7, (frame + bytes(6))[:6]) <= 254


@given(st.integers(0, 1000), st.integers(1, 255))
def test_one_flipped_byte_is_never_an_answer(place: int, flip: int) -> None:
    frame = bytearray(words_reply(rtu_request(ABB), range(0x24)))
    frame[place % len(frame)] ^= flip
    with pytest.raises((Foreign, Refused)):
        rtu_answer(ABB, bytes(frame))


def test_an_answer_of_another_length_is_foreign_even_with_a_right_crc() -> None:
    with pytest.raises(Foreign):
        rtu_answer(ABB, words_reply(rtu_request(ABB), range(0x23)))
    with pytest.raises(Foreign):
        rtu_answer(ABB, with_crc(words_reply(rtu_request(ABB), range(0x24))[:-2] + b"\x00\x00"))
