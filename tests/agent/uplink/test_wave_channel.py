"""The samples of a channel: three readers and three writers agree to the last bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent import wave_vectors
from agent.uplink import wave_channel
from tests.agent.uplink import wave_scenarios
from tests.agent.uplink.wave_scenarios import CHANNELS, TUNED_4K

CHANNEL = "agent.uplink.wave_channel"
COUNTS = st.one_of(
    st.integers(-(1 << 31), (1 << 31) - 1),
    st.integers(-(1 << 15), (1 << 15) - 1),
    st.integers(-4, 4),
)
TUNED = st.sampled_from([0, TUNED_4K, -16384, 32768, -32768])


@pytest.mark.parametrize("name", CHANNELS)
def test_what_is_packed_comes_back_whoever_packs_and_whoever_reads(board: Any, name: str) -> None:
    samples, tuned = CHANNELS[name]
    packed = wave_channel.pack(samples, tuned)
    assert wave_vectors.pack(np.array(samples, dtype=np.int64), tuned) == packed
    assert wave_channel.unpack(packed, len(samples), tuned) == samples
    assert wave_vectors.unpack(packed, len(samples), tuned).tolist() == samples
    letters = "".join(f"{byte:08b}" for byte in packed)
    assert wave_scenarios.channel(letters, len(samples), tuned) == samples
    calls = [
        (CHANNEL, "pack", [samples, tuned]),
        (CHANNEL, "unpack", [packed, len(samples), tuned]),
    ]
    assert board(calls) == [packed, samples]


@given(st.lists(COUNTS, max_size=300), TUNED)
@example([0] * 127 + [1 << 30], 0)
def test_any_samples_come_back_and_both_writers_write_the_same(
    samples: list[int], tuned: int
) -> None:
    packed = wave_channel.pack(samples, tuned)
    assert wave_vectors.pack(np.array(samples, dtype=np.int64), tuned) == packed
    assert wave_channel.unpack(packed, len(samples), tuned) == samples
    assert wave_vectors.unpack(packed, len(samples), tuned).tolist() == samples


@given(st.binary(max_size=200), st.integers(0, 400), TUNED)
def test_any_bytes_are_samples_or_one_clear_error_to_both_readers_alike(
    data: bytes, count: int, tuned: int
) -> None:
    read: list[Any] = []
    for reader in (wave_channel.unpack, wave_vectors.unpack):
        try:
            read.append([int(sample) for sample in reader(data, count, tuned)])
        except ValueError as error:
            assert "expected" in str(error)
            read.append(None)
    assert read[0] == read[1]
    assert read[0] is None or len(read[0]) == count


@given(st.sampled_from(sorted(CHANNELS)), st.data())
def test_a_flipped_bit_is_the_same_to_both_readers(name: str, data: st.DataObject) -> None:
    samples, tuned = CHANNELS[name]
    packed = bytearray(wave_channel.pack(samples, tuned))
    bit = data.draw(st.integers(0, 8 * len(packed) - 1))
    packed[bit // 8] ^= 1 << bit % 8
    read: list[Any] = []
    for reader in (wave_channel.unpack, wave_vectors.unpack):
        try:
            read.append([int(sample) for sample in reader(bytes(packed), len(samples), tuned)])
        except ValueError:
            read.append(None)
    assert read[0] == read[1]


@pytest.mark.parametrize("pack", [wave_channel.pack, wave_vectors.pack])
def test_a_sample_beyond_32_bits_is_refused(pack: Any) -> None:
    with pytest.raises(ValueError, match="32"):
        pack(np.array([0, 1 << 31], dtype=object).astype(np.int64).tolist(), 0)


@pytest.mark.parametrize("rate", [(4000, 1), (12800, 1), (1599, 2), (51_200, 1), (333_333, 100)])
@pytest.mark.parametrize("hz", [16, 50, 60])
def test_the_constant_of_a_rate_is_the_cosine_that_mathematics_knows(
    board: Any, rate: tuple[int, int], hz: int
) -> None:
    expected = round(2 * math.cos(2 * math.pi * hz * rate[1] / rate[0]) * (1 << 14))
    assert wave_channel.tuned_to(rate, hz) == expected
    assert board([(CHANNEL, "tuned_to", [rate, hz])]) == [expected]


def test_no_constant_where_a_cycle_has_not_two_samples() -> None:
    assert [wave_channel.tuned_to(rate, 50) for rate in ((100, 1), (99, 1), (0, 1))] == [0, 0, 0]


def test_a_pure_sine_costs_next_to_nothing_where_its_frequency_is_told() -> None:
    samples = wave_scenarios.swing(3200, 9000, TUNED_4K)
    told = len(wave_channel.pack(samples, TUNED_4K))
    assert told < len(wave_channel.pack(samples, 0)) / 50
