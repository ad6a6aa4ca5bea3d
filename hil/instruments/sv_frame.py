"""Frames of sampled values: IEC 61850-9-2 with the data set and the scales of 9-2LE.

Ethernet type 0x88BA, then APPID, length, two reserved words, and the APDU in BER (9-2 clause 8.5):
    savPdu [APPLICATION 0]: noASDU [0], seqASDU [2] of ASDU: svID [0], smpCnt [2], confRev [3],
    smpSynch [5], smpRate [6], sample [7], smpMod [8].
A sample is eight pairs of INT32 and quality: currents A B C N [mA], voltages A B C N [10 mV],
primary. Pure; what plays them is sampled_values.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hil.errors import BenchError

ETHERTYPE = 0x88BA
# The data set PhsMeas1 of 9-2LE, in its order, by our roles; and primary units a count.
ROLES = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0")
SCALES = np.array([1e-3] * 4 + [1e-2] * 4)
DERIVED = 0x2000  # quality of a neutral that is reckoned from the phases (9-2LE, table 9)
PER_SECOND = 1  # smpMod: smpRate counts samples a second
LONGEST_ID = 35  # characters of svID (9-2LE, 34; IEC 61869-9, 35)

Values = npt.NDArray[np.int32]
Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class SvStream:
    """What is the same in all frames of a stream.

    rate_hz, asdus: samples a second and how many stand in a frame: 4000 and 1 are 9-2LE's for
        protection at 50 Hz, 12800 and 8 its for measuring, 4800 and 2 the choice of IEC 61869-9.
    synch: 0 not synchronised, 1 to a clock of the place, 2 to a global one.
    vlan: number of the virtual network, priority 4; None: frames without a tag.
    """

    sv_id: str
    rate_hz: int = 4000
    asdus: int = 1
    app_id: int = 0x4000
    conf_rev: int = 1
    synch: int = 1
    destination: bytes = bytes.fromhex("010ccd040000")  # multicast set aside for sampled values
    source: bytes = bytes.fromhex("020000000001")
    vlan: int | None = None

    def __post_init__(self) -> None:
        where = f"sampled values {self.sv_id}"
        if not (0 < len(self.sv_id) <= LONGEST_ID and self.sv_id.isascii()):
            raise BenchError(where, "sv_id does not fit", f"1 to {LONGEST_ID} ASCII characters")
        if not 1 <= self.asdus <= 8 or self.rate_hz % self.asdus:
            told = f"{self.asdus} samples a frame at {self.rate_hz} Hz"
            raise BenchError(where, told, "1 to 8 that divide the rate")

    def frames(self, values: Values, qualities: Values, first: int) -> Frames:
        """One frame a row, for samples whose first has the number `first` since a full second.

        values: counts of the data set, shape (8, n), n a multiple of asdus. qualities: shape (8,).
        """
        pairs = np.empty((values.shape[1], len(ROLES), 2), dtype=">i4")
        pairs[:, :, 0] = values.T
        pairs[:, :, 1] = qualities
        samples = pairs.view(np.uint8).reshape(-1, self.asdus, 8 * len(ROLES))
        numbers = ((first + np.arange(values.shape[1])) % self.rate_hz).astype(">u2")
        counts = numbers.view(np.uint8).reshape(-1, self.asdus, 2)
        head, asdu, count_at, sample_at = self._template()
        frames = np.tile(np.frombuffer(head + asdu * self.asdus, np.uint8), (len(samples), 1))
        for k in range(self.asdus):
            begin = len(head) + k * len(asdu)
            frames[:, begin + count_at : begin + count_at + 2] = counts[:, k]
            frames[:, begin + sample_at : begin + sample_at + samples.shape[2]] = samples[:, k]
        return frames

    def _template(self) -> tuple[bytes, bytes, int, int]:
        """All before the ASDUs; one ASDU; where in it smpCnt and the sample stand."""
        name = tlv(0x80, self.sv_id.encode())
        middle = tlv(0x83, self.conf_rev.to_bytes(4, "big")) + tlv(0x85, bytes((self.synch,)))
        middle += tlv(0x86, self.rate_hz.to_bytes(2, "big"))
        sample, mode = tlv(0x87, bytes(8 * len(ROLES))), tlv(0x88, PER_SECOND.to_bytes(2, "big"))
        content = name + tlv(0x82, bytes(2)) + middle + sample + mode
        asdu = tlv(0x30, content)
        begin = len(asdu) - len(content) + len(name)
        inner = tlv(0x80, bytes((self.asdus,))) + tlv(0xA2, asdu * self.asdus)
        apdu = tlv(0x60, inner)
        head = self._ethernet(len(apdu)) + apdu[: len(apdu) - self.asdus * len(asdu)]
        return head, asdu, begin + 2, begin + 4 + len(middle) + 2

    def _ethernet(self, apdu_bytes: int) -> bytes:
        tag = b"" if self.vlan is None else b"\x81\x00" + (4 << 13 | self.vlan).to_bytes(2, "big")
        length = (apdu_bytes + 8).to_bytes(2, "big")  # with APPID, itself and the reserved words
        kind = ETHERTYPE.to_bytes(2, "big") + self.app_id.to_bytes(2, "big")
        return self.destination + self.source + tag + kind + length + bytes(4)


def tlv(tag: int, content: bytes) -> bytes:
    """Tag, length (in the short form where it fits) and content. Source: BER, X.690 clause 8.1."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(digits))) + digits + content
