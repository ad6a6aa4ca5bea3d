"""The log's bytes, against a second encoder made from the description, on both interpreters."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.store import segment

ROOT = Path(segment.__file__).parents[2]
VECTORS = Path(__file__).with_name("vectors_segment.json")
MICROPYTHON = shutil.which("micropython") or shutil.which(
    "micropython", path=str(Path(sys.executable).parent)
)

payloads = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8)
headers = st.builds(
    lambda lane, epoch, before, lost, reason: (lane, epoch, before + lost, before, reason),
    st.sampled_from("ahswx"),
    st.integers(0, 2**64 - 1),
    st.integers(1, 2**63),
    st.integers(0, 1000),
    st.integers(0, 6),
)

Step = tuple[int, int, bytes | None]


def second_header(lane: str, epoch: int, first: int, before: int, reason: int) -> bytes:
    body = b"FTUL\x01" + lane.encode() + bytes([reason, 0])
    for number in (epoch, first, before):
        body += number.to_bytes(8, "little")
    return body + zlib.crc32(body).to_bytes(4, "little")


def second_frame(header: bytes, seq: int, payload: bytes) -> bytes:
    length, low = len(payload).to_bytes(2, "little"), seq.to_bytes(8, "little")[:4]
    crc = zlib.crc32(length + low + payload, int.from_bytes(header[-4:], "little"))
    return length + crc.to_bytes(4, "little") + low + payload


def written(header: segment.Header, records: list[bytes]) -> bytes:
    return b"".join(
        segment.make_frame(header.seed, header.first_seq + k, record)
        for k, record in enumerate(records)
    )


def walk(body: bytes, header: segment.Header) -> tuple[list[Step], segment.Walker]:
    walker = segment.Walker(body, header.seed, header.first_seq)
    return list(iter(walker.step, None)), walker


def assert_nothing_wrong(body: bytes, header: segment.Header, records: list[bytes]) -> None:
    """Each record is intact, or declared lost, or counted in the torn tail; none is wrong."""
    steps, walker = walk(body, header)
    expected = header.first_seq
    for first, last, payload in steps:
        assert first == expected <= last
        expected = last + 1
        if payload is not None:
            assert first == last
            assert payload == records[first - header.first_seq]
    assert walker.next_seq == expected
    assert expected + walker.torn_records() >= header.first_seq + len(records)


HEADER = segment.make_header("a", 0x0123456789ABCDEF, 7, 7)
RECORDS = [b"alpha", b"\0\0\0\0", bytes(256), b"d" * 40, b"e"]


def test_a_frame_costs_ten_bytes_and_a_header_thirty_six() -> None:
    assert len(HEADER.raw) == segment.HEADER_BYTES == 36
    assert len(segment.make_frame(HEADER.seed, 7, bytes(120))) == 130


@given(headers, payloads)
def test_bytes_are_those_of_a_second_encoder(
    fields: tuple[str, int, int, int, int], records: list[bytes]
) -> None:
    header = segment.make_header(*fields)
    raw = second_header(*fields)
    assert header.raw == raw
    for k, record in enumerate(records):
        seq = header.first_seq + k
        assert segment.make_frame(header.seed, seq, record) == second_frame(raw, seq, record)


@given(headers, payloads, st.integers(0, 50))
def test_what_was_written_is_read_and_zeros_behind_it_are_clean(
    fields: tuple[str, int, int, int, int], records: list[bytes], zeros: int
) -> None:
    header = segment.parse_header(segment.make_header(*fields).raw + b"more")
    assert header is not None
    assert (header.lane, header.epoch, header.first_seq, header.previous_next, header.reason) == (
        fields
    )
    body = written(header, records)
    steps, walker = walk(body + bytes(zeros), header)
    assert steps == [
        (header.first_seq + k, header.first_seq + k, record) for k, record in enumerate(records)
    ]
    assert walker.at == len(body)
    assert walker.torn_records() == 0


@given(payloads, st.integers(1, 9), st.lists(st.integers(0, 400), max_size=2))
def test_a_run_finds_what_steps_find(records: list[bytes], most: int, flips: list[int]) -> None:
    body = bytearray(written(HEADER, records))
    assert body == segment.make_frames(HEADER.seed, HEADER.first_seq, records)
    for at in flips:
        body[at % len(body)] ^= 0x5A
    steps, _ = walk(bytes(body), HEADER)
    walker = segment.Walker(bytes(body), HEADER.seed, HEADER.first_seq)
    found: list[Step] = []
    while True:
        first = walker.next_seq
        run = walker.run(most)
        assert len(run) <= most
        found += [(first + k, first + k, payload) for k, payload in enumerate(run)]
        step = None if run else walker.step()
        if not run and step is None:
            break
        found += [step] if step else []
    assert found == steps


def test_seqs_rise_through_the_end_of_their_low_half() -> None:
    header = segment.make_header("h", 1, 2**32 - 2, 2**32 - 2)
    body = written(header, RECORDS)
    assert [first for first, _, _ in walk(body, header)[0]] == [2**32 - 2 + k for k in range(5)]
    damaged = body[:15] + b"?" + body[16:]  # in frame 2**32 - 1
    assert walk(damaged, header)[0][1] == (2**32 - 1, 2**32 - 1, None)


@pytest.mark.parametrize("position", range(36))
@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_flipped_header_is_none(position: int, mask: int) -> None:
    raw = bytearray(HEADER.raw)
    raw[position] ^= mask
    assert segment.parse_header(bytes(raw)) is None


@given(st.binary(max_size=80))
def test_any_bytes_are_a_header_or_none(data: bytes) -> None:
    assert segment.parse_header(data) is None
    assert segment.parse_header(HEADER.raw[: len(data) % 36]) is None


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_no_flipped_byte_yields_a_wrong_record(mask: int) -> None:
    body = written(HEADER, RECORDS)
    for position in range(len(body)):
        damaged = bytearray(body)
        damaged[position] ^= mask
        assert_nothing_wrong(bytes(damaged), HEADER, RECORDS)
        steps, _ = walk(bytes(damaged), HEADER)
        intact = [payload for _, _, payload in steps if payload is not None]
        assert len(intact) == len(RECORDS) - 1  # one byte costs one record


def test_every_cut_leaves_an_intact_prefix_and_counts_the_rest() -> None:
    body = written(HEADER, RECORDS)
    ends = [len(written(HEADER, RECORDS[:count])) for count in range(6)]
    for cut in range(len(body) + 1):
        steps, walker = walk(body[:cut], HEADER)
        whole = max(count for count in range(6) if ends[count] <= cut)
        assert [payload for _, _, payload in steps] == RECORDS[:whole]
        assert walker.at == ends[whole]
        torn = walker.torn_records()
        # A cut after bytes that are zero by themselves looks like space never written.
        assert torn == 0 if not body[ends[whole] : cut].strip(b"\0") else torn >= 1


@given(
    payloads,
    st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=30)), max_size=4),
)
def test_overwritten_pieces_never_yield_a_wrong_record(
    records: list[bytes], pieces: list[tuple[int, bytes]]
) -> None:
    body = bytearray(written(HEADER, records))
    for at, piece in pieces:
        body[at : at + len(piece)] = piece[: max(0, len(body) - at)]
    if not any(piece.endswith(b"\0") for _, piece in pieces):  # zeros at the end leave no trace
        assert_nothing_wrong(bytes(body), HEADER, records)


@given(st.binary(max_size=300), st.integers(1, 2**64 - 1))
def test_any_bytes_can_be_walked(body: bytes, first_seq: int) -> None:
    header = segment.make_header("a", 5, first_seq, first_seq)
    steps, walker = walk(body, header)
    assert steps == []
    assert walker.at == 0
    assert walker.torn_records() == -(-len(body.rstrip(b"\0")) // 11)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(("s", 0x0123456789ABCDEF, 7, 7), id="another-lane"),
        pytest.param(("a", 0x0123456789ABCDEE, 7, 7), id="another-epoch"),
        pytest.param(("a", 0x0123456789ABCDEF, 5, 5), id="an-older-segment-of-this-lane"),
        pytest.param(("a", 0x0123456789ABCDEF, 7, 6), id="the-same-seqs-after-a-loss"),
        pytest.param(("a", 0x0123456789ABCDEF, 7, 7, 1), id="another-reason"),
    ],
)
def test_old_bytes_in_a_reused_file_never_pass(other: tuple[str, int, int, int]) -> None:
    old = segment.make_header(*other)
    stale = written(old, [b"old" * 9] * 12)
    fresh = written(HEADER, RECORDS[:2])
    steps, walker = walk(fresh + stale[len(fresh) :], HEADER)
    assert [payload for _, _, payload in steps] == RECORDS[:2]
    assert walker.torn_records() > 0  # not clean either: a writer goes on elsewhere


def test_a_copy_of_the_log_inside_a_damaged_record_is_not_taken_for_the_log() -> None:
    earlier = written(HEADER, RECORDS[:2])
    records = [*RECORDS[:2], b"copy:" + earlier, b"last"]
    body = bytearray(written(HEADER, records))
    body[len(earlier) + 3] ^= 0x10
    steps, _ = walk(bytes(body), HEADER)
    assert steps[2:] == [(9, 9, None), (10, 10, b"last")]


def test_a_seq_further_on_than_the_bad_bytes_explain_does_not_pass() -> None:
    far = segment.make_frame(HEADER.seed, 10, b"far")
    assert walk(bytes(32) + far, HEADER)[0] == []
    assert walk(bytes(33) + far, HEADER)[0] == [(7, 9, None), (10, 10, b"far")]
    assert walk(far, HEADER)[0] == []


def test_a_seq_that_does_not_rise_does_not_pass() -> None:
    body = written(HEADER, RECORDS)
    steps, walker = walk(body + body, HEADER)
    assert len(steps) == 5
    assert walker.torn_records() > 0


@pytest.mark.parametrize("length", [0, 8193])
def test_a_payload_that_does_not_fit_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"payload of {length} bytes; expected 1 to 8192"):
        segment.make_frame(HEADER.seed, 1, bytes(length))


def test_the_largest_payload_fits() -> None:
    body = written(HEADER, [bytes(8192), b"x" * 8192])
    assert [payload for _, _, payload in walk(body, HEADER)[0]] == [bytes(8192), b"x" * 8192]


@pytest.mark.parametrize(
    "fields", [("A", 1, 1, 1), ("ab", 1, 1, 1), ("a", 1, 1, 2), ("a", 1, 0, 0), ("a", 1, 2**64, 1)]
)
def test_a_header_that_contradicts_itself_is_refused(fields: tuple[str, int, int, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        segment.make_header(*fields)


def test_every_reason_has_a_word() -> None:
    codes = (segment.NONE, segment.TORN, segment.DAMAGED, segment.HEADER, segment.WRITE)
    words = [segment.reason_word(code) for code in (*codes, segment.MISSING, segment.QUOTA)]
    assert words == list(segment.REASON_WORDS)
    assert segment.reason_word(200) == "unknown"


# Runs under both interpreters: reads walks from a JSON file, prints one JSON line for each.
PORTABLE_WALK = """
import json
import sys

sys.path.insert(0, sys.argv[1])
from binascii import hexlify, unhexlify

from agent.store import segment

def text(data):
    return None if data is None else hexlify(data).decode()

with open(sys.argv[2]) as file:
    cases = json.load(file)
for case in cases:
    header = segment.parse_header(unhexlify(case["header"]))
    if header is None:
        print("null")
        continue
    again = segment.make_header(
        header.lane, header.epoch, header.first_seq, header.previous_next, header.reason
    )
    walker = segment.Walker(unhexlify(case["body"]), header.seed, header.first_seq)
    steps, frames = [], []
    step = walker.step()
    while step is not None:
        steps.append([step[0], step[1], text(step[2])])
        if step[2] is not None:
            frames.append(text(segment.make_frame(header.seed, step[0], step[2])))
        step = walker.step()
    again_walker = segment.Walker(unhexlify(case["body"]), header.seed, header.first_seq)
    run = again_walker.run(1000)
    while run or again_walker.step() is not None:
        run = again_walker.run(1000)
    assert (again_walker.at, again_walker.next_seq) == (walker.at, walker.next_seq)
    print(json.dumps({
        "fields": [header.lane, header.epoch, header.first_seq, header.previous_next,
                   header.reason],
        "raw": text(again.raw), "steps": steps, "frames": frames,
        "at": walker.at, "next_seq": walker.next_seq, "torn": walker.torn_records(),
    }))
"""


def run_walks(interpreter: str, cases: Path, directory: Path) -> list[dict[str, Any] | None]:
    script = directory / "portable_walk.py"
    script.write_text(PORTABLE_WALK)
    command = [interpreter, str(script), str(ROOT), str(cases)]
    done = subprocess.run(command, cwd=directory, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(params=["cpython", "micropython"])
def interpreter(request: pytest.FixtureRequest) -> str:
    if request.param == "cpython":
        return sys.executable
    if MICROPYTHON is None:
        pytest.skip("no micropython in PATH or beside this Python: no wheel for this machine")
    return MICROPYTHON


def test_the_vectors_hold_on_both_interpreters(interpreter: str, tmp_path: Path) -> None:
    cases = json.loads(VECTORS.read_text())
    results = run_walks(interpreter, VECTORS, tmp_path)
    assert len(results) == len(cases)
    for case, result in zip(cases, results, strict=True):
        if case["expect"] is None:
            assert result is None, case["name"]
            continue
        assert result is not None, case["name"]
        assert {key: result[key] for key in case["expect"]} == case["expect"], case["name"]
        assert result["raw"] == case["header"], case["name"]


def test_random_damage_is_walked_alike_on_both_interpreters(
    interpreter: str, tmp_path: Path
) -> None:
    chance = random.Random(20261124)
    cases = []
    for _ in range(300):
        first = chance.choice([1, 2**31, 2**32 - 3, 2**63 + 5])
        header = segment.make_header("h", chance.getrandbits(64), first, first)
        body = bytearray(
            written(header, [chance.randbytes(chance.randint(1, 60)) for _ in range(9)])
        )
        for _ in range(chance.randint(0, 5)):
            body[chance.randrange(len(body))] ^= chance.randint(1, 255)
        del body[len(body) - chance.choice([0, 0, 1, 20, 100]) :]
        cases.append({"header": header.raw.hex(), "body": body.hex()})
    path = tmp_path / "cases.json"
    path.write_text(json.dumps(cases))
    for case, result in zip(cases, run_walks(interpreter, path, tmp_path), strict=True):
        header_again = segment.parse_header(bytes.fromhex(case["header"]))
        assert header_again is not None
        assert result is not None
        steps, walker = walk(bytes.fromhex(case["body"]), header_again)
        assert result["steps"] == [[a, b, p if p is None else p.hex()] for a, b, p in steps]
        assert (result["at"], result["next_seq"]) == (walker.at, walker.next_seq)
        assert result["torn"] == walker.torn_records()
        assert all(str(frame) in case["body"] for frame in result["frames"])


@given(st.integers(0, 9000), st.binary(max_size=40), st.integers(0, 20_000))
def test_the_zeros_at_the_end_are_found_as_rstrip_finds_them(
    before: int, middle: bytes, after: int
) -> None:
    buffer = bytes(before) + middle + bytes(after)
    assert segment.end_of_bytes(buffer) == len(buffer.rstrip(b"\0"))
