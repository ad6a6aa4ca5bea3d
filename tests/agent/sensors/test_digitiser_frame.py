"""The digitiser's frames: exactly what was sent, or nothing and a reason; on both interpreters."""

from __future__ import annotations

import random
import struct
from binascii import crc32
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sensors import digitiser_frame as frame
from agent.sensors.digitiser_frame import Announcement, Decoder, Samples
from tests.agent.sensors.digitiser_scenarios import CHANNELS, announced, refused, samples, told
from tests.conftest import Board

HERE = "tests.agent.sensors.digitiser_scenarios"
SET = 4  # bytes of a set of CHANNELS


@st.composite
def sent(draw: st.DrawFn) -> list[bytes]:
    """The frames of a line: an announcement, samples in order, announcements again."""
    frames = [announced(7)]
    first = draw(st.integers(0, 1 << 60))
    for number in range(draw(st.integers(1, 8))):
        sets = draw(st.integers(1, 200))
        size = sets * SET
        fill = draw(st.integers(0, 255) | st.none())
        data = (
            draw(st.binary(min_size=size, max_size=size)) if fill is None else bytes([fill]) * size
        )
        frames.append(samples(7, number, first, data, draw(st.integers(0, 3))))
        first += sets
        if draw(st.booleans()):
            frames.append(announced(7))
    return frames


def cut(line: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({min(place, len(line)) for place in places} | {len(line)})
    return [line[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def of(frames: list[bytes]) -> list[Any]:
    items: list[Any] = told(frames)[0]
    return items


# Runs without a zero, around the 254 bytes that one code covers.
RUNS = st.lists(st.integers(0, 520) | st.integers(252, 256), max_size=6).map(
    lambda runs: b"\x00".join(bytes([k + 1]) * run for k, run in enumerate(runs))
)


def count_up(first: int, last: int) -> bytes:
    return bytes(range(first, last + 1))


@given(st.binary(max_size=3000) | RUNS)
def test_stuffed_bytes_have_no_zero_cost_next_to_nothing_and_come_back(data: bytes) -> None:
    stuffed = frame.stuffed(data)

    assert 0 not in stuffed
    assert len(stuffed) <= len(data) + len(data) // 254 + 1
    assert frame.unstuffed(stuffed) == data


@pytest.mark.parametrize(
    ("data", "stuffed"),
    [
        # The examples of the paper's authors, as everybody quotes them.
        pytest.param("00", "01 01", id="one-zero"),
        pytest.param("0000", "01 01 01", id="two-zeros"),
        pytest.param("0011 00", "01 02 11 01", id="zero-between"),
        pytest.param("1122 0033", "03 11 22 02 33", id="pair"),
        pytest.param("11223344", "05 11 22 33 44", id="no-zero"),
        pytest.param("11000000", "02 11 01 01 01", id="three-zeros"),
        pytest.param(count_up(1, 254).hex(), "ff" + count_up(1, 254).hex(), id="full-at-the-end"),
        pytest.param(
            "00" + count_up(1, 254).hex(), "01ff" + count_up(1, 254).hex(), id="full-behind-a-zero"
        ),
        pytest.param(
            count_up(1, 255).hex(), "ff" + count_up(1, 254).hex() + "02ff", id="longer-than-full"
        ),
        pytest.param(
            count_up(2, 255).hex() + "00",
            "ff" + count_up(2, 255).hex() + "0101",
            id="full-before-a-zero",
        ),
        pytest.param(
            count_up(3, 255).hex() + "0001",
            "fe" + count_up(3, 255).hex() + "0201",
            id="not-quite-full-before-a-zero",
        ),
    ],
)
def test_stuffing_is_cobs_as_published(data: str, stuffed: str) -> None:
    assert frame.stuffed(bytes.fromhex(data)) == bytes.fromhex(stuffed)
    assert frame.unstuffed(bytes.fromhex(stuffed)) == bytes.fromhex(data)


@given(st.binary(max_size=600))
def test_whatever_unstuffs_was_stuffed_by_us_or_ends_in_a_full_block(data: bytes) -> None:
    whole = frame.unstuffed(data.replace(b"\x00", b""))
    if whole is not None:
        assert frame.unstuffed(frame.stuffed(whole)) == whole


@given(sent(), st.lists(st.integers(0, 4000), max_size=30))
def test_any_split_tells_the_same(frames: list[bytes], places: list[int]) -> None:
    line = b"".join(frames)

    assert told(cut(line, places)) == told(frames) == told([line])
    assert told([line])[1:] == ([], len(frames))


@given(sent(), st.lists(st.binary(max_size=60), min_size=9), st.lists(st.integers(0, 4000)))
def test_garbage_between_frames_harms_no_frame(
    frames: list[bytes], garbage: list[bytes], places: list[int]
) -> None:
    line = b"".join(
        part for k, each in enumerate(frames) for part in (garbage[k % len(garbage)], each)
    )

    items, _, right = told(cut(line, places))

    assert items == of(frames)
    assert right == len(frames)


@given(sent(), st.data())
def test_damage_costs_the_frames_that_it_hits_and_alters_none(
    frames: list[bytes], data: st.DataObject
) -> None:
    line = bytearray(b"".join(frames))
    at = data.draw(st.integers(0, len(line) - 1))
    end = min(len(line), at + data.draw(st.integers(1, 40)))
    line[at:end] = data.draw(st.binary(max_size=end - at + 10))

    items = told(cut(bytes(line), data.draw(st.lists(st.integers(0, len(line))))))[0]

    kept, begin = [], 0
    for each in frames:
        if begin + len(each) <= at or begin >= end:
            kept.append(each)
        begin += len(each)
    everything = of(frames)
    # Without the announcement nobody can read what follows until the next one.
    assert [item for item in items if item not in everything] == []
    if at >= len(frames[0]):
        assert [item for item in of(kept) if item not in items] == []


@given(st.lists(st.binary(max_size=5000), max_size=6))
def test_noise_is_never_an_item_an_error_or_a_growing_memory(pieces: list[bytes]) -> None:
    decoder = Decoder()
    for piece in pieces:
        assert decoder.feed(piece) == []
        assert len(decoder._begun) <= frame.MOST_STUFFED
    assert decoder.frames == 0


def test_a_line_of_noise_without_zeros_is_counted_once_and_forgotten() -> None:
    decoder = Decoder()
    decoder.feed(b"\x00")
    for _ in range(100):
        decoder.feed(b"\x55" * 1000)
    assert decoder.passed_over == {"long": 1}

    assert len(decoder.feed(announced(1))) == 1


def raw(body: bytes) -> bytes:
    return b"\x00" + frame.stuffed(body + struct.pack("<I", crc32(body))) + b"\x00"


BODY = frame.unstuffed(announced(7).strip(b"\x00"))
assert BODY is not None
BODY = BODY[:-4]
FOUR_SETS = struct.pack("<8h", 1, -1, 2, -2, 0, 0, 32767, -32768)


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        pytest.param(b"\x00\x05\x11\x00", "stuffing", id="stuffing"),
        pytest.param(b"\x00\x03\x11\x22\x00", "short", id="short"),
        pytest.param(raw(b""), "short", id="nothing-but-a-crc"),
        pytest.param(b"\x00" + b"\x01" * 3000 + b"\x00", "long", id="long"),
        pytest.param(announced(7).replace(b"board", b"bored"), "crc", id="crc"),
        pytest.param(raw(b"\x03 later"), "kind", id="kind-of-a-later-version"),
        pytest.param(raw(BODY.replace(b"\x01\x01", b"\x01\x02", 1)), "contents", id="version"),
        pytest.param(raw(BODY[:-1]), "contents", id="announcement-that-ends-early"),
        pytest.param(raw(BODY + b"\x00"), "contents", id="announcement-with-more-behind"),
        pytest.param(raw(BODY.replace(b"ua", b"ia")), "contents", id="name-that-stands-twice"),
        pytest.param(raw(BODY.replace(b"ua", b"\x07a")), "contents", id="name-not-printable"),
        pytest.param(samples(8, 0, 0, FOUR_SETS), "unannounced", id="another-stream"),
        pytest.param(samples(7, 0, 0, FOUR_SETS[:-1]), "length", id="no-whole-sets"),
        pytest.param(raw(b"\x02\x00\x07\x00"), "short", id="no-whole-head"),
    ],
)
def test_what_is_no_frame_is_counted_by_its_reason(wire: bytes, reason: str) -> None:
    items, reasons, _ = told([announced(7), wire, samples(7, 1, 4, FOUR_SETS)])

    assert reasons == [(reason, 1)]
    assert items == of([announced(7), samples(7, 1, 4, FOUR_SETS)])


def test_samples_before_any_announcement_are_counted() -> None:
    assert told([samples(7, 0, 0, FOUR_SETS)]) == ([], [("unannounced", 1)], 0)


def test_the_end_of_a_frame_whose_beginning_nobody_heard_is_no_damage() -> None:
    assert told([samples(7, 0, 0, FOUR_SETS)[9:] + announced(7)])[1] == []


def test_an_announcement_says_all_that_it_was_made_of() -> None:
    made = Announcement(3, (128000, 10), CHANNELS, ["switch", "door"], "x", 4_000_000_000)

    (item,) = Decoder().feed(frame.announcement_frame(made))

    assert isinstance(item, Announcement)
    assert item.stream == 3
    assert item.meaning() == made.meaning()
    assert item.set_bytes == 2 * len(CHANNELS) + 1


def test_the_largest_announcement_fits_into_a_frame() -> None:
    channels = [(f"{k:016}", "kVAr", "AB", (2**32 - 1, 2**32 - 1)) for k in range(32)]
    contacts = [f"c{k:015}" for k in range(32)]
    made = Announcement(65535, (2**32 - 1, 2**32 - 1), channels, contacts, "d" * 32, 2**32 - 1)

    items = Decoder().feed(frame.announcement_frame(made))

    assert [item.meaning() for item in items if isinstance(item, Announcement)] == [made.meaning()]


WRONG: list[tuple[Any, ...]] = [
    (1 << 16, (4000, 1), CHANNELS, [], ""),
    (1, (0, 1), CHANNELS, [], ""),
    (1, (4000, 0), CHANNELS, [], ""),
    (1, (1 << 32, 1), CHANNELS, [], ""),
    (1, (4000, 1), [], [], ""),
    (1, (4000, 1), CHANNELS, [f"c{k}" for k in range(33)], ""),
    (1, (4000, 1), CHANNELS, ["ia"], ""),
    (1, (4000, 1), CHANNELS, [""], ""),
    (1, (4000, 1), CHANNELS, ["a" * 17], ""),
    (1, (4000, 1), CHANNELS, [], "Gerät"),
    (1, (4000, 1), [("ia", "A", "A", (0, 5))], [], ""),
    (1, (4000, 1), [("ia", "ampere", "A", (1, 5))], [], ""),
]


@pytest.mark.parametrize("fields", WRONG)
def test_an_impossible_announcement_is_never_sent(fields: tuple[Any, ...]) -> None:
    stream, rate, channels, contacts, device = fields
    with pytest.raises(ValueError, match="announcement: "):
        frame.announcement_frame(Announcement(stream, rate, channels, contacts, device))


@pytest.mark.parametrize(
    ("stream", "number", "first", "size"),
    [(-1, 0, 0, 4), (0, 1 << 16, 0, 4), (0, 0, 1 << 64, 4), (0, 0, 0, 0), (0, 0, 0, 2031)],
)
def test_samples_that_do_not_fit_are_never_sent(
    stream: int, number: int, first: int, size: int
) -> None:
    with pytest.raises(ValueError, match=r"expected 1 to 2030|out of range"):
        frame.samples_frame(stream, number, first, 0, bytes(size))


def test_the_longest_frame_of_samples_comes_through() -> None:
    data = bytes(range(256)) * 7 + bytes(236)
    (item,) = [
        item
        for item in Decoder().feed(announced(1) + samples(1, 65535, (1 << 64) - 1, data[:2028]))
        if isinstance(item, Samples)
    ]
    assert (item.number, item.first, item.sets) == (65535, (1 << 64) - 1, 507)
    assert item.data == data[:2028]


def test_the_page_for_board_makers_shows_the_bytes_that_we_speak() -> None:
    page = (Path(__file__).parents[3] / "docs" / "digitiser.md").read_text()
    announcement, sets, wire = (
        bytes.fromhex(block) for block in page.split("## An example")[1].split("```")[1::2]
    )
    decoder = Decoder()

    (seen, shown) = decoder.feed(raw(announcement) + wire)

    assert isinstance(seen, Announcement)
    assert isinstance(shown, Samples)
    assert (seen.stream, seen.rate, seen.lag_us, seen.device) == (7, (4000, 1), 250, "demo")
    assert seen.channels == (("ia", "A", "A", (20, 32767)), ("ua", "V", "A", (1, 3)))
    assert (shown.number, shown.first, shown.sets) == (3, 1000, 2)
    assert list(struct.iter_unpack("<2hB", shown.data)) == [(1, -1, 0), (2, -2, 1)]
    assert raw(sets) == wire
    assert f"announcement's body, {len(announcement)} bytes" in page


def test_both_interpreters_make_the_same_bytes_and_tell_the_same(board: Board) -> None:
    chance = random.Random(20)
    calls: list[tuple[str, str, tuple[Any, ...]]] = [
        (HERE, "announced", (stream, contacts, device))
        for stream, contacts, device in ((0, 0, ""), (65535, 9, "d" * 32), (7, 32, "a b"))
    ]
    calls += [(HERE, "refused", fields) for fields in WRONG]
    for _ in range(60):
        frames = [announced(7)]
        first = chance.randrange(1 << 40)
        for number in range(chance.randrange(1, 5)):
            sets = chance.randrange(1, 150)
            data = bytes(chance.choice((0, 0, 1, 255, 77)) for _ in range(SET * sets))
            frames.append(samples(7, number, first, data))
            first += sets
        line = bytearray(b"".join(frames))
        for _ in range(chance.choice((0, 1, 6))):
            line[chance.randrange(len(line))] = chance.randrange(256)
        places = [chance.randrange(len(line)) for _ in range(chance.randrange(20))]
        calls.append((HERE, "told", (cut(bytes(line), places),)))
    for run in (253, 254, 255, 508, 509):
        data = (b"\x07" * run + b"\x00" + b"\x09" * (2 * run))[: SET * 100]
        calls.append((HERE, "told", ([announced(7), samples(7, 0, 0, data)],)))
    calls.append((HERE, "told", ([b"\x00" + b"\x33" * 5000, announced(1)],)))
    calls.append((HERE, "samples", (7, 3, 1 << 63, FOUR_SETS, 3)))

    here: dict[str, Any] = {
        "announced": announced,
        "refused": refused,
        "told": told,
        "samples": samples,
    }

    assert board(calls) == [here[name](*args) for _, name, args in calls]
