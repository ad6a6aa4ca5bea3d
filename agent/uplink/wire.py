"""What travels: entries of one lane as envelopes, and the other payloads, as CBOR items.

Maps with integer keys, described for the world in ftu.cddl. An envelope carries consecutive
records of one lane, or one range of seqs declared lost; what its records share stands in it once.
Whatever comes in is checked to the last integer and raises ValueError with one clear line; keys,
columns and record types of a later version pass. Bytes stay outside: see cbor.py.

Portable.
"""

from agent.store import entry

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

VERSION = 1

# Keys of an envelope.
SCHEMA, EPOCH, LANE, FIRST, BOOT, UTC, SOURCE, ERROR, FLAGS, MONO, BAY, LOST, RECORDS = range(13)

EXERCISE = 1  # a drill: never taken for the real thing
REPLAY = 2  # sent before, sent again

# The base lies on the monotonic clock's last multiple of 2^16 us, so that it takes five bytes for
# nine years and the first record's offset at most three.
MONO_SHIFT = 16
# At most: the key of the records and the head of their array.
RECORDS_BYTES = 4
# What `birth` tells of losses is a help; each of them is also told once in its lane.
LOST_TOLD = 32

_U64 = (1 << 64) - 1
_I63 = (1 << 63) - 1
_BAY_PLACE = entry.column(entry.EVENT, "bay") - entry.FIRST + 2


def envelope(
    epoch: int, lane: str, items: "list[LaneItem]", limit: int, flags: int = 0
) -> "tuple[Map, int]":
    """The envelope for as many leading `items` as belong together and fit, and how many these are.

    items: ("record", seq, entry) or ("lost", first, last, reason), ascending. limit: bytes of the
    envelope as CBOR; one record is always taken. Records belong together while their seqs follow
    each other and boot, clock source and clock error (rounded up to a power of two) are the same.
    Raises: ValueError for no items, or for an entry that is none.
    """
    if not items:
        raise ValueError("no items; expected at least one")
    head = {SCHEMA: VERSION, EPOCH: epoch, LANE: lane, FIRST: items[0][1]}
    if flags:
        head[FLAGS] = flags
    if items[0][0] == "lost":
        head[LOST] = list(items[0][1:])
        return head, 1
    entry.check(items[0][2])
    base_us = _make_base(head, items[0][2])
    rows = _rows(items, base_us, limit - entry.size(head) - RECORDS_BYTES)
    _share_bay(head, rows)
    head[RECORDS] = rows
    return head, len(rows)


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
    rows = _list(item.get(RECORDS), "records")
    if not rows or first + len(rows) - 1 > _I63:
        raise ValueError(f"{len(rows)} records; expected at least one, seqs below 2^63")
    base = _open_base(item)
    return epoch, lane, [("record", first + n, _open_row(row, base)) for n, row in enumerate(rows)]


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
) -> "Map":
    """Who speaks, in which scales, and how far its log reaches.

    lanes: {lane: (epoch, lowest, next, [(first, last, reason), ...])}, of which the newest losses
    are told; clock: (boot, mono_us, utc_us, source, error_us); protocol: "5" or "3.1.1";
    ack: "consumer" or "puback".
    """
    told = {}
    for lane, (epoch, lowest, next_seq, lost) in lanes.items():
        told[lane] = [epoch, lowest, next_seq, [list(each) for each in lost[-LOST_TOLD:]]]
    return {
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
    }


def state(online: bool, conn: int, utc_us: "int | None" = None) -> "Map":
    """Whether a node, or a consumer, is there.

    conn: counts its connections and is never reset, so that the will of an old one is told from
    the word of the new one; utc_us: when it was written, for a will when it was left behind.
    """
    told = {0: VERSION, 1: 1 if online else 0, 2: conn}
    if utc_us is not None:
        told[3] = utc_us
    return told


def open_state(item: "Item") -> "tuple[bool, int, int | None]":
    """(online, conn, utc_us) of a state. Raises: ValueError."""
    _versioned(item, "state")
    online = _whole(item.get(1), "online", 0, 1)
    utc_us = item.get(3)
    if utc_us is not None:
        _whole(utc_us, "UTC", -_I63, _I63)
    return online == 1, _whole(item.get(2), "conn", 0, _I63), utc_us


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


def live(utc_us: int, mono_us: int, bays: "list[list[Item]]") -> "Map":
    """What the bays measure now, for screens.

    bays: rows [bay, ia, ib, ic, 3I0, ua, ub, uc, U0], integers in the scales of entry.POINTS,
    null where there is no sensor.
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


def _make_base(head: "Map", leading: "Entry") -> "tuple[int, int]":
    """Put into the head what its records share; answers (mono_us, utc_us) of the base."""
    mono_us = leading[entry.MONO] >> MONO_SHIFT << MONO_SHIFT
    utc_us = leading[entry.UTC] - leading[entry.MONO] + mono_us
    head[BOOT] = leading[entry.BOOT]
    head[UTC] = utc_us
    head[SOURCE] = leading[entry.SOURCE]
    exponent = entry.error_exponent(leading[entry.ERROR])
    if exponent is not None:
        head[ERROR] = exponent
    head[MONO] = mono_us >> MONO_SHIFT
    return mono_us, utc_us


def _rows(items: "list[LaneItem]", base_us: "tuple[int, int]", room: int) -> "list[Entry]":
    """The leading records that join the first one, in at most `room` bytes; the first always."""
    rows: "list[Entry]" = []
    for item in items:
        if item[0] != "record":
            break
        entry.check(item[2])
        row = _row(item[2], base_us)
        room -= entry.size(row)
        if rows and (room < 0 or not _joins(item, items[0], len(rows))):
            break
        rows.append(row)
    return rows


def _joins(item: "LaneItem", leading: "LaneItem", distance: int) -> bool:
    """Whether the item can stand in one envelope with the leading one, so many seqs before."""
    ours, theirs = item[2], leading[2]
    return (
        item[1] == leading[1] + distance
        and ours[entry.BOOT] == theirs[entry.BOOT]
        and ours[entry.SOURCE] == theirs[entry.SOURCE]
        and entry.error_exponent(ours[entry.ERROR]) == entry.error_exponent(theirs[entry.ERROR])
    )


def _row(logged: "Entry", base_us: "tuple[int, int]") -> "Entry":
    """An entry without what the envelope says: [type, at, column, ...].

    UTC drifts against the monotonic clock as the system clock is corrected: `at` is the offset to
    both bases, or [offset, what UTC is ahead of it].
    """
    offset_us = logged[entry.MONO] - base_us[0]
    ahead_us = logged[entry.UTC] - base_us[1] - offset_us
    at = [offset_us, ahead_us] if ahead_us else offset_us
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
    """(boot, mono_us, utc_us, source, error_us, bay) that the records share."""
    exponent = item.get(ERROR)
    if exponent is not None:
        _whole(exponent, "clock error", 0, entry.LARGEST_EXPONENT)
    bay = item.get(BAY)
    if bay is not None:
        _text(bay, "bay")
    return (
        _whole(item.get(BOOT), "boot", 0, _I63),
        _whole(item.get(MONO), "monotonic base", 0, _I63 >> MONO_SHIFT) << MONO_SHIFT,
        _whole(item.get(UTC), "UTC base", -_I63, _I63),
        _whole(item.get(SOURCE), "clock source", 0, 255),
        None if exponent is None else 1 << exponent,
        bay,
    )


def _open_row(row: "Item", base: "tuple[Item, ...]") -> "Entry":
    boot, mono_us, utc_us, source, error_us, bay = base
    if type(row) is not list or len(row) < 2:
        raise ValueError(f"record {entry.short(row)}; expected [type, at, column, ...]")
    offset_us, ahead_us = _open_at(row[1])
    logged = [row[0], boot, mono_us + offset_us, utc_us + offset_us + ahead_us, source, error_us]
    logged += row[2:]
    if row[0] == entry.EVENT and len(row) > _BAY_PLACE and row[_BAY_PLACE] is None:
        logged[entry.FIRST - 2 + _BAY_PLACE] = bay
    entry.check(logged)
    return entry.trimmed(logged)


def _open_at(at: "Item") -> "tuple[int, int]":
    pair = at if type(at) is list else [at, 0]
    if len(pair) != 2:
        raise ValueError(f"instant {entry.short(at)}; expected an offset, or [offset, ahead]")
    return _whole(pair[0], "offset", -_I63, _I63), _whole(pair[1], "ahead", -_I63, _I63)


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


def _open_point(point: "Item") -> "tuple[str, str, int]":
    name, unit, exponent = _fields(point, "point", 3)
    return _text(name, "point"), _text(unit, "unit"), _whole(exponent, "scale", -18, 18)


def _open_versions(versions: "Item") -> "dict[str, str]":
    named = {}
    for name, version in _map(versions, "versions").items():
        named[_text(name, "software")] = _text(version, "version")
    return named


def _open_bay(row: "Item") -> "list[Item]":
    fields = _fields(row, "bay", 9)
    _text(fields[0], "bay")
    for count in fields[1:]:
        if count is not None:
            _whole(count, "value", -_I63, _I63)
    return fields


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
