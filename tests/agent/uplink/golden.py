"""The golden vectors: what they are made of, once, and how ours reads and writes them.

    python -m tests.agent.uplink.golden

adds what is missing in tests/agent/uplink/vectors/ and changes nothing that is there: others test
against it. test_vectors.py checks them by a second decoder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.clock import Stamp
from agent.records import Event
from agent.store import cbor, entries, entry
from agent.store.ed25519 import Secret
from agent.uplink import command, cose, topics, wire
from bench.walk import AT_ITS_LIMIT, history, quarters

VECTORS = Path(__file__).with_name("vectors")
EPOCH = 2_864_434_397
SITE, NODE, CONSUMER = "hebin", "ftu-7", "scada"
SECRET = Secret(bytes(range(32)))
NONCE = bytes(range(100, 116))
STAMP = Stamp(41, 1_479_300_123_456, 1_795_478_400_123_456, 2, 12_000)

# Name of a vector, and what it means; a file for each kind.
Named = tuple[str, dict[str, Any]]


def encoded(rule: str, means: dict[str, Any]) -> bytes:
    """The payload as ours writes it."""
    means = unhexed(means)
    if rule == "envelope":
        items = [tuple(item) for item in means["items"]]
        told, taken = wire.envelope(means["epoch"], means["lane"], items, 8192, means["flags"])
        assert taken == len(items)
        return cbor.dumps(told)
    if rule == "birth":
        lanes = {lane: tuple(state) for lane, state in means["lanes"].items()}
        known = {name: value for name, value in means.items() if name != "points"}
        return cbor.dumps(wire.birth(**{**known, "lanes": lanes, "clock": tuple(means["clock"])}))
    if rule == "signed-message":
        until = means["deadline"]
        until = tuple(until) if isinstance(until, list) else until
        told = command.command(means["nonce"], until, means["arguments"])
        return cose.sign(cbor.dumps(told), topic_of(rule, means), SECRET)
    makers: dict[str, Any] = {
        "state": wire.state,
        "ack": wire.ack,
        "replay": wire.replay,
        "ask": wire.ask,
        "drain": wire.drain,
        "live": wire.live,
        "command-result": command.result,
    }
    return cbor.dumps(makers[rule](**means))


def decoded(rule: str, payload: bytes) -> dict[str, Any]:
    """What ours reads in it, as JSON has it; raises what the reader raises."""
    fields = {
        "state": ("online", "conn", "utc_us"),
        "ack": ("epoch", "marks"),
        "replay": ("epoch", "lane", "first", "last", "deadline_us"),
        "ask": ("token", "what", "of", "deadline_us"),
        "drain": ("bytes_a_second", "jitter_s", "holds_old"),
        "live": ("utc_us", "mono_us", "bays"),
    }
    if rule == "envelope":
        item = cbor.loads(payload)
        epoch, lane, items = wire.open_envelope(item)
        told = {"epoch": epoch, "lane": lane, "flags": wire.flags_of(item), "items": items}
    elif rule == "birth":
        told = cbor.parsed(payload, wire.open_birth)
    elif rule == "signed-message":
        signed = cose.opened(payload)
        names = ("nonce", "deadline", "arguments")
        told = dict(zip(names, cbor.parsed(signed.payload, command.open_command), strict=True))
        told |= {"key": signed.key, "signature": signed.signature}
    elif rule == "command-result":
        parts = ("stage", "clock", "operation", "nonce", "detail")
        told = dict(zip(parts, cbor.parsed(payload, command.open_result), strict=True))
    else:
        read = cbor.parsed(payload, getattr(wire, f"open_{rule}"))
        told = dict(zip(fields[rule], read, strict=True))
    return {name: hexed(value) for name, value in told.items()}


def shown(means: dict[str, Any]) -> list[dict[str, Any]]:
    """The records of an envelope as `listen --json` prints them, but for the site."""
    keys = [(seq, logged) for kind, seq, logged, *_ in unhexed(means)["items"] if kind == "record"]
    at = (NODE, means["epoch"], means["lane"])
    told = [entries.delivered_json(logged, entries.Key(*at, seq)) for seq, logged in keys]
    found: list[dict[str, Any]] = json.loads(json.dumps(told))
    return found


def hexed(item: Any) -> Any:
    """For JSON: bytes as {"hex": ...}, tuples as lists."""
    if isinstance(item, bytes):
        return {"hex": item.hex()}
    if isinstance(item, dict):
        return {key: hexed(value) for key, value in item.items()}
    return [hexed(value) for value in item] if isinstance(item, list | tuple) else item


def unhexed(item: Any) -> Any:
    """The inverse."""
    if isinstance(item, dict):
        if set(item) == {"hex"}:
            return bytes.fromhex(item["hex"])
        return {key: unhexed(value) for key, value in item.items()}
    return [unhexed(value) for value in item] if isinstance(item, list) else item


# --- what the vectors are made of -----------------------------------------------------------------


def envelope(*logged: Any, lane: str = "a", seq: int = 7, flags: int = 0) -> dict[str, Any]:
    items = [["record", seq + n, each] for n, each in enumerate(logged)]
    flags |= wire.EXERCISE if lane == "x" else 0
    return {"epoch": EPOCH, "lane": lane, "flags": flags, "items": hexed(items)}


def composed(kind: int, **values: Any) -> list[Any]:
    at = (STAMP.boot, STAMP.mono_us, STAMP.utc_us, STAMP.source, 1 << 14)
    return entry.compose(kind, at, values)


def event(name: str, later_us: int = 0, **fields: Any) -> list[Any]:
    stamp = Stamp(STAMP.boot, STAMP.mono_us + later_us, STAMP.utc_us + later_us, 2, 12_000)
    told = Event(event=name, t_us=stamp.mono_us, **{"bay": "head", "alarm": False, **fields})
    return entries.event_entry(told, stamp, logged_us=stamp.mono_us + 850)


FAULT: dict[str, Any] = {
    "alarm": True,
    "direction": "forward",
    "outcome": "permanent",
    "confidence": 0.97,
    "currents": (1987.12, 2011.28, 31.4),
    "voltages": (3635.2, 3635.1, 6350.8),
    "residual_amps": 12.55,
    "neutral_volts": 61.2,
    "distance_km": 4.123,
    "distance_interval_km": (3.987, 4.265),
    "element": "50P",
    "phases": "AB",
    "onset_us": STAMP.mono_us - 14_700,
    "bounds_us": (STAMP.mono_us - 15_000, STAMP.mono_us - 14_000),
}


def events() -> Iterator[Named]:
    for name in entry.EVENTS:
        yield name, envelope(event(name, detail="as it was told"))
    for kind in entry.KINDS:
        yield f"fault-{kind}", envelope(event("fault", **{**FAULT, "kind": kind}))
    for direction in entry.DIRECTIONS:
        yield f"direction-{direction}", envelope(event("fault", kind="AG", direction=direction))
    for outcome in entry.OUTCOMES:
        yield f"outcome-{outcome}", envelope(event("fault_cleared", outcome=outcome))
    unknown: dict[str, Any] = {"direction": "unknown", "undetermined": "no voltages"}
    yield "undetermined", envelope(event("fault", kind="AG", **unknown))
    several = [event("dip", later_us=n * 20_000, phases="A") for n in range(3)]
    yield "several-of-one-bay", envelope(*several)
    yield "several-of-two-bays", envelope(*several, event("swell", 70_000, bay="tail"))
    yield "sent-again", envelope(several[0], flags=wire.REPLAY)
    yield "of-a-drill", envelope(exercise(), lane="x")
    stepped = Stamp(41, STAMP.mono_us + 9, STAMP.utc_us - 3_600_000_000, 1, None)
    other = entries.restamped(several[1], stepped)
    yield "own-clock-source-and-error", envelope(several[0], other)
    drifted = Stamp(41, STAMP.mono_us + 9, STAMP.utc_us + 11, 2, 12_000)
    yield "utc-drifts", envelope(several[0], entries.restamped(several[1], drifted))
    nothing = entries.restamped(several[0], Stamp(1, 5, 0, 0, None))
    yield "utc-unknown", envelope(nothing)


def exercise() -> list[Any]:
    told = Event(event="fault", bay="head", t_us=STAMP.mono_us, alarm=True, kind="BC")
    return entries.event_entry(told, STAMP, logged_us=STAMP.mono_us, exercise=True)


def plan_variance() -> Iterator[Named]:
    named: dict[str, Any] = {
        name: 1_795_478_400 + n
        for n, (name, what, _) in enumerate(entry.COLUMNS[entry.PLAN_VARIANCE])
        if what == entry.INT
    }
    told: dict[str, Any] = {"plan": "P-1", "revision": 2, "section": "s1"}
    yield "least", envelope(composed(entry.PLAN_VARIANCE, **told), lane="s")
    told |= {"expected_phases": "ABC", "dead_phases": "AB", "verdicts": ["late", "longer"]}
    told |= {"clock_source": "gnss", "clock_error_us": 40}
    yield "whole", envelope(composed(entry.PLAN_VARIANCE, **named, **told), lane="s")


def drills() -> Iterator[Named]:
    for n, what in enumerate(entry.DRILL_WHATS):
        told = composed(entry.DRILL, drill="D-1", what=what, after_ms=1000 * n, detail="word")
        yield what, envelope(told, lane="x")
    script = {"steps": ["isolate", 60_000, "lead"], "expected": ["head", "fault", None]}
    told = composed(entry.DRILL, drill="D-1", what="started", after_ms=0, title="短路", **script)
    yield "script", envelope(told, lane="x")


def whys() -> Iterator[Named]:
    why: dict[str, float | int | str] = {
        "i0_amps": 0.1 + 0.2,
        "pickup_amps": 0.3,
        "samples": 80,
        "rule": "50N",
        "least": 5e-324,
        "largest": 1.7976931348623157e308,
        "none": float("nan"),
        "without-end": float("-inf"),
        "minus-zero": -0.0,
    }
    yield "quantities", envelope(entries.why_entry(STAMP, "a", 7, why), lane="h")


def extremes() -> dict[str, Any]:
    lists = {name: [*range(12), None] for name in ("maxima", "minima")}
    lists |= {f"{name}_after_s": [*range(12), None] for name in ("maxima", "minima")}
    day = {"bay": "head", "day_start_utc_s": 1_795_392_000, "observed_s": 86_400, "quality": 5}
    return envelope(composed(entry.EXTREMES, **day, **lists), lane="h")


def timemaps() -> Iterator[Named]:
    after = {"utc_offset_after_us": STAMP.utc_us - STAMP.mono_us}
    yield "first", envelope(composed(entry.TIMEMAP, **after, cause="start"), lane="h")
    step = {**after, "utc_offset_before_us": 1_500_000, "cause": "set"}
    yield "step", envelope(composed(entry.TIMEMAP, **step), lane="h")


def backlogs() -> Iterator[Named]:
    week = quarters(4)
    between = [*week[:7], entries.blind_entry(STAMP, STAMP.mono_us - 77, "restart"), *week[7:]]
    for name, logged in (("histories", week), ("with-others-between", between)):
        yield name, envelope(*logged, lane="h")


def simple() -> Iterator[tuple[str, str, list[Named]]]:
    """(file, rule, vectors) of the payloads that are no envelopes."""
    told: dict[str, Any] = {
        "node": NODE,
        "model": "FTU-200",
        "versions": {"agent": "0.1.0", "python": "3.11"},
        "config_hash": bytes(range(32)),
        "lanes": {"a": [EPOCH, 5, 90, [[1, 4, "evicted"]]], "h": [EPOCH, 1, 1, []]},
        "clock": [41, STAMP.mono_us, STAMP.utc_us, 2, 12_000],
        "protocol": "5",
        "ack": "consumer",
        "consumers": ["scada", "archive"],
        "public_key": bytes(range(32, 64)),
    }
    points = [list(point) for point in entry.POINTS]
    puback = {
        **told,
        "protocol": "3.1.1",
        "ack": "puback",
        "clock": [1, 5, 0, 0, None],
        "lanes": {},
    }
    births = [("whole", told), ("weaker-mode", puback)]
    yield "birth", "birth", [(name, hexed({**each, "points": points})) for name, each in births]
    states: list[tuple[str, bool, int, int | None]] = [
        ("online", True, 17, STAMP.utc_us),
        ("will", False, 17, STAMP.utc_us),
    ]
    states += [("without-instant", True, 1, None)]
    yield "state", "state", [(n, {"online": o, "conn": c, "utc_us": u}) for n, o, c, u in states]
    row = entries.meter_row({"bay": "head", **AT_ITS_LIMIT})
    nothing = ["tail", *[None] * 13]
    now = {"utc_us": STAMP.utc_us, "mono_us": STAMP.mono_us}
    yield "live", "live", [("two-bays", {**now, "bays": [row, nothing]})]
    marks = {"a": 89, "h": 0}
    acks: list[tuple[str, int, dict[str, int]]] = [
        ("two-lanes", EPOCH, marks),
        ("epoch-of-64-bits", (1 << 64) - 1, {"s": (1 << 63) - 1}),
    ]
    yield "ack", "ack", [(name, {"epoch": e, "marks": m}) for name, e, m in acks]
    until = {"deadline_us": STAMP.utc_us + 30_000_000}
    span: dict[str, Any] = {"epoch": EPOCH, "lane": "a", "first": 40, "last": 57}
    replays = [("with-deadline", {**span, **until}), ("without", {**span, "deadline_us": None})]
    yield "replay", "replay", replays
    record: dict[str, Any] = {
        "token": "q-1",
        "what": "record",
        "of": "20261125T101500-head-17",
        **until,
    }
    probe: dict[str, Any] = {"token": "q-2", "what": "probe", "of": None, "deadline_us": None}
    yield "ask", "ask", [("record", record), ("probe", probe)]
    brakes = [
        ("slow", 4096, 60, 0),
        ("pause", 0, None, 0),
        ("none", None, None, 0),
        ("all-wait", 1024, 500, 1),
    ]
    yield "command", "signed-message", list(commands())
    at = {"operation": "drill-start", "clock": [41, STAMP.mono_us, STAMP.utc_us, 2, 12_000]}
    done: dict[str, Any] = {"stage": "done", **at, "nonce": hexed(NONCE), "detail": "D-1"}
    why = {"stage": "refused", **at, "nonce": None, "detail": "it is not signed"}
    yield "result", "command-result", [("done", done), ("refused", why)]
    names = ("bytes_a_second", "jitter_s", "holds_old")
    yield "drain", "drain", [(name, dict(zip(names, of, strict=True))) for name, *of in brakes]


def commands() -> Iterator[Named]:
    """On the topic of drill-start, by the key whose seed is 0, 1, 2 ...: anybody can make them."""
    until = STAMP.utc_us + 60_000_000
    for name, deadline, arguments in (
        ("until-utc", until, {"drill": "D-1"}),
        ("until-its-own-clock", [41, STAMP.mono_us + 60_000_000], {}),
        ("numbers", until, {"bytes_a_second": 4096, "jitter_s": 30}),
    ):
        means = hexed({"nonce": NONCE, "deadline": deadline, "arguments": arguments})
        signed = cose.opened(encoded("signed-message", means))
        yield name, {**means, **hexed({"key": signed.key, "signature": signed.signature})}


def kinds() -> Iterator[tuple[str, str, list[Named]]]:
    """(file, rule, vectors), each vector's name and what it means."""
    yield from simple()
    yield "event", "envelope", list(events())
    yield "why", "envelope", list(whys())
    blind = [entries.blind_entry(STAMP, since, "restart") for since in (None, STAMP.mono_us - 77)]
    names = ("since-unknown", "since")
    told = [(n, envelope(e, lane="h")) for n, e in zip(names, blind, strict=True)]
    yield "blind", "envelope", told
    yield "plan_variance", "envelope", list(plan_variance())
    audit = entries.audit_entry(STAMP, "settings_committed", "ops-2", "version 3 in force")
    ordered = entries.audit_entry(STAMP, "command", "control-room", "drill-start: D-1", "done")
    audits = [("whole", audit), ("command", ordered)]
    yield "audit", "envelope", [(name, envelope(each, lane="s")) for name, each in audits]
    one = history("head", AT_ITS_LIMIT, STAMP)
    yield "history", "envelope", [("alone", envelope(one, lane="h"))]
    yield "extremes", "envelope", [("a-day", extremes())]
    yield "timemap", "envelope", list(timemaps())
    yield "drill", "envelope", list(drills())
    head = {"chain": bytes(range(32)), "signer": bytes(8), "signature": bytes(range(64))}
    first = composed(entry.HEAD, of_lane="a", of_seq=6, **head)
    since = {"after_seq": 6, "lowest_seq": 3, "lost": [7, 9, "torn"]}
    later = composed(entry.HEAD, of_lane="a", of_seq=40, **since, **head)
    heads = [("first", envelope(first, lane="s")), ("later", envelope(later, lane="s"))]
    yield "head", "envelope", heads
    metrics = composed(entry.METRICS, of="guard", values=["records", 12, "flush_us", 812])
    yield "metrics", "envelope", [("two", envelope(metrics, lane="h"))]
    wave: dict[str, Any] = {"of_record": "20261125T101500-head-17", "parts": 2}
    parts = [{"part": 0, "body": bytes(9)}, {"part": 1, "body": b"\xff", "digest": bytes(32)}]
    waves = [composed(entry.WAVE, **wave, **part) for part in parts]
    yield "wave", "envelope", [("two-parts", envelope(*waves, lane="w"))]
    answer = composed(
        entry.ANSWER, asked="q-1", asked_for="record", answer="done", detail="2 parts"
    )
    yield "answer", "envelope", [("done", envelope(answer, lane="s"))]
    meter: dict[str, Any] = {"sensor": "meter", "first": 0}
    named = composed(entry.CHANNELS, **meter, channels=["ia", "A", "ua", "V"])
    yield "channels", "envelope", [("two", envelope(named, lane="h"))]
    polls: list[dict[str, Any]] = [
        {"values_milli": [100_250, None]},
        {"values_milli": [-3, 5_773_500], "doubt": 5},
    ]
    polled = [composed(entry.READINGS, **meter, **poll) for poll in polls]
    yield "readings", "envelope", [("two-polls", envelope(*polled, lane="h"))]
    gone: dict[str, Any] = {"epoch": EPOCH, "lane": "a", "items": [["lost", 3, 9, "evicted"]]}
    lost = [("torn", {**gone, "flags": 0}), ("gone", {**gone, "flags": wire.REPLAY})]
    yield "lost", "envelope", lost
    yield "backlog", "envelope", list(backlogs())


def read_only() -> list[tuple[str, dict[int, Any]]]:
    """Envelopes that ours never writes and every consumer reads: (name, CBOR item)."""
    means = envelope(event("dip"))
    plain = cbor.loads(encoded("envelope", means))
    row = plain[wire.RECORDS][0]
    first = {wire.UTC: STAMP.utc_us - STAMP.mono_us % 65536, wire.SOURCE: 2, wire.ERROR: 14}
    first |= {wire.MONO: STAMP.mono_us >> wire.MONO_SHIFT, wire.SCHEMA: 1}
    old = {key: value for key, value in {**plain, **first}.items() if key != wire.CLOCK}
    whole = [*row, *[None] * (len(entry.COLUMNS[entry.EVENT]) + 2 - len(row)), 17]
    return [
        ("schema-1", old),
        ("a-key-of-a-later-version", {**plain, 23: ["whatever"]}),
        ("a-type-of-a-later-version", {**plain, wire.RECORDS: [[99, 0, "new", [1, None], b"x"]]}),
        ("a-column-of-a-later-version", {**plain, wire.RECORDS: [whole]}),
        ("an-event-of-a-later-version", {**plain, wire.RECORDS: [[1, 0, 200, "head", 0]]}),
    ]


def refused() -> list[tuple[str, str, bytes]]:
    """What every reader refuses: (why, rule, payload)."""
    good = encoded("envelope", envelope(event("dip")))
    item = cbor.loads(good)
    records = item[wire.RECORDS]
    wrong: list[tuple[str, dict[int, Any]]] = [
        ("seq 0", {wire.FIRST: 0}),
        ("no records", {wire.RECORDS: []}),
        ("records and a lost range", {wire.LOST: [7, 7, "torn"]}),
        ("a lane of two letters", {wire.LANE: "aa"}),
        ("a clock of 13 bytes", {wire.CLOCK: bytes(13)}),
        ("an event without its bay", {wire.RECORDS: [[1, 0, 0, None, 0]]}),
        ("a record without its instant", {wire.RECORDS: [[1]]}),
        ("packed columns that are none", {wire.PACKED: [["head"], b"\xff" * 8]}),
    ]
    found = [(why, "envelope", cbor.dumps({**item, **each})) for why, each in wrong]
    lost = {key: item[key] for key in (0, 1, 2, 3)}
    found += [
        ("a lost range from another seq", "envelope", cbor.dumps({**lost, 11: [8, 9, "torn"]})),
        (
            "a lost range that ends before it begins",
            "envelope",
            cbor.dumps({**lost, 11: [7, 6, ""]}),
        ),
        ("cut short", "envelope", good[:-1]),
        ("a byte behind it", "envelope", good + b"\x00"),
        ("a float", "ack", bytes.fromhex("a3000201fb000000000000000002a0")),
        ("an indefinite length", "ack", bytes.fromhex("bf00020105 02a0ff")),
        ("a key twice", "ack", bytes.fromhex("a40002010501 0602a0")),
        ("a tag", "ack", bytes.fromhex("a3000201c10502a0")),
        ("true", "state", bytes.fromhex("a3000201f50201")),
        ("a mark below 0", "ack", bytes.fromhex("a30002010502a1616120")),
        ("a signed message of another algorithm", "signed-message", wrongly(alg=-7)),
        ("a signed message without a key's name", "signed-message", wrongly(key=b"")),
        ("a signature of 63 bytes", "signed-message", wrongly(signature=bytes(63))),
        ("a command without its tag", "signed-message", wrongly()[1:]),
        (
            "a stage of nobody",
            "command-result",
            cbor.dumps({0: 2, 1: "obeyed", 2: [1, 2, 3, 0, 4], 3: "x"}),
        ),
        ("from behind to", "replay", cbor.dumps({0: 2, 1: 5, 2: "a", 3: 9, 4: 8})),
        ("nothing", "birth", b""),
    ]
    assert len(records) == 1
    return found


def wrongly(alg: int = -8, key: bytes = bytes(8), signature: bytes = bytes(64)) -> bytes:
    """A signed message as it must not be."""
    told = cbor.dumps(command.command(NONCE, 1, {}))
    return cose.TAG + cbor.dumps([cbor.dumps({1: alg, 4: key}), {}, told, signature])


def topic_of(rule: str, means: dict[str, Any]) -> str:
    short = {
        "live": topics.LIVE,
        "ack": topics.ACK,
        "drain": topics.DRAIN,
        "command-result": topics.RES,
    }
    if rule == "signed-message":
        return topics.topic(topics.CMD, SITE, NODE, "drill-start")
    name = short.get(rule, rule)
    name = topics.LANES[means["lane"]] if rule == "envelope" else name
    consumer = CONSUMER if "{consumer}" in name else None
    return topics.topic(name, SITE, None if name in topics.SHARED else NODE, consumer)


def add_missing() -> None:
    for file, rule, vectors in kinds():
        add(file, [made(rule, name, means) for name, means in vectors])
    read = []
    for name, item in read_only():
        payload = cbor.dumps(item)
        means = decoded("envelope", payload)
        read.append({**made("envelope", name, means, payload), "writes": False})
    add("read-only", read)
    add("refused", [{"name": n, "rule": rule, "hex": p.hex()} for n, rule, p in refused()])


def made(
    rule: str, name: str, means: dict[str, Any], payload: bytes | None = None
) -> dict[str, Any]:
    payload = encoded(rule, means) if payload is None else payload
    vector: dict[str, Any] = {"name": name, "rule": rule, "topic": topic_of(rule, means)}
    vector |= {"hex": payload.hex(), "means": means}
    return {**vector, "shown": shown(means)} if rule == "envelope" else vector


def add(file: str, vectors: list[dict[str, Any]]) -> None:
    path = VECTORS / f"{file}.json"
    there = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    known = {vector["name"] for vector in there}
    there += [vector for vector in vectors if vector["name"] not in known]
    lines = ",\n".join(json.dumps(vector, ensure_ascii=False) for vector in there)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    add_missing()
