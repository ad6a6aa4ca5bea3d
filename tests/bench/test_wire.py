"""The references are what they claim to be, and the promises hold in the bench's own words."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import cbor2
import pytest

from bench import wire
from bench.table import missed
from bench.walk import quarters

LOGGED = quarters(3, 2)
CONTENT = wire.samples(LOGGED)


def senml(records: list[dict[Any, Any]], labels: dict[str, Any]) -> list[tuple[Any, ...]]:
    """(bay, instant, name, value), resolved as RFC 8428 says."""
    name, time_s, told = "", 0.0, []
    for record in records:
        name = record.get(labels["bn"], name)
        time_s = record.get(labels["bt"], time_s)
        told.append((name, round(time_s * 1e6), record[labels["n"]], record[labels["v"]]))
    return told


def test_every_form_carries_every_value() -> None:
    wanted = [(bay, t, name, v) for bay, t, values in CONTENT for name, v in values.items()]

    text = {key: key for key in ("bn", "bt", "n", "v")}
    assert senml(json.loads(wire.senml_json(CONTENT)), text) == wanted
    packed = {"bn": -2, "bt": -3, "n": 0, "v": 2}
    assert senml(cbor2.loads(wire.senml_cbor(CONTENT)), packed) == wanted
    devices = json.loads(wire.thingsboard_json(CONTENT))
    assert {
        (bay, each["ts"] * 1000, name, value)
        for bay, sets in devices.items()
        for each in sets
        for name, value in each["values"].items()
    } == set(wanted)


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of a protobuf message: varints, bytes and 32 bits."""
    at = 0

    def varint() -> int:
        nonlocal at
        number = shift = 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 2:
            length = varint()
            yield key >> 3, data[at : at + length]
            at += length
        else:
            assert key & 7 == 5
            yield key >> 3, data[at : at + 4]
            at += 4


@pytest.mark.parametrize("encode", [wire.sparkplug_names, wire.sparkplug_alias])
def test_sparkplug_carries_every_value(encode: wire.Encode) -> None:
    payload = list(fields(encode(CONTENT)))

    metrics = [dict(fields(data)) for number, data in payload if number == 2]
    assert [number for number, _ in payload] == [1] + [2] * len(metrics) + [3]
    wanted = [(t // 1000, v) for _, t, values in CONTENT for v in values.values()]
    first_ms = payload[0][1]
    for metric, (t_ms, value) in zip(metrics, wanted, strict=True):
        assert metric.get(3, first_ms) == t_ms
        assert metric[4] == (3 if isinstance(value, int) else 9)
        told = metric[10] if isinstance(value, int) else struct.unpack("<f", metric[12])[0]
        assert told == pytest.approx(value, rel=1e-7)
    names = [metric.get(1, metric.get(2)) for metric in metrics]
    assert len(set(names)) == len(CONTENT[0][2]) * 2


def test_every_promise_of_bytes_is_held() -> None:
    assert missed(list(wire.rows(True))) == []
