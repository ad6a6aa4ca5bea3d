"""Frames of sampled values as Wireshark's dissector reads them: somebody else's decoder."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hil.errors import BenchError
from hil.instruments.sv_frame import SvStream, tlv

if shutil.which("tshark") is None:
    pytest.skip("tshark, the independent decoder, is not installed", allow_module_level=True)

FIELDS = ("appid", "length", "noASDU", "svID", "smpCnt", "confRev", "smpSynch", "smpRate", "smpMod")
SEVEN = np.arange(8 * 7, dtype=np.int32).reshape(8, 7) * 1_000_003 - 20_000_000


def decoded(frames: list[bytes], folder: Path) -> list[dict[str, list[str]]]:
    """Of each frame the values of every field, in order."""
    capture = folder / "frames.pcap"
    records = (struct.pack("<IIII", 0, 0, len(f), len(f)) + f for f in frames)
    capture.write_bytes(
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1) + b"".join(records)
    )
    names = [f"sv.{field}" for field in FIELDS] + ["sv.meas_value", "sv.meas_quality"]
    names += ["vlan.id", "vlan.priority", "eth.dst", "_ws.malformed"]
    done = subprocess.run(
        ["tshark", "-r", str(capture), "-o", "sv.decode_data_as_phsmeas:TRUE", "-T", "fields"]
        + [word for name in names for word in ("-e", name)],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [dict(zip(names, (cell.split(",") for cell in row), strict=True)) for row in rows]


def sent(stream: SvStream, values: np.ndarray[tuple[int, int], np.dtype[np.int32]]) -> list[bytes]:
    qualities = np.array([0, 0, 0, 0x2000, 0, 0, 0, 3], dtype=np.int32)
    return [row.tobytes() for row in stream.frames(values, qualities, 3996)]


def test_one_sample_a_frame_as_in_9_2le(tmp_path: Path) -> None:
    frames = decoded(sent(SvStream("FTU1MU01"), SEVEN), tmp_path)

    assert [frame["sv.smpCnt"] for frame in frames] == [
        ["3996"], ["3997"], ["3998"], ["3999"], ["0"], ["1"], ["2"],
    ]  # fmt: skip
    for k, frame in enumerate(frames):
        assert [int(value) for value in frame["sv.meas_value"]] == list(SEVEN[:, k])
        assert [int(q, 16) for q in frame["sv.meas_quality"]] == [0, 0, 0, 0x2000, 0, 0, 0, 3]
        assert frame["sv.svID"] == ["FTU1MU01"]
        assert (frame["sv.confRev"], frame["sv.smpSynch"]) == (["1"], ["1"])
        assert (frame["sv.smpRate"], frame["sv.smpMod"]) == (["4000"], ["1"])
        assert frame["eth.dst"] == ["01:0c:cd:04:00:00"]
        assert (frame["sv.appid"], frame["_ws.malformed"]) == (["0x4000"], [""])


@pytest.mark.parametrize("asdus", [2, 8])
def test_several_samples_a_frame(asdus: int, tmp_path: Path) -> None:
    values = np.arange(8 * 16, dtype=np.int32).reshape(8, 16)
    stream = SvStream("ABB_MU_0123456789_0123456789_012345", 4000, asdus, vlan=5)

    frames = decoded(sent(stream, values), tmp_path)

    assert len(frames) == 16 // asdus
    seen = [int(value) for frame in frames for value in frame["sv.meas_value"]]
    assert seen == list(values.T.ravel())
    counts = [int(count) for frame in frames for count in frame["sv.smpCnt"]]
    assert counts == [(3996 + k) % 4000 for k in range(16)]
    for frame in frames:
        assert frame["sv.noASDU"] == [str(asdus)]
        assert frame["sv.svID"] == [stream.sv_id] * asdus
        assert (frame["vlan.id"], frame["vlan.priority"]) == (["5"], ["4"])
        assert frame["_ws.malformed"] == [""]


def test_the_length_in_the_header_is_that_of_the_frame() -> None:
    (frame,) = sent(SvStream("X", asdus=8), np.zeros((8, 8), dtype=np.int32))

    assert int.from_bytes(frame[16:18], "big") == len(frame) - 14


@pytest.mark.parametrize(
    ("size", "begin"),
    [(5, b"\x30\x05"), (127, b"\x30\x7f"), (128, b"\x30\x81\x80"), (300, b"\x30\x82\x01\x2c")],
)
def test_lengths_are_written_as_ber_says(size: int, begin: bytes) -> None:
    assert tlv(0x30, bytes(size)) == begin + bytes(size)


def test_what_does_not_fit_a_frame_is_refused() -> None:
    with pytest.raises(BenchError, match="3 samples a frame at 4000 Hz; expected 1 to 8 that"):
        SvStream("X", asdus=3)
    with pytest.raises(BenchError, match="sv_id does not fit; expected 1 to 35 ASCII"):
        SvStream("")
