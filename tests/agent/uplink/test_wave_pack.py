"""A packed record: golden vectors that an implementer in any language can test against.

`vectors_waves.json` holds each as bytes and as what they say. The truth is the slow reader of
wave_scenarios.py, written from ftu.cddl; `python -m tests.agent.uplink.test_wave_pack` makes the
file anew when the format gets another version.
"""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import wave_vectors
from agent.uplink import wave_channel, wave_pack
from tests.agent.uplink.wave_scenarios import TUNED_4K, noise, read, swing

PACK = "agent.uplink.wave_pack"
VECTORS = Path(__file__).with_name("vectors_waves.json")
HEAD = {
    "station": "hebin ftu-7",
    "bay": "head",
    "boot": 3,
    "mono_us": 400_000,
    "utc_us": 1_795_478_400_123_456,
    "source": 2,
    "error_us": 1_501,
    "trigger_us": 25_250,
    "local_offset_min": 480,
    "nominal_hz": 50,
    "rate_numerator": 4000,
    "rate_denominator": 1,
    "tuned": TUNED_4K,
    "origin": 51_200,
}
AMPS = ("A", "A", (1374431479040039, -51), (0, 0))
FAULT = [x // 20 for x in swing(100, 9000, TUNED_4K)] + swing(100, 9000, TUNED_4K, 400)

# name: head, runs, channels, samples, notes
Vector = tuple[dict[str, Any], list[Any], list[Any], list[list[int]], bytes]
MADE: dict[str, Vector] = {
    "a-fault-of-two-channels": (
        HEAD,
        [(0, 200, -12_800_000)],
        [("ia", *AMPS), ("u0", "N", "V", (1, -3), (-1, -1))],
        [FAULT, [each + 2 * extra for each, extra in zip(FAULT, noise(5, 200, 2), strict=True)]],
        zlib.compress(b"[ftu-agent Record #1]\r\nversion=1\fover"),
    ),
    "a-gap-and-a-slewed-clock": (
        HEAD | {"error_us": 0, "source": 0, "trigger_us": -3, "local_offset_min": -210},
        [(0, 10, -12_800_000), (5, 10, -12_800_000), (0, 20, -12_799_999)],
        [("信号 1", "", "", (1, 0), (0, 0))],
        [noise(3, 40, 30)],
        b"",
    ),
    "32-bits-and-no-constant": (
        HEAD | {"tuned": 0, "nominal_hz": 60, "rate_numerator": 333_333, "rate_denominator": 100},
        [(0, 130, 0)],
        [("x", "", "", (1, 0), (0, 0))],
        [[0] * 128 + [2147483647, -2147483648]],
        b"",
    ),
}


def packed(vector: Vector) -> bytes:
    return wave_pack.pack(*vector)


def told(name: str) -> dict[str, Any]:
    """What a vector says, as JSON has it."""
    head, runs, channels, samples, notes = MADE[name]
    said = {"runs": runs, "channels": channels, "samples": samples, "notes": notes.hex()}
    plain: dict[str, Any] = json.loads(json.dumps({**head, **said}))
    return plain


@pytest.mark.parametrize("name", MADE)
def test_a_vector_says_what_it_said_when_it_was_made_to_every_reader(board: Any, name: str) -> None:
    vector = json.loads(VECTORS.read_text())[name]
    data = bytes.fromhex(vector["hex"])
    head, runs, channels, samples, notes = MADE[name]
    assert vector["says"] == told(name)
    assert read(data) == vector["says"]
    assert wave_pack.unpack(data) == (head, runs, channels, samples, notes)
    fast = wave_pack.unpack(data, wave_vectors.unpack)
    assert [row.tolist() for row in fast[3]] == samples
    assert board([(PACK, "unpack", [data])]) == [(head, runs, channels, samples, notes)]


@pytest.mark.parametrize("name", MADE)
def test_a_vector_is_written_as_it_was_by_every_writer(board: Any, name: str) -> None:
    data = bytes.fromhex(json.loads(VECTORS.read_text())[name]["hex"])
    head, runs, channels, samples, notes = MADE[name]
    assert packed(MADE[name]) == data
    rows = np.array(samples)
    assert wave_pack.pack(head, runs, channels, rows, notes, wave_vectors.pack) == data
    assert board([(PACK, "pack", [head, runs, channels, samples, notes])]) == [data]


def sealed(data: bytes) -> bytes:
    """With a checksum that fits, as a sender that means harm would make it."""
    return data + struct.pack(">I", zlib.crc32(data))


@given(st.sampled_from(sorted(MADE)), st.integers(0, 1 << 16), st.integers(0, 255), st.booleans())
def test_bytes_that_were_changed_are_refused_or_open_within_the_limits(
    name: str, at: int, byte: int, seal: bool
) -> None:
    data = bytearray(packed(MADE[name]))
    at %= len(data) - 4
    changed = data[at] != byte
    data[at] = byte
    try:
        _, runs, channels, samples, _ = wave_pack.unpack(
            sealed(bytes(data[:-4])) if seal else bytes(data), wave_vectors.unpack
        )
    except ValueError:
        return
    assert seal or not changed
    assert len(samples) == len(channels) <= wave_pack.MOST_CHANNELS
    assert all(len(row) == sum(run[1] for run in runs) for row in samples)


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_a_record_or_one_clear_error(data: bytes, lead: bool) -> None:
    if lead:
        data = sealed(b"FTUW\x01" + struct.pack(">I", max(0, len(data) - 9)) + data)
    with pytest.raises(ValueError, match="expected"):
        wave_pack.unpack(data)


@pytest.mark.parametrize(
    ("number", "channels"),
    [
        pytest.param(wave_pack.MOST_SAMPLES + 1, 1, id="too-many-samples"),
        pytest.param(wave_pack.MOST_VALUES // 16 + 1, 16, id="too-many-values"),
        pytest.param(0, 1, id="none"),
    ],
)
def test_a_few_bytes_cannot_ask_for_any_memory(number: int, channels: int) -> None:
    head, _, rows, _, _ = MADE["32-bits-and-no-constant"]
    with pytest.raises(ValueError, match="expected"):
        wave_pack.pack(head, [(0, number, 0)], rows * channels, [])


def test_each_block_of_samples_costs_a_byte_so_that_a_bomb_is_as_large_as_what_it_makes() -> None:
    still = wave_channel.pack([5] * 4096, 0)
    assert len(still) >= 4096 // wave_channel.BLOCK
    with pytest.raises(ValueError, match="expected"):
        wave_channel.unpack(still[:8], 4096, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"rate_denominator": 0},
        {"nominal_hz": 0},
        {"tuned": 1 << 20},
        {"station": "x" * 129},
        {"utc_us": -1},
        {"source": 256},
    ],
)
def test_what_no_head_can_say_is_not_written(change: dict[str, Any]) -> None:
    head, runs, channels, samples, notes = MADE["a-gap-and-a-slewed-clock"]
    with pytest.raises(ValueError, match="expected"):
        wave_pack.pack(head | change, runs, channels, samples, notes)


def test_a_head_of_a_later_version_may_say_more() -> None:
    data = packed(MADE["a-gap-and-a-slewed-clock"])
    size = struct.unpack(">I", data[5:9])[0]
    longer = (
        data[:5] + struct.pack(">I", size + 3) + data[9 : 9 + size] + b"new" + data[9 + size : -4]
    )
    assert wave_pack.unpack(sealed(longer)) == wave_pack.unpack(data)


if __name__ == "__main__":
    lines = {name: {"hex": packed(each).hex(), "says": told(name)} for name, each in MADE.items()}
    VECTORS.write_text(json.dumps(lines, indent=1, ensure_ascii=False) + "\n")
