"""Waveforms as a consumer gets them: parts in lane w, and the packed record that they make up."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import zlib
from collections.abc import Iterator
from typing import Any

from agent import waveform
from agent.errors import RecordError
from agent.sensors import comtrade_record
from agent.store import cbor, entry
from agent.uplink import topics, wave_channel, wave_pack, wire
from agent.uplink.consumer import Consumer
from agent.uplink.waveforms import Assembler, Torn, Whole
from hil.fuzz.oracle import Defect, same, shown

_SITE, _NODE, _EPOCH = "site", "node", 7
_LIMITS = {"most_open": 4, "most_bytes": 65_536}
# The portable reader takes a microsecond a sample on a desk; beyond it the quick one stands alone.
_BOTH_READ = 20_000
_HEAD = {
    "station": "hebin ftu-7",
    "bay": "head",
    "boot": 3,
    "mono_us": 400_000,
    "utc_us": 1_795_478_400_123_456,
    "source": 2,
    "error_us": 1_501,
    "trigger_us": 250,
    "local_offset_min": 480,
    "nominal_hz": 50,
    "rate_numerator": 4000,
    "rate_denominator": 1,
    "tuned": 32_667,
    "origin": 0,
}


def parts(data: bytes) -> None:
    """Parts in any order: [[part, parts, body, whether a digest], ...], the first byte: how the
    seqs of their records are numbered.

    What comes of them is the parts' own bytes under their digest, and memory stays within limits.
    """
    if not data:
        return
    told = cbor.loads(data[1:])
    assembler = Assembler(**_LIMITS)
    digest = hashlib.sha256(b"".join(_bodies(told))).digest()
    for number, each in enumerate(told if isinstance(told, list) else ()):
        if not isinstance(each, list) or len(each) != 4:
            continue
        part, of, body, last = each
        values = {"of_record": "r", "part": part, "parts": of, "body": body}
        seq = 1 + (part if type(part) is int and data[0] % 2 else number)
        _take(assembler, seq, {**values, "digest": digest if last else None})


def _bodies(told: Any) -> Iterator[bytes]:
    """Of the parts by their numbers, as a sender would have cut them."""
    with contextlib.suppress(TypeError):
        rows = [row for row in told if isinstance(row, list) and len(row) == 4]
        for _, same_part in itertools.groupby(sorted(rows, key=_number), key=_number):
            body = next(same_part)[2]
            yield body if isinstance(body, bytes) else b""


def _number(row: list[Any]) -> int:
    return row[0] if type(row[0]) is int else 0


def _take(assembler: Assembler, seq: int, values: dict[str, Any]) -> None:
    try:
        logged = entry.compose(entry.WAVE, (1, 2, 3, 2, None), values)
        payload = cbor.dumps(wire.envelope(_EPOCH, "w", [("record", seq, logged)], 8192)[0])
    except (TypeError, ValueError):  # nobody could have sent it
        return
    told: list[str] = []
    place = topics.topic(topics.LANES["w"], _SITE, _NODE)
    for each in Consumer("scada", ack=True, tell=told.append).take(place, payload):
        with contextlib.suppress(RecordError):
            for result in assembler.take(each):
                _judge(result)
    held = sum(open_.size for open_ in assembler._open.values())  # noqa: SLF001
    same(assembler._bytes, held, "bytes that are counted and bytes that are held")  # noqa: SLF001
    if len(assembler._open) > _LIMITS["most_open"] or held > _LIMITS["most_bytes"]:  # noqa: SLF001
        raise Defect(f"{len(assembler._open)} records, {held} bytes are held")  # noqa: SLF001


def _judge(result: Whole | Torn) -> None:
    if isinstance(result, Torn):
        shown(result.why)
        return
    with contextlib.suppress(RecordError):
        waveform.opened(result.data)


def parts_examples() -> Iterator[bytes]:
    """A record in order, backwards, twice, and with a part too many."""
    data = _record()
    cuts = (data[:100], data[100:200], data[200:])
    rows = [[n, 3, body, 1 if n == 2 else 0] for n, body in enumerate(cuts)]
    for order in (rows, rows[::-1], [*rows, *rows], [*rows, [2, 4, b"x", 1]]):
        yield b"\x01" + cbor.dumps(order)
    yield b"\x00" + cbor.dumps(rows)


def packed(data: bytes) -> None:
    """A packed record, sealed where the first byte is odd: it opens, alike by both readers, and
    becomes a file that our reader of COMTRADE takes.
    """
    if not data:
        return
    body = data[1:]
    if data[0] % 2:
        body += zlib.crc32(body).to_bytes(4)
    opened = waveform.opened(body)
    for line in (opened.station, opened.bay, *opened.notes):
        _ = line.encode()
    if opened.counts.size <= _BOTH_READ:
        rows = wave_pack.unpack(body, wave_channel.unpack)[3]
        same(opened.counts.tolist(), [list(row) for row in rows], "the portable reader")
    _filed(opened)


def _filed(opened: waveform.Waveform) -> None:
    whole = waveform.comtrade(opened)[".cff"]
    try:
        record = comtrade_record.parse_single(whole, "x.cff")
    except RecordError as error:
        raise Defect(f"our own file is refused: {error}") from error
    left_out = sum(" is left out: " in line for line in record.findings)
    channels, samples = opened.counts.shape
    same(record.counts.shape, (channels - left_out, samples), "samples in its file")


def packed_examples() -> Iterator[bytes]:
    """Whole, and to be sealed."""
    whole = _record()
    yield b"\x00" + whole
    yield b"\x01" + whole[:-4]


def _record() -> bytes:
    channels = [("ia", "A", "A", (1, -3), (0, 0)), ("u0", "N", "V", (1, 0), (-1, -1))]
    samples = [[(7 * n * n) % 301 - 150 for n in range(90)], [0] * 60 + [30_000] * 30]
    runs = [(0, 40, 0), (5, 50, 0)]
    notes = zlib.compress(b"[ftu-agent Record #1]\r\nversion=1\fover")
    return wave_pack.pack(_HEAD, runs, channels, samples, notes)
