from __future__ import annotations

from pathlib import Path

import pytest

from agent.store import segment
from hil.errors import BenchError
from hil.scenarios.forging import forge

PAYLOADS = [bytes([0x81, number]) for number in range(1, 7)]


def written(folder: Path, payloads: list[bytes]) -> Path:
    header = segment.make_header("a", 7, 1, 1)
    path = folder / "a-00000000000000000001.seg"
    path.write_bytes(header.raw + segment.make_frames(header.seed, 1, payloads) + bytes(500))
    return path


def read(path: Path) -> dict[int, bytes | None]:
    """Every seq that a reader finds: its payload, or None where it is lost."""
    data = path.read_bytes()
    header = segment.parse_header(data)
    assert header is not None
    walker = segment.Walker(data, header.seed, header.first_seq, segment.HEADER_BYTES)
    found: dict[int, bytes | None] = {}
    while (step := walker.step()) is not None:
        first, last, payload = step
        found.update(dict.fromkeys(range(first, last + 1), payload))
    return found


@pytest.mark.parametrize(
    ("how", "changed", "told"),
    [
        ("edit", {4: bytes([0x81, 5])}, "seq 4 says something else"),
        ("cut", {4: None, 5: None, 6: None}, "seq 4 to 6 are gone"),
        ("reorder", {3: PAYLOADS[3], 4: PAYLOADS[2]}, "seq 3 and 4 have changed places"),
        ("truncate", {4: None, 5: None, 6: None}, "the file ends in the middle of seq 4"),
    ],
)
def test_a_forged_log_reads_as_if_it_had_always_been_so(
    tmp_path: Path, how: str, changed: dict[int, bytes | None], told: str
) -> None:
    path = written(tmp_path, PAYLOADS)
    whole = dict(enumerate(PAYLOADS, 1))
    assert read(path) == whole

    assert forge(tmp_path, "a", how) == f"{path.name}: {told}"

    left = {seq: payload for seq, payload in (whole | changed).items() if payload is not None}
    assert read(path) == left


@pytest.mark.parametrize(
    ("payloads", "lane", "told"),
    [(PAYLOADS[:2], "a", "2 records"), (PAYLOADS, "s", "no segment of lane s")],
)
def test_there_must_be_something_to_forge(
    tmp_path: Path, payloads: list[bytes], lane: str, told: str
) -> None:
    written(tmp_path, payloads)

    with pytest.raises(BenchError, match=told):
        forge(tmp_path, lane, "edit")
