"""What is said on a Modbus line: questions into bytes, and bytes into answers that fit them.

Only reading is spoken. pymodbus writes the requests, behind this file; whether a frame is the
answer to the question is checked here, since pymodbus searches a buffer for anything that could be
one, and with that its data is at hand. Pure: bytes in, bytes and registers out.
"""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass
from functools import lru_cache

from pymodbus.framer.rtu import FramerRTU
from pymodbus.framer.socket import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from agent.sensors.registers import BIT_SPACES

# What goes wrong is told by notices, once; pymodbus would log every frame of it.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_REQUESTS = {
    "holding": ReadHoldingRegistersRequest,
    "input": ReadInputRegistersRequest,
    "coil": ReadCoilsRequest,
    "discrete": ReadDiscreteInputsRequest,
}
_DECODER = DecodePDU(is_server=False)
_RTU, _TCP = FramerRTU(_DECODER), FramerSocket(_DECODER)

EXCEPTION = 0x80  # added to the function code by a device that refuses (application protocol, 7)
RTU_OVERHEAD = 5  # unit, function, byte count, two bytes of CRC
RTU_REFUSAL = 5  # unit, function, code, two bytes of CRC
TCP_HEAD = 6  # transaction, protocol, length
LONGEST_TCP_BODY = 254  # unit and the longest PDU (application protocol, 4.1)


class Foreign(Exception):
    """Bytes that are not the answer to the question."""


class Refused(Exception):
    """The device's own answer is that it will not tell; `code` is the standard's (7)."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"exception {code}")


@dataclass(frozen=True, slots=True)
class Question:
    """`count` registers or bits of one space of one unit, from `address` on."""

    unit: int
    space: str
    address: int
    count: int

    @property
    def function(self) -> int:
        """The function code that asks it."""
        return int(_REQUESTS[self.space].function_code)

    @property
    def data_bytes(self) -> int:
        """Bytes of data in its answer."""
        return (self.count + 7) // 8 if self.space in BIT_SPACES else 2 * self.count


def rtu_request(question: Question) -> bytes:
    """The question as it goes out on a serial line."""
    return bytes(_RTU.buildFrame(_request(question, 0)))


def rtu_length(question: Question, begun: bytes) -> int:
    """Length of the answer that begins so. Raises: Foreign as soon as it can be none."""
    expected = bytes((question.unit, question.function))
    refusal = bytes((question.unit, question.function | EXCEPTION))
    if begun[:2] == refusal[: len(begun)] != expected[: len(begun)]:
        return RTU_REFUSAL
    if begun[:2] != expected[: len(begun)]:
        raise Foreign(f"begins with {begun[:2].hex()}")
    return RTU_OVERHEAD + question.data_bytes


def rtu_answer(question: Question, frame: bytes) -> list[int]:
    """Registers or bits of a whole frame. Raises: Foreign, Refused."""
    if len(frame) != rtu_length(question, frame):
        raise Foreign(f"{len(frame)} bytes")
    if FramerRTU.compute_CRC(frame[:-2]) != int.from_bytes(frame[-2:], "big"):
        raise Foreign("wrong CRC")
    return _data(question, frame[1:-2])


def tcp_request(question: Question, number: int) -> bytes:
    """The question as it goes to a TCP server; `number` is its transaction."""
    return number.to_bytes(2, "big") + _tcp_request(question)


@lru_cache(maxsize=256)  # one meter's reads are few, and asked for ever
def _tcp_request(question: Question) -> bytes:
    return bytes(_TCP.buildFrame(_request(question, 0)))[2:]


def tcp_length(number: int, head: bytes) -> int:
    """Length of the body behind this head. Raises: Foreign when it is another's."""
    if len(head) != TCP_HEAD:
        raise Foreign(f"head {head.hex()}")
    length: int
    transaction, protocol, length = struct.unpack(">HHH", head)
    if transaction != number or protocol or not 3 <= length <= LONGEST_TCP_BODY:
        raise Foreign(f"head {head.hex()}")
    return length


def tcp_answer(question: Question, body: bytes) -> list[int]:
    """Registers or bits of a whole body. Raises: Foreign, Refused."""
    if body[:1] != bytes((question.unit,)):
        raise Foreign(f"begins with {body[:2].hex()}")
    return _data(question, body[1:])


def _request(question: Question, number: int) -> ModbusPDU:
    request = _REQUESTS[question.space]
    return request(
        address=question.address,
        count=question.count,
        dev_id=question.unit,
        transaction_id=number,
    )


def _data(question: Question, pdu: bytes) -> list[int]:
    """What the PDU tells, once function, byte count and length are those of the question."""
    if len(pdu) == 2 and pdu[0] == question.function | EXCEPTION:
        raise Refused(pdu[1])
    size = question.data_bytes
    if pdu[:2] != bytes((question.function, size)) or len(pdu) != 2 + size:
        raise Foreign(f"begins with {pdu[:2].hex()}")
    if question.space in BIT_SPACES:  # the lowest bit of the first byte first (6.1)
        return [pdu[2 + k // 8] >> k % 8 & 1 for k in range(question.count)]
    return list(struct.unpack_from(f">{question.count}H", pdu, 2))
