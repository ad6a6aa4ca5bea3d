"""A backlog of histories in an envelope: their columns packed, in a quarter of the bytes.

What an envelope holds beside them stays in rows; `places` says where between the histories. Each
history brings its own clock's source and error, which drift from one quarter hour to the next.

Portable.
"""

from agent.store import entry
from agent.uplink import columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Entry = list[Any]
    Base = tuple[int, int]  # mono_us, utc_us

# Quarter hours after the base's, UTC since then, what UTC is ahead of the monotonic clock [us],
# clock source, error exponent; then the entry's columns but the bay. Most end with a quarter hour.
_TIMES = 5
QUARTER_US = 900_000_000
_BAY = entry.FIRST


def is_history(logged: "Entry") -> bool:
    """Whether a checked entry can be packed; one of a later version perhaps not."""
    return (
        logged[entry.TYPE] == entry.HISTORY
        and len(logged) - _BAY - 1 + _TIMES <= columns.WIDEST
        and all(value is None or type(value) is int for value in logged[_BAY + 1 :])
    )


def pack(histories: "list[Entry]", base_us: "Base") -> "list[Any]":
    """[bays, packed columns] of at least one history, all of one boot. Raises: ValueError."""
    bays: "list[str]" = []
    groups = []
    for logged in histories:
        if logged[_BAY] not in bays:
            bays.append(logged[_BAY])
        groups.append(bays.index(logged[_BAY]))
    width = max([len(logged) for logged in histories])
    rows = [_row(logged, base_us, width) for logged in histories]
    return [bays, columns.pack(rows, groups)]


def unpack(bays: "list[str]", data: bytes, boot: int, base_us: "Base") -> "list[Entry]":
    """The inverse of `pack`. Raises: ValueError."""
    rows, groups = columns.unpack(data)
    if len(rows[0]) < _TIMES:
        raise ValueError(f"{len(rows[0])} columns; expected at least {_TIMES}")
    histories = []
    for row, group in zip(rows, groups):
        if group >= len(bays):
            raise ValueError(f"bay {group}; expected one of {len(bays)}")
        histories.append(_entry(row, bays[group], boot, base_us))
    return histories


def _row(logged: "Entry", base_us: "Base", width: int) -> "columns.Row":
    quarter = logged[entry.UTC] // QUARTER_US
    times = [
        quarter - base_us[1] // QUARTER_US,
        logged[entry.UTC] - quarter * QUARTER_US,
        logged[entry.UTC] - base_us[1] - (logged[entry.MONO] - base_us[0]),
        logged[entry.SOURCE],
        entry.error_exponent(logged[entry.ERROR]),
    ]
    return times + logged[_BAY + 1 :] + [None] * (width - len(logged))


def _entry(row: "columns.Row", bay: str, boot: int, base_us: "Base") -> "Entry":
    quarter, within_us, ahead_us, source, exponent = row[:_TIMES]
    if quarter is None or within_us is None or ahead_us is None:
        raise ValueError("a history without its instant; expected one")
    utc_us = (base_us[1] // QUARTER_US + quarter) * QUARTER_US + within_us
    if exponent is not None and not 0 <= exponent <= entry.LARGEST_EXPONENT:
        raise ValueError(f"clock error {exponent}; expected 0 to {entry.LARGEST_EXPONENT}")
    mono_us = base_us[0] + utc_us - base_us[1] - ahead_us
    error_us = None if exponent is None else 1 << exponent
    head = [entry.HISTORY, boot, mono_us, utc_us, source, error_us]
    logged = entry.trimmed(head + [bay] + row[_TIMES:])
    entry.check(logged)
    return logged
