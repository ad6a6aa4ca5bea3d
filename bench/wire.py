"""Bytes of what travels, against what others make of the same content. Exact, no timing.

The content: the worst headline of a short circuit that a 10 kV terminal has to say, and quarter
hours of bench/walk.py, 13 values each. Every form carries the same: who (bay), when, which values,
how much of the interval was observed. Ours also says seq, boot, monotonic instant, clock source and
error, which the others have no words for; beside a reference the envelope counts in. Nothing is
rounded further than our scales do. Topics and MQTT's own bytes stand apart everywhere.

References, written here from their specifications, shortest honest form each:
    ThingsBoard gateway JSON: {"device": [{"ts": ms, "values": {key: number}}]}, short keys.
    SenML JSON, SenML CBOR: RFC 8428, base name and base time where they change, no units; CBOR with
        the integer labels of section 6, whole numbers as integers, others in the shortest float
        that holds them exactly, or rounded to float32.
    Sparkplug B: Eclipse Sparkplug 3.0, the payload in protobuf, one payload timestamp, seq, metrics
        with a datatype and a float, an int or a string; by name, and by alias after a birth.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cbor2

from agent.clock import Stamp
from agent.records import Event
from agent.store import cbor, entries, entry
from agent.uplink import wire
from bench.table import Row
from bench.walk import AT_ITS_LIMIT, MIDNIGHT_US, history, quarters

# What a node says after years of service; see tests/agent/uplink/test_wire.py.
EPOCH, SEQ = (1 << 32) - 1, (1 << 32) - 5_000
STAMP = Stamp(60_000, 280_000_000_000_000, MIDNIGHT_US + 123_456, 1, 60_000_000)
HEADLINE = Event(
    event="fault",
    bay="bay-12",
    t_us=STAMP.mono_us,
    alarm=True,
    kind="ABC",
    direction="forward",
    outcome="permanent",
    confidence=0.97,
    currents=(19_871.23, 20_112.87, 19_993.14),
    voltages=(6_352.4, 6_351.9, 6_350.8),
    residual_amps=1_203.55,
    neutral_volts=6_123.4,
)
DISTANCE_M = {"distance_m": 41_234, "distance_low_m": 39_871, "distance_high_m": 42_655}

# One sample: bay, instant [us since 1970], values by short names.
Sample = tuple[str, int, dict[str, float | int | str]]
Encode = Callable[[Sequence[Sample]], bytes]

NAMES = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0", "p", "q", "f", "i2", "u2")


def rows(quick: bool) -> Iterator[Row]:  # noqa: ARG001  bytes take no time
    """The table: our bytes against the promise, then beside each reference."""
    headline = headline_entry()
    alone = [history("bay-12", AT_ITS_LIMIT, STAMP)]
    yield from _figure("event headline", [headline], [headline_sample(headline)], at_most=60)
    yield from _figure("13 values alone, at 630 A", alone, samples(alone), at_most=60)
    live = entries.meter_row({"bay": "bay-12", **AT_ITS_LIMIT})
    yield Row(what="13 values on `m`, a bay", value=_size(live), unit="B", at_most=60)
    around = apart(envelope([headline]))
    yield Row(what="envelope around either", value=around, unit="B", at_most=40)
    for what, count, bays in (
        ("a set in a batch of 60, one bay", 60, 1),
        ("a set in a batch of 60, six bays", 10, 6),
        ("a set in a day's batch, six bays", 96, 6),
    ):
        logged = quarters(count, bays)
        yield from _figure(what, logged, samples(logged), at_most=15)


def headline_entry() -> list[Any]:
    """Every column that the promise names, none absent."""
    logged = entries.event_entry(HEADLINE, STAMP, logged_us=STAMP.mono_us)
    for name, metres in DISTANCE_M.items():
        logged[entry.column(entry.EVENT, name)] = metres
    return logged[: entry.column(entry.EVENT, "distance_high_m") + 1]


def envelope(logged: list[list[Any]]) -> dict[int, Any]:
    """One envelope with all of them."""
    items = [("record", SEQ + n, each) for n, each in enumerate(logged)]
    sent, taken = wire.envelope(EPOCH, "h", items, cbor.MAX_BYTES)
    if taken != len(logged):
        raise ValueError(f"{taken} of {len(logged)} records; expected one envelope for all")
    return sent


def apart(sent: dict[int, Any]) -> int:
    """What the envelope has beside its records: its head, and the keys that they stand behind."""
    body: dict[int, list[Any]] = {wire.RECORDS: [], wire.PACKED: []}
    return _size({key: body.get(key, value) for key, value in sent.items()})


def samples(logged: list[list[Any]]) -> list[Sample]:
    """The same histories as others would take them: values in their units."""
    told = []
    for each in logged:
        values: dict[str, float | int | str] = {}
        for name, count, (_, exponent) in zip(NAMES, each[7:20], _SCALES, strict=True):
            values[name] = count * 10**exponent if exponent >= 0 else count / 10**-exponent
        told.append((each[6], each[entry.UTC], values | {"obs": each[20]}))
    return told


def headline_sample(logged: list[Any]) -> Sample:
    """The headline as others would take it: enumerations as text, values in their units."""
    shown = entries.shown(logged)
    currents, voltages = HEADLINE.currents, HEADLINE.voltages
    values: dict[str, float | int | str] = {
        "event": "fault",
        "alarm": 1,
        "kind": "ABC",
        "dir": "forward",
        "out": "permanent",
        "conf": 0.97,
        **{name: value for name, value in zip(NAMES[:3], currents, strict=True) if value},
        **{name: value for name, value in zip(NAMES[4:7], voltages, strict=True) if value},
        "i0": 1_203.55,
        "u0": 6_123.4,
        "km": 41.234,
        "km1": 39.871,
        "km2": 42.655,
    }
    return str(shown["bay"]), STAMP.utc_us, values


def thingsboard_json(batch: Sequence[Sample]) -> bytes:
    """Grouped by device, as its gateway API wants it."""
    devices: dict[str, list[dict[str, object]]] = {}
    for bay, utc_us, values in batch:
        devices.setdefault(bay, []).append({"ts": utc_us // 1000, "values": values})
    return json.dumps(devices, separators=(",", ":")).encode()


def _senml(batch: Sequence[Sample]) -> Iterator[dict[str, object]]:
    """RFC 8428 records: base name and base time stand where they change, all else is relative."""
    base_name, base_us = "", 0
    for bay, utc_us, values in batch:
        for name, value in values.items():
            record: dict[str, object] = {"n": name, "vs" if isinstance(value, str) else "v": value}
            if utc_us != base_us:
                record["bt"] = utc_us / 1e6
            if bay != base_name:
                record["bn"] = bay
            base_name, base_us = bay, utc_us
            yield record


def senml_json(batch: Sequence[Sample]) -> bytes:
    """RFC 8428, section 5."""
    return json.dumps(list(_senml(batch)), separators=(",", ":")).encode()


_LABELS = {"bn": -2, "bt": -3, "n": 0, "v": 2, "vs": 3, "t": 6}


def senml_cbor(batch: Sequence[Sample]) -> bytes:
    """RFC 8428, section 6: its integer labels; canonical CBOR takes the shortest exact float."""
    labelled = [
        {_LABELS[key]: _whole(value) for key, value in record.items()} for record in _senml(batch)
    ]
    return cbor2.dumps(labelled, canonical=True)


def senml_cbor_float32(batch: Sequence[Sample]) -> bytes:
    """The same with values rounded to float32, as many senders have it."""
    rounded: list[Sample] = []
    for bay, utc_us, values in batch:
        singles = {k: v if isinstance(v, str) else _single(v) for k, v in values.items()}
        rounded.append((bay, utc_us, singles))
    return senml_cbor(rounded)


def sparkplug_names(batch: Sequence[Sample]) -> bytes:
    """Every metric by its name, as in a birth."""
    return _sparkplug(batch, lambda name: b"\x0a" + _prefixed(name.encode()))


def sparkplug_alias(batch: Sequence[Sample]) -> bytes:
    """Every metric by the alias that a birth gave it."""
    known: dict[str, int] = {}
    return _sparkplug(batch, lambda name: b"\x10" + _varint(known.setdefault(name, len(known))))


def _sparkplug(batch: Sequence[Sample], named: Callable[[str], bytes]) -> bytes:
    """Payload {timestamp 1, metrics 2, seq 3}; a metric {name 1 | alias 2, timestamp 3, datatype 4,
    int_value 10 | float_value 12 | string_value 15}; its timestamp only where it is not the
    payload's. Source: Eclipse Sparkplug 3.0, section 6.4 and sparkplug_b.proto.
    """
    first_ms = batch[0][1] // 1000
    data = b"\x08" + _varint(first_ms)
    for bay, utc_us, values in batch:
        for name, value in values.items():
            metric = named(f"{bay}/{name}")
            if utc_us // 1000 != first_ms:
                metric += b"\x18" + _varint(utc_us // 1000)
            data += b"\x12" + _prefixed(metric + _metric_value(value))
    return data + b"\x18" + _varint(255)


def _metric_value(value: float | str) -> bytes:
    if isinstance(value, str):
        return b"\x20\x0c" + b"\x7a" + _prefixed(value.encode())
    if isinstance(value, int) and value >= 0:
        return b"\x20\x03" + b"\x50" + _varint(value)
    return b"\x20\x09" + b"\x65" + struct.pack("<f", value)


def _varint(number: int) -> bytes:
    data = b""
    while number > 127:
        data += bytes([number & 127 | 128])
        number >>= 7
    return data + bytes([number])


def _prefixed(data: bytes) -> bytes:
    return _varint(len(data)) + data


def _whole(value: object) -> object:
    """An integral float as the integer that it is: shorter in CBOR."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _single(value: float) -> float:
    (single,) = struct.unpack("<f", struct.pack("<f", value))
    return float(single)


REFERENCES: tuple[tuple[str, Encode], ...] = (
    ("ThingsBoard JSON", thingsboard_json),
    ("the same, zlib", lambda batch: zlib.compress(thingsboard_json(batch), 9)),
    ("SenML JSON", senml_json),
    ("SenML CBOR, exact", senml_cbor),
    ("SenML CBOR, float32", senml_cbor_float32),
    ("Sparkplug B, names", sparkplug_names),
    ("Sparkplug B, alias", sparkplug_alias),
)


def _figure(
    what: str, logged: list[list[Any]], content: list[Sample], *, at_most: float
) -> Iterator[Row]:
    """Ours against the promise; then with its share of the envelope beside each reference."""
    sent = envelope(logged)
    ours = _size(sent) / len(logged)
    yield Row(what=what, value=(_size(sent) - apart(sent)) / len(logged), unit="B", at_most=at_most)
    for name, encode in REFERENCES:
        theirs = len(encode(content)) / len(content)
        yield Row(
            what=f"  with its envelope: {what}",
            value=ours,
            unit="B",
            reference=name,
            reference_value=theirs,
            ratio=theirs / ours,
        )


def _size(item: object) -> int:
    return len(cbor.dumps(item))


_SCALES = tuple(
    {"a": ("A", -2), "v": ("V", -1), "h": ("W", 2), "f": ("Hz", -3)}[kind]
    for kind in "aaaavvvvhhfav"
)
