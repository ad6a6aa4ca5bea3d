"""Frames into blocks: exactly what was sampled, at its index, with gaps where some is missing."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.records import Block, Notice, Quality
from agent.sensors.digitiser_blocks import MOST_OLD, Assembler
from agent.sensors.digitiser_frame import GAP, OVERRANGE, Announcement, Samples

RATE_HZ = 4000
CHANNELS = (("ia", "A", "A", (1, 2)), ("ua", "V", "A", (1, 4)))
QUARTER = RATE_HZ // 240


def announced(stream: int = 1, rate_hz: int = RATE_HZ, **other: Any) -> Announcement:
    return Announcement(stream, (rate_hz, 1), CHANNELS, **other)


class Board:
    """Sends frames of two channels; sample k is (k, -k) modulo 10000: one knows it again."""

    def __init__(self, sensor: str = "s", announcement: Announcement | None = None) -> None:
        self.assembler = Assembler(sensor)
        self.announcement = announcement or announced()
        self.at_us = 0
        self.told: list[Any] = self.assembler.hear([self.announcement], 0)
        self.index = self.number = 0
        self.begun = 0  # sample whose index in its stream is 0

    def frame(self, sets: int, *, arrives: bool = True, flags: int = 0) -> None:
        """The next samples; time goes on by them."""
        first, self.index = self.index, self.index + sets
        self.at_us = self.index * 1_000_000 // RATE_HZ
        data = b"".join(sample(k) for k in range(first, self.index))
        item = Samples(self.announcement.stream, self.number, first - self.begun, flags, sets, data)
        self.number = (self.number + 1) % 65536
        if arrives:
            self.told += self.assembler.hear([item], self.at_us + 100)

    def blocks(self) -> list[Block]:
        self.told += self.assembler.flush()
        return [item for item in self.told if isinstance(item, Block)]

    def notices(self) -> list[Notice]:
        return [item for item in self.told if isinstance(item, Notice)]

    def restart(self, stream: int) -> None:
        self.announcement = announced(stream)
        self.begun, self.number = self.index, 0
        self.told += self.assembler.hear([self.announcement], self.at_us)


def sample(k: int) -> bytes:
    return struct.pack("<2h", k % 10_000, -(k % 10_000))


def seen(blocks: list[Block]) -> dict[int, tuple[float, float]]:
    """Index to counts; an index stands once."""
    table: dict[int, tuple[float, float]] = {}
    for block in blocks:
        for k in range(block.counts.shape[1]):
            assert block.first + k not in table
            table[block.first + k] = (block.counts[0, k], block.counts[1, k])
    return table


@given(
    st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1, max_size=80).map(
        # What arrives first begins the axis of indices.
        lambda sent: [(1, True), (850, True), *sent]
    )
)
def test_every_sample_stands_at_its_index_or_nowhere_and_a_loss_is_a_gap(
    sent: list[tuple[int, bool]],
) -> None:
    board = Board()
    expected = {}
    for sets, arrives in sent:
        if arrives:
            for k in range(board.index, board.index + sets):
                expected[k] = (float(k % 10_000), -float(k % 10_000))
        board.frame(sets, arrives=arrives)

    blocks = board.blocks()

    assert seen(blocks) == expected
    index, latest_us = 0, -1
    for block in blocks:
        assert (block.quality == Quality.GAP) == (block.first != index)
        index = block.first + block.counts.shape[1]
        assert 1 <= block.counts.shape[1] <= QUARTER
        assert block.counts.flags.c_contiguous or block.counts.base is not None
        assert block.sample_us(block.first) > latest_us
        latest_us = block.sample_us(index - 1)
        # Samples are stamped with the time at which they were taken, and what they needed to come.
        assert abs(latest_us - (index * 1_000_000 // RATE_HZ)) <= 1000


def test_small_frames_are_gathered_for_an_eighth_of_a_cycle() -> None:
    board = Board()
    for _ in range(RATE_HZ):
        board.frame(1)
    sizes = {block.counts.shape[1] for block in board.blocks()[:-1]}
    assert sizes == {-(-RATE_HZ // 480)}


def test_a_layout_has_exact_rate_and_scales_and_contacts_behind_the_channels() -> None:
    names = [f"c{k}" for k in range(10)]
    board = Board(announcement=Announcement(1, (12_800, 3), CHANNELS, names))
    bits = (0b1000_0001, 0b10)
    item = Samples(1, 0, 0, 0, 1, sample(5) + bytes(bits))
    board.assembler.hear([item], 0)
    later = Samples(1, 1, 1, 0, 1, sample(6) + bytes(2))

    told = board.assembler.hear([later], 1_000_000) + board.assembler.flush()
    (block,) = [item for item in told if isinstance(item, Block)]

    layout = block.layout
    assert (layout.rate_hz, layout.channels[1].scale) == (Fraction(12_800, 3), 0.25)
    assert [channel.name for channel in layout.channels] == ["ia", "ua", *names]
    assert block.counts[:, 0].tolist() == [5, -5, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1]
    assert block.counts[:, 1].tolist() == [6, -6] + [0] * 10


def test_flags_of_a_frame_are_the_quality_of_its_block() -> None:
    board = Board()
    for flags in [0] * 60 + [OVERRANGE, 0, GAP, 0]:
        board.frame(16, flags=flags)
    qualities = [block.quality for block in board.blocks()]
    assert qualities[60:] == [Quality.OVERRANGE, Quality.GOOD, Quality.GAP, Quality.GOOD]
    assert not any(qualities[:60])


def test_a_repeated_announcement_is_no_news_and_keeps_the_layout() -> None:
    board = Board()
    for _ in range(100):
        board.frame(16)
        board.told += board.assembler.hear([announced()], board.at_us)
    assert [notice.state for notice in board.notices()] == ["live"]
    assert len({id(block.layout) for block in board.blocks()}) == 1
    assert board.notices()[0].detail == "a digitiser: 4000 Hz, ia ua"


def test_a_digitiser_that_begins_anew_goes_on_at_its_instant_behind_a_gap() -> None:
    board = Board()
    for _ in range(100):
        board.frame(16)
    board.index += 4000  # a second to start
    board.restart(2)
    for _ in range(100):
        board.frame(16)

    blocks = board.blocks()

    (gap,) = [block for block in blocks if block.quality]
    assert gap.first == 1600 + 4000
    assert gap.counts[0, 0] == 5600
    assert [notice.state for notice in board.notices()] == ["live", "reconnected"]
    assert len({id(block.layout) for block in blocks}) == 1
    assert abs(blocks[-1].start_us - blocks[0].start_us) <= 250  # half a sample, and the ways


def test_one_that_begins_anew_under_its_old_number_is_found_out_by_its_indices() -> None:
    board = Board()
    for _ in range(100):
        board.frame(16)
    board.begun, board.number = board.index, 0
    for _ in range(100):
        board.frame(16)

    blocks = board.blocks()

    (gap,) = [block for block in blocks if block.quality]
    assert gap.first == 1600 + 16 * (MOST_OLD + 1)
    assert gap.counts[0, 0] == gap.first


def test_a_frame_that_comes_again_is_told_once() -> None:
    board = Board()
    for _ in range(60):
        board.frame(16)
        again = Samples(1, (board.number - 1) % 65536, board.index - 16, 0, 16, sample(1) * 16)
        board.told += board.assembler.hear([again], board.at_us + 150)
    assert seen(board.blocks()).keys() == set(range(960))
    assert board.assembler.lost_frames == 0


def test_another_device_is_another_layout_on_an_axis_of_its_own() -> None:
    board = Board()
    for _ in range(100):
        board.frame(16)
    board.announcement = announced(7, device="spare")
    board.begun = board.index
    board.told += board.assembler.hear([board.announcement], board.at_us)
    for _ in range(100):
        board.frame(16)

    blocks = board.blocks()

    assert len({id(block.layout) for block in blocks}) == 2
    spare = [block for block in blocks if block.layout is blocks[-1].layout]
    assert (spare[0].first, spare[0].counts[0, 0]) == (0, 1600)
    assert board.notices()[-1].detail == "spare: 4000 Hz, ia ua"


@pytest.mark.parametrize("rate_hz", [799, 51_201])
def test_a_rate_that_detection_cannot_take_is_told_and_nothing_delivered(rate_hz: int) -> None:
    board = Board(announcement=announced(rate_hz=rate_hz))
    for _ in range(100):
        board.frame(16)
    assert board.blocks() == []
    (told,) = board.notices()
    assert (told.state, told.detail) == (
        "lying",
        f"a digitiser: {rate_hz} Hz; expected 800 to 51200",
    )


def test_a_sampler_that_stood_still_goes_on_later_not_stretched() -> None:
    board = Board()
    for _ in range(200):
        board.frame(16)
    board.assembler.hear([], board.at_us)
    stood_us = 10_000_000
    for _ in range(2000):
        first, board.index = board.index, board.index + 16
        data = b"".join(sample(k) for k in range(first, board.index))
        item = Samples(1, board.number, first, 0, 16, data)
        board.number += 1
        at_us = board.index * 250 + 100 + stood_us
        board.told += board.assembler.hear([item], at_us)

    blocks = board.blocks()

    assert [notice.state for notice in board.notices()] == ["live", "lying"]
    assert "later than their count" in board.notices()[-1].detail
    last = blocks[-1]
    assert abs(last.sample_us(last.first + 15) - at_us) < 1000
    (gap,) = [block for block in blocks if block.quality & Quality.GAP]
    assert len(seen(blocks)) == 2200 * 16
    assert gap.first > 40_000  # what was missed is counted in


def test_a_board_that_samples_too_fast_loses_what_is_too_much_and_keeps_the_time() -> None:
    board, sets, seconds = Board(), 7, 60
    for number in range(seconds * RATE_HZ // sets):
        first, board.index = board.index, board.index + sets
        data = b"".join(sample(k) for k in range(first, board.index))
        at_us = board.index * 250 * 99 // 100 + 100  # 1 % more samples than it says
        item = Samples(1, number % 65_536, first, 0, sets, data)
        board.told += board.assembler.hear([item], at_us)

    blocks = board.blocks()

    assert [notice.state for notice in board.notices()] == ["live", "lying"]
    assert "earlier than their count" in board.notices()[-1].detail
    delivered = sum(block.counts.shape[1] for block in blocks)
    assert 0.985 * seconds * RATE_HZ < delivered < 0.992 * seconds * RATE_HZ
    latest_us, latest, end = -10_000, -1.0, 0
    for block in blocks:
        assert block.first >= end if block.quality & Quality.GAP else block.first == end
        end = block.first + block.counts.shape[1]
        assert (np.diff(block.counts[0]) % 10_000 == 1).all()
        assert block.quality & Quality.GAP or (block.counts[0, 0] - latest) % 10_000 == 1
        latest = block.counts[0, -1]
        assert latest_us < block.sample_us(block.first)
        latest_us = block.sample_us(block.first + block.counts.shape[1] - 1)
    assert abs(latest_us - at_us) < 110_000


def test_an_index_that_leaps_ahead_moves_no_sample_into_the_future() -> None:
    board = Board()
    for _ in range(100):
        board.frame(16)
    board.begun -= 10_000_000
    for _ in range(100):
        board.frame(16)
    last = board.blocks()[-1]
    assert abs(last.sample_us(last.first + last.counts.shape[1] - 1) - board.at_us) < 1000
    assert [notice.state for notice in board.notices()] == ["live", "lying"]


def test_lost_frames_are_counted_over_the_end_of_their_numbers() -> None:
    board = Board()
    board.number = 65_530
    for k in range(100):
        board.frame(16, arrives=k not in (5, 6, 50))
    assert board.assembler.lost_frames == 3
    assert board.assembler.missed_samples == 48
