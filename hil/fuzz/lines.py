"""What meters and digitisers say, and what comes over the agent's own socket."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from pymodbus.framer.rtu import FramerRTU

from agent.live import LiveReceiver
from agent.sensors import digitiser_frame, modbus_frame, profile
from agent.sensors.digitiser_blocks import Assembler
from agent.sensors.modbus_frame import Foreign, Question, Refused
from agent.sensors.registers import SPACES
from hil.fuzz.oracle import same
from hil.fuzz.uplink import live_values

_METER = profile.load("generic")


def modbus(data: bytes) -> None:
    """The answer to a question that the first bytes choose, over TCP and on a serial line."""
    if len(data) < 3:
        return
    question = Question(data[0] or 1, SPACES[data[1] % len(SPACES)], 100, 1 + data[2] % 125)
    said = data[3:]
    for answer in (_rtu, _tcp):
        with contextlib.suppress(Foreign, Refused):
            words = answer(question, said)
            same(len(words), question.count, "registers that were asked for")
            _METER.values({read: _wide(words, read.count) for read in _METER.reads})


def _rtu(question: Question, said: bytes) -> list[int]:
    length = modbus_frame.rtu_length(question, said[:3])
    frame = said[: length - 2]
    crc = FramerRTU.compute_CRC(frame).to_bytes(2, "big")
    with contextlib.suppress(Foreign, Refused):
        modbus_frame.rtu_answer(question, said[:length])
    return modbus_frame.rtu_answer(question, frame + crc)


def _tcp(question: Question, said: bytes) -> list[int]:
    length = modbus_frame.tcp_length(7, said[: modbus_frame.TCP_HEAD])
    body = said[modbus_frame.TCP_HEAD :][:length]
    return modbus_frame.tcp_answer(question, body)


def _wide(words: list[int], count: int) -> list[int]:
    """As many as the meter has, again and again from these."""
    return [words[n % len(words)] & 0xFFFF for n in range(count)]


def modbus_examples() -> Iterator[bytes]:
    """Answers of each space and a refusal, in both forms."""
    for number, space in enumerate(SPACES):
        question = Question(1, space, 100, 3)
        size = question.data_bytes
        pdu = bytes([question.function, size]) + bytes(range(size))
        yield bytes([1, number, 2, 1]) + pdu
        yield bytes([1, number, 2]) + b"\x00\x07\x00\x00" + bytes([0, 1 + len(pdu), 1]) + pdu
    yield bytes([1, 0, 2, 1]) + bytes([Question(1, SPACES[0], 0, 1).function | 0x80, 2])


def digitiser(data: bytes) -> None:
    """A serial line's bytes, whole and in pieces, as frames into blocks.

    What stands between newlines is also framed and sealed, and comes behind it.
    """
    sealed = b"".join(
        digitiser_frame._framed(part[:1024])  # noqa: SLF001  as somebody who knows the CRC
        for part in data.split(b"\n\n")
        if part
    )
    whole = digitiser_frame.Decoder().feed(data + sealed)
    pieces, parts = digitiser_frame.Decoder(), []
    for at in range(0, len(data + sealed), 7):
        parts += pieces.feed((data + sealed)[at : at + 7])
    same(len(parts), len(whole), "frames in pieces")
    assembler = Assembler("wire")
    for number, item in enumerate(whole):
        assembler.hear([item], number * 1000)
    assembler.flush()


def digitiser_examples() -> Iterator[bytes]:
    """An announcement and samples, as bytes of a line and as bodies to be sealed."""
    channels = [("ia", "A", "A", (1, 10)), ("ua", "V", "A", (1, 1))]
    announced = digitiser_frame.Announcement(7, (4000, 1), channels, ["switch"], "board", 50)
    one = digitiser_frame.announcement_frame(announced)
    two = digitiser_frame.samples_frame(7, 1, 0, 0, bytes(5) * 20)
    yield one + two
    bodies = [digitiser_frame.unstuffed(each.strip(b"\0")) or b"" for each in (one, two)]
    yield b"\n\n".join(body[:-4] for body in bodies)


def live(data: bytes) -> None:
    """A datagram on the socket between guard and link."""
    receiver = LiveReceiver(live_values)
    receiver.datagram_received(data, None)


def live_examples() -> Iterator[bytes]:
    """What guard sends."""
    meter = {"bay": "head", "currents": [1.0, None, 2.0], "voltages": [5000.0, 1.0, None]}
    messages: tuple[dict[str, object], ...] = ({"grew": True}, {"meters": [meter]}, {"meters": []})
    for message in messages:
        yield json.dumps(message).encode()
