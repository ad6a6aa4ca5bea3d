"""What travels: entries of one lane as envelopes, and the other payloads, as CBOR items.

Maps with integer keys, described for the world in ftu.cddl. An envelope carries consecutive
records of one lane, or one range of seqs declared lost; what its records share stands in it once,
and a backlog of histories as packed columns (backlog.py). Envelopes of schema 1 are still read.
Whatever comes in is checked to the last integer and raises ValueError with one clear line; keys,
columns and record types of a later version pass. Bytes stay outside: see cbor.py.

Portable.
"""

import struct

from agent.store import entry
from agent.uplink import backlog, columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Item = Any
    Map = dict[int, Any]
    Entry = list[Any]
    # Of a record: its word, seq and entry. Of a loss: its word, first and last seq, reason.
    LaneItem = tuple[Any, ...]
    # epoch, lowest seq still kept, next seq, lost ranges (first, last, reason)
    LaneState = tuple[int, int, int, list[tuple[int, int, str]]]

VERSION = 2

# Keys of an envelope; UTC, SOURCE, ERROR and MONO are those of schema 1, CLOCK holds all four.
SCHEMA, EPOCH, LANE, FIRST, BOOT, UTC, SOURCE, ERROR, FLAGS, MONO, BAY, LOST, RECORDS = range(13)
CLOCK, PACKED = 13, 14

EXERCISE = 1  # a drill: never taken for the real thing
DRILLS = "x"  # its lane: every envelope of it is flagged
REPLAY = 2  # sent before, sent again

# The base lies on the monotonic clock's last multiple of 2^16 us, so that it takes four bytes for
# nine years and the first record's offset at most three. Source, error, mono, UTC: as integers of
# their own they would take 23 bytes with their keys instead of 16.
MONO_SHIFT = 16
_CLOCK_FORMAT, _CLOCK_BYTES = ">BBIQ", 14
_NO_ERROR = 255
# At most: the key of the records and the head of their array.
RECORDS_BYTES = 4
# A history takes more than this when it is packed, so that more of them need not be tried at once.
DENSEST_BYTES = 8
# What `birth` tells of losses is a help; each of them is also told once in its lane.
LOST_TOLD = 32

# What a node can be asked: a waveform record, whether it is there.
ASKED = ("record", "probe")
LONGEST_TOKEN = 64
# A day: beyond it a start is a pause, which the brake says by its rate.
LONGEST_JITTER_S = 86_400
# What `state` tells of the uplink's health is a glance; the whole stands in METRICS records.
STATE_FIGURES = 16

KEY_BYTES = 32  # of an Ed25519 public key (RFC 8032, section 5.1.5)

_U64 = (1 << 64) - 1
_I63 = (1 << 63) - 1
_BAY_PLACE = entry.column(entry.EVENT, "bay") - entry.FIRST + 2


def envelope(
    epoch: int, lane: str, items: "list[LaneItem]", limit: int, flags: int = 0
) -> "tuple[Map, int]":
    """The envelope for as many leading `items` as belong together and fit, and how many these are.

    items: ("record", seq, entry that has passed entry.check) or ("lost", first, last, reason),
    ascending. limit: bytes of the envelope as CBOR; one record is always taken. Records belong
    together while their seqs follow each other in one boot. Clock errors are rounded up to a power
    of two. Raises: ValueError for no items.
    """
    if not items:
        raise ValueError("no items; expected at least one")
    head = {SCHEMA: VERSION, EPOCH: epoch, LANE: lane, FIRST: items[0][1]}
    if lane == DRILLS:
        flags |= EXERCISE
    if flags:
        head[FLAGS] = flags
    if items[0][0] == "lost":
        head[LOST] = list(items[0][1:])
        return head, 1
    base = _make_base(head, items[0][2])
    room = limit - entry.size(head) - RECORDS_BYTES
    rows = _rows(items, base, room)
    taken, body = len(rows), {RECORDS: rows}
    packed = _packed(_joined(items, room), base, room) if _holds_history(items, taken) else None
    if packed and (packed[0], entry.size(rows)) > (taken, entry.size(packed[1])):
        taken, body = packed
    _share_bay(head, body.get(RECORDS, []))
    head.update(body)
    return head, taken


def open_envelope(item: "Item") -> "tuple[int, str, list[LaneItem]]":
    """(epoch, lane, items) of an envelope. Raises: ValueError for anything else."""
    _versioned(item, "envelope")
    epoch = _whole(item.get(EPOCH), "epoch", 0, _U64)
    lane = lane_letter(item.get(LANE))
    first = _whole(item.get(FIRST), "first seq", 1, _I63)
    flags_of(item)
    if LOST in item:
        if RECORDS in item:
            raise ValueError("records and a lost range; expected one of them")
        return epoch, lane, [_lost(item[LOST], first)]
    base = _open_base(item)
    entries = [_open_row(row, base) for row in _open_rows(item)]
    if PACKED in item:
        entries = _open_packed(item[PACKED], entries, base)
    if not entries or first + len(entries) - 1 > _I63:
        raise ValueError(f"{len(entries)} records; expected at least one, seqs below 2^63")
    return epoch, lane, [("record", first + n, logged) for n, logged in enumerate(entries)]


def flags_of(item: "Map") -> int:
    """EXERCISE and REPLAY of an envelope, as bits."""
    return _whole(item.get(FLAGS, 0), "flags", 0, _I63)


def birth(
    *,
    node: str,
    model: str,
    versions: "dict[str, str]",
    config_hash: bytes,
    lanes: "dict[str, LaneState]",
    clock: "tuple[int, int, int, int, int | None]",
    protocol: str,
    ack: str,
    consumers: "list[str]",
    public_key: "bytes | None" = None,
) -> "Map":
    """Who speaks, in which scales, and how far its log reaches.

    lanes: {lane: (epoch, lowest, next, [(first, last, reason), ...])}, of which the newest losses
    are told; clock: (boot, mono_us, utc_us, source, error_us); protocol: "5" or "3.1.1";
    ack: "consumer" or "puback"; public_key: of the key that signs the heads, 32 bytes.
    """
    told = {}
    for lane, (epoch, lowest, next_seq, lost) in lanes.items():
        told[lane] = [epoch, lowest, next_seq, [list(each) for each in lost[-LOST_TOLD:]]]
    said = {
        0: VERSION,
        1: node,
        2: model,
        3: dict(versions),
        4: config_hash,
        5: [list(point) for point in entry.POINTS],
        6: told,
        7: list(clock),
        8: protocol,
        9: ack,
        10: list(consumers),
    }
    if public_key is not None:
        said[11] = public_key
    return said


def open_birth(item: "Item") -> "dict[str, Any]":
    """The fields of a birth by the names of `birth`, and its `points`. Raises: ValueError."""
    _versioned(item, "birth")
    return {
        "node": _text(item.get(1), "node"),
        "model": _text(item.get(2), "model"),
        "versions": _open_versions(item.get(3)),
        "config_hash": _bytes(item.get(4), "configuration hash"),
        "points": [_open_point(point) for point in _list(item.get(5), "points")],
        "lanes": {
            lane_letter(lane): _open_lane(state)
            for lane, state in _map(item.get(6), "lanes").items()
        },
        "clock": _open_clock(item.get(7)),
        "protocol": _text(item.get(8), "protocol"),
        "ack": _text(item.get(9), "ack"),
        "consumers": [_text(name, "consumer") for name in _list(item.get(10), "consumers")],
        "public_key": _open_key(item.get(11)),
    }


def state(
    online: bool,
    conn: int,
    utc_us: "int | None" = None,
    figures: "dict[str, int] | None" = None,
) -> "Map":
    """Whether a node, or a consumer, is there.

    conn: counts its connections and is never reset, so that the will of an old one is told from
    the word of the new one; utc_us: when it was written, for a will when it was left behind;
    figures: how log and delivery stand, by the names of agent/metrics.py.
    """
    told: "Map" = {0: VERSION, 1: 1 if online else 0, 2: conn}
    if utc_us is not None:
        told[3] = utc_us
    if figures:
        told[4] = dict(figures)
    return told


def open_state(item: "Item") -> "tuple[bool, int, int | None]":
    """(online, conn, utc_us) of a state. Raises: ValueError."""
    _versioned(item, "state")
    online = _whole(item.get(1), "online", 0, 1)
    utc_us = item.get(3)
    if utc_us is not None:
        _whole(utc_us, "UTC", -_I63, _I63)
    figures_of(item)
    return online == 1, _whole(item.get(2), "conn", 0, _I63), utc_us


def figures_of(item: "Map") -> "dict[str, int]":
    """How log and delivery stood when a state was written. Raises: ValueError."""
    figures = _map(item.get(4, {}), "figures")
    if len(figures) > STATE_FIGURES:
        raise ValueError(f"{len(figures)} figures; expected at most {STATE_FIGURES}")
    for name, value in figures.items():
        _whole(value, _text(name, "figure"), -_I63, _I63)
    return figures


def ack(epoch: int, marks: "dict[str, int]") -> "Map":
    """A consumer has committed every seq of each lane up to the lane's mark."""
    return {0: VERSION, 1: epoch, 2: dict(marks)}


def open_ack(item: "Item") -> "tuple[int, dict[str, int]]":
    """(epoch, {lane: mark}) of an acknowledgement. Raises: ValueError."""
    _versioned(item, "acknowledgement")
    marks = {}
    for lane, mark in _map(item.get(2), "marks").items():
        marks[lane_letter(lane)] = _whole(mark, "mark", 0, _I63)
    return _whole(item.get(1), "epoch", 0, _U64), marks


def replay(epoch: int, lane: str, first: int, last: int, deadline_us: "int | None" = None) -> "Map":
    """Send the seqs first..last of a lane again; not obeyed after the deadline. [us, UTC]"""
    told = {0: VERSION, 1: epoch, 2: lane, 3: first, 4: last}
    if deadline_us is not None:
        told[5] = deadline_us
    return told


def open_replay(item: "Item") -> "tuple[int, str, int, int, int | None]":
    """(epoch, lane, first, last, deadline_us) of a request. Raises: ValueError."""
    _versioned(item, "replay")
    first = _whole(item.get(3), "first seq", 1, _I63)
    last = _whole(item.get(4), "last seq", first, _I63)
    epoch = _whole(item.get(1), "epoch", 0, _U64)
    return epoch, lane_letter(item.get(2)), first, last, _deadline(item.get(5))


def ask(token: str, what: str, of: "str | None" = None, deadline_us: "int | None" = None) -> "Map":
    """A question: `what` is one of ASKED, `of` the record it is about. [us, UTC]"""
    told = {0: VERSION, 1: token, 2: what, 3: of, 4: deadline_us}
    return {key: value for key, value in told.items() if value is not None}


def open_ask(item: "Item") -> "tuple[str, str, str | None, int | None]":
    """(token, what, of, deadline_us) of a question. Raises: ValueError.

    What a later version may be asked passes, to be answered as unknown.
    """
    _versioned(item, "question")
    token, what, of = _text(item.get(1), "token"), _text(item.get(2), "what"), item.get(3)
    if not 0 < len(token) <= LONGEST_TOKEN:
        raise ValueError(f"token of {len(token)} letters; expected 1 to {LONGEST_TOKEN}")
    if of is not None and len(_text(of, "record")) > LONGEST_TOKEN:
        raise ValueError(f"record of {len(of)} letters; expected at most {LONGEST_TOKEN}")
    return token, what, of, _deadline(item.get(4))


def drain(
    bytes_a_second: "int | None" = None,
    jitter_s: "int | None" = None,
    holds_old: int = 0,
) -> "Map":
    """The fleet brake: what a node may send of its backlog, and how it spreads its start.

    holds_old: 1: also what its lanes a and s had before the connection.
    """
    told = {0: VERSION, 1: bytes_a_second, 2: jitter_s, 3: holds_old or None}
    return {key: value for key, value in told.items() if value is not None}


def open_drain(item: "Item") -> "tuple[int | None, int | None, int]":
    """(bytes a second, start jitter in s, whether it holds old alarms) of the brake; None: as
    without it. Raises: ValueError.
    """
    _versioned(item, "brake")
    rate, jitter_s = item.get(1), item.get(2)
    if rate is not None:
        _whole(rate, "bytes a second", 0, _I63)
    if jitter_s is not None:
        _whole(jitter_s, "start jitter", 0, LONGEST_JITTER_S)
    return rate, jitter_s, _whole(item.get(3, 0), "hold of old alarms", 0, 1)


def live(utc_us: int, mono_us: int, bays: "list[list[Item]]") -> "Map":
    """What the bays measure now, for screens.

    bays: rows [bay, value, ...] in the order and the scales of entry.METERED, null where there is
    no sensor.
    """
    return {0: VERSION, 1: utc_us, 2: mono_us, 3: [list(row) for row in bays]}


def open_live(item: "Item") -> "tuple[int, int, list[list[Item]]]":
    """(utc_us, mono_us, rows) of live values. Raises: ValueError."""
    _versioned(item, "live values")
    rows = [_open_bay(row) for row in _list(item.get(3), "bays")]
    utc_us = _whole(item.get(1), "UTC", -_I63, _I63)
    return utc_us, _whole(item.get(2), "monotonic instant", 0, _I63), rows


def lane_letter(lane: "Item") -> str:
    """The lane itself. Raises: ValueError unless it is one letter a to z."""
    if type(lane) is not str or len(lane) != 1 or not "a" <= lane <= "z":
        raise ValueError(f"lane {entry.short(lane)}; expected one letter, a to z")
    return lane


def _make_base(head: "Map", leading: "Entry") -> "tuple[Item, ...]":
    """Put into the head what its records share; answers (mono_us, utc_us, source, exponent)."""
    mono = min(leading[entry.MONO] >> MONO_SHIFT, (1 << 32) - 1)
    mono_us = mono << MONO_SHIFT
    utc_us = max(0, leading[entry.UTC] - leading[entry.MONO] + mono_us)
    exponent = entry.error_exponent(leading[entry.ERROR])
    told = _NO_ERROR if exponent is None else exponent
    head[BOOT] = leading[entry.BOOT]
    head[CLOCK] = struct.pack(_CLOCK_FORMAT, leading[entry.SOURCE], told, mono, utc_us)
    return mono_us, utc_us, leading[entry.SOURCE], exponent


def _rows(items: "list[LaneItem]", base: "tuple[Item, ...]", room: int) -> "list[Entry]":
    """The leading ones that join as rows, in at most `room` bytes; the first always.

    Joined are records whose seqs follow each other in one boot.
    """
    rows: "list[Entry]" = []
    seq, boot = items[0][1], items[0][2][entry.BOOT]
    for item in items:
        if item[0] != "record" or item[1] != seq or item[2][entry.BOOT] != boot:
            break
        row = _row(item[2], base)
        room -= entry.size(row)
        if rows and room < 0:
            break
        rows.append(row)
        seq += 1
    return rows


def _holds_history(items: "list[LaneItem]", taken: int) -> bool:
    """Whether packing could make room for more than those taken: only histories pack."""
    near = items[: taken + 1]
    return any(item[0] == "record" and backlog.is_history(item[2]) for item in near)


def _joined(items: "list[LaneItem]", room: int) -> "list[Entry]":
    """The entries of the leading ones that join, perhaps with room for them all when packed."""
    joined: "list[Entry]" = []
    seq, boot = items[0][1], items[0][2][entry.BOOT]
    for item in items:
        if item[0] != "record" or item[1] != seq or item[2][entry.BOOT] != boot:
            break
        # Of a row not exactly, which would cost as much as making it: a byte for each column.
        packs = backlog.is_history(item[2])
        room -= DENSEST_BYTES if packs else len(item[2]) - entry.FIRST
        if joined and room < 0:
            break
        joined.append(item[2])
        seq += 1
    return joined


def _packed(joined: "list[Entry]", base: "tuple[Item, ...]", room: int) -> "tuple[int, Map] | None":
    """(how many, body of the envelope): the leading ones that fit with their histories packed."""
    count = min(len(joined), columns.LONGEST)
    while sum([backlog.is_history(logged) for logged in joined[:count]]) > 1:
        body = _packed_body(joined[:count], base)
        size = entry.size(body)
        if size <= room:
            return count, body
        count = min(count - 1, count * room // size)
    return None


def _packed_body(joined: "list[Entry]", base: "tuple[Item, ...]") -> "Map":
    histories = [logged for logged in joined if backlog.is_history(logged)]
    places = [n for n, logged in enumerate(joined) if not backlog.is_history(logged)]
    body: "Map" = {PACKED: backlog.pack(histories, base[:2])}
    if places:
        body[RECORDS] = [_row(joined[n], base) for n in places]
        body[PACKED].append(places)
    return body


def _row(logged: "Entry", base: "tuple[Item, ...]") -> "Entry":
    """An entry without what the envelope says: [type, at, column, ...].

    UTC drifts against the monotonic clock as the system clock is corrected, and so does its error:
    `at` is the offset to both bases, or [offset, what UTC is ahead of it], or these two and the
    record's own clock source and error.
    """
    offset_us = logged[entry.MONO] - base[0]
    ahead_us = logged[entry.UTC] - base[1] - offset_us
    clock = (logged[entry.SOURCE], entry.error_exponent(logged[entry.ERROR]))
    at = [offset_us, ahead_us] if ahead_us else offset_us
    if clock != base[2:]:
        at = [offset_us, ahead_us, clock[0], clock[1]]
    return [logged[entry.TYPE], at] + entry.trimmed(logged)[entry.FIRST :]


def _share_bay(head: "Map", rows: "list[Entry]") -> None:
    """A bay that all events share moves into the envelope, where that makes it smaller."""
    events = [row for row in rows if row[0] == entry.EVENT]
    bay = events[0][_BAY_PLACE] if events else None
    if bay is None or any(row[_BAY_PLACE] != bay for row in events):
        return
    if (len(events) - 1) * entry.size(bay) <= len(events) + 1:
        return
    head[BAY] = bay
    for row in events:
        row[_BAY_PLACE] = None


def _open_base(item: "Map") -> "tuple[Item, ...]":
    """(mono_us, utc_us, source, exponent, boot, bay) that the records share."""
    bay = item.get(BAY)
    if bay is not None:
        _text(bay, "bay")
    clock = _open_packed_clock(item[CLOCK]) if CLOCK in item else _open_plain_clock(item)
    return clock + (_whole(item.get(BOOT), "boot", 0, _I63), bay)


def _open_packed_clock(clock: "Item") -> "tuple[Item, ...]":
    if len(_bytes(clock, "clock")) != _CLOCK_BYTES:
        raise ValueError(f"clock of {len(clock)} bytes; expected {_CLOCK_BYTES}")
    source, exponent, mono, utc_us = struct.unpack(_CLOCK_FORMAT, clock)
    told = None if exponent == _NO_ERROR else _exponent(exponent)
    return mono << MONO_SHIFT, _whole(utc_us, "UTC base", 0, _I63), source, told


def _open_plain_clock(item: "Map") -> "tuple[Item, ...]":
    """Of schema 1."""
    exponent = item.get(ERROR)
    return (
        _whole(item.get(MONO), "monotonic base", 0, _I63 >> MONO_SHIFT) << MONO_SHIFT,
        _whole(item.get(UTC), "UTC base", -_I63, _I63),
        _whole(item.get(SOURCE), "clock source", 0, 255),
        None if exponent is None else _exponent(exponent),
    )


def _open_rows(item: "Map") -> "list[Item]":
    if PACKED in item and RECORDS not in item:
        return []
    return _list(item.get(RECORDS), "records")


def _open_row(row: "Item", base: "tuple[Item, ...]") -> "Entry":
    mono_us, utc_us, _, _, boot, bay = base
    if type(row) is not list or len(row) < 2:
        raise ValueError(f"record {entry.short(row)}; expected [type, at, column, ...]")
    offset_us, ahead_us, source, exponent = _open_at(row[1], base)
    error_us = None if exponent is None else 1 << exponent
    logged = [row[0], boot, mono_us + offset_us, utc_us + offset_us + ahead_us, source, error_us]
    logged += row[2:]
    if row[0] == entry.EVENT and len(row) > _BAY_PLACE and row[_BAY_PLACE] is None:
        logged[entry.FIRST - 2 + _BAY_PLACE] = bay
    entry.check(logged)
    return entry.trimmed(logged)


def _open_at(at: "Item", base: "tuple[Item, ...]") -> "tuple[Item, ...]":
    """(offset_us, ahead_us, source, exponent) of a record."""
    parts = at if type(at) is list else [at, 0]
    if len(parts) not in (2, 4):
        raise ValueError(f"instant {entry.short(at)}; expected an offset, [offset, ahead, ...]")
    offset_us = _whole(parts[0], "offset", -_I63, _I63)
    ahead_us = _whole(parts[1], "ahead", -_I63, _I63)
    if len(parts) == 2:
        return offset_us, ahead_us, base[2], base[3]
    exponent = None if parts[3] is None else _exponent(parts[3])
    return offset_us, ahead_us, _whole(parts[2], "clock source", 0, 255), exponent


def _open_packed(packed: "Item", plain: "list[Entry]", base: "tuple[Item, ...]") -> "list[Entry]":
    """Histories and the plain records between them, in the order of their seqs."""
    bays, data = _fields(packed, "packed histories", 2)
    places = _list(packed[2], "places") if len(packed) > 2 else []
    for bay in _list(bays, "bays"):
        _text(bay, "bay")
    entries = backlog.unpack(bays, _bytes(data, "columns"), base[4], base[:2])
    if len(places) != len(plain):
        raise ValueError(f"{len(places)} places; expected one for each of {len(plain)} records")
    at_least = 0
    for place, logged in zip(places, plain):
        at_least = _whole(place, "place", at_least, len(entries)) + 1
        entries.insert(place, logged)
    return entries


def _exponent(exponent: "Item") -> int:
    return _whole(exponent, "clock error", 0, entry.LARGEST_EXPONENT)


def _lost(lost: "Item", first: int) -> "LaneItem":
    found, last, reason = _open_lost(lost)
    if found != first:
        raise ValueError(f"lost from {found}; expected from the first seq, {first}")
    return "lost", first, last, reason


def _open_lost(lost: "Item") -> "tuple[int, int, str]":
    first, last, reason = _fields(lost, "lost range", 3)
    _whole(first, "lost from", 1, _I63)
    return first, _whole(last, "lost to", first, _I63), _text(reason, "reason")


def _open_lane(lane: "Item") -> "LaneState":
    epoch, lowest, next_seq, lost = _fields(lane, "lane", 4)
    return (
        _whole(epoch, "epoch", 0, _U64),
        _whole(lowest, "lowest seq", 1, _I63),
        _whole(next_seq, "next seq", 1, _I63),
        [_open_lost(each) for each in _list(lost, "losses")],
    )


def _open_clock(clock: "Item") -> "tuple[Item, ...]":
    boot, mono_us, utc_us, source, error_us = _fields(clock, "clock", 5)
    _whole(boot, "boot", 0, _I63)
    _whole(mono_us, "monotonic instant", 0, _I63)
    _whole(utc_us, "UTC", -_I63, _I63)
    _whole(source, "clock source", 0, 255)
    if error_us is not None:
        _whole(error_us, "clock error", 0, _I63)
    return boot, mono_us, utc_us, source, error_us


def _open_key(key: "Item") -> "bytes | None":
    if key is None:
        return None
    if len(_bytes(key, "public key")) != KEY_BYTES:
        raise ValueError(f"public key of {len(key)} bytes; expected {KEY_BYTES}")
    return bytes(key)


def _open_point(point: "Item") -> "tuple[str, str, int]":
    name, unit, exponent = _fields(point, "point", 3)
    return _text(name, "point"), _text(unit, "unit"), _whole(exponent, "scale", -18, 18)


def _open_versions(versions: "Item") -> "dict[str, str]":
    named = {}
    for name, version in _map(versions, "versions").items():
        named[_text(name, "software")] = _text(version, "version")
    return named


def _open_bay(row: "Item") -> "list[Item]":
    """A row of live values; the last five came with schema 2."""
    width = 1 + len(entry.METERED)
    fields = (_fields(row, "bay", 9) and row[:width]) + [None] * (width - len(row))
    _text(fields[0], "bay")
    for count in fields[1:]:
        if count is not None:
            _whole(count, "value", -_I63, _I63)
    return fields


def _deadline(value: "Item") -> "int | None":
    return None if value is None else _whole(value, "deadline", -_I63, _I63)


def _versioned(item: "Item", what: str) -> None:
    if type(item) is not dict:
        raise ValueError(f"{what} {entry.short(item)}; expected a map")
    _whole(item.get(0), f"schema of {what}", 1, _I63)


def _whole(value: "Item", what: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{what} {entry.short(value)}; expected a whole number, {low} to {high}")
    return value


def _text(value: "Item", what: str) -> str:
    if type(value) is not str:
        raise ValueError(f"{what} {entry.short(value)}; expected text")
    return value


def _bytes(value: "Item", what: str) -> bytes:
    if type(value) is not bytes:
        raise ValueError(f"{what} {entry.short(value)}; expected bytes")
    return value


def _map(value: "Item", what: str) -> "dict[Item, Item]":
    if type(value) is not dict:
        raise ValueError(f"{what} {entry.short(value)}; expected a map")
    return value


def _list(value: "Item", what: str) -> "list[Item]":
    if type(value) is not list:
        raise ValueError(f"{what} {entry.short(value)}; expected a list")
    return value


def _fields(value: "Item", what: str, count: int) -> "list[Item]":
    """A list of at least `count`, cut to it: what follows comes with a later version."""
    if type(value) is not list or len(value) < count:
        raise ValueError(f"{what} {entry.short(value)}; expected a list of {count}")
    return value[:count]
