"""What a command and its results say, inside the signature and on `res`, as CBOR items.

A command is a map {0: version, 1: nonce, 2: deadline, 3: arguments}; which operation it is, for
which terminal, stands in its topic, which is signed along (cose.py). The deadline is UTC, or, for a
terminal that does not know the time, [boot, instant on its monotonic clock of that boot]. A result
is {0: version, 1: stage, 2: the terminal's clocks, 3: operation, 4: nonce, 5: detail}.

ftu.cddl describes both. Nothing here is signed or checked against a clock. Portable.
"""

from agent.store import entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # UTC [us], or (boot, monotonic instant [us])
    Deadline = int | tuple[int, int]
    Arguments = dict[str, int | str]

VERSION = 2
# The closed list (contract.md section 4). None of them moves a switch, and none that does is to be
# added.
OPERATIONS = (
    "restart-link",
    "time-challenge",
    "fetch-record",
    "drill-start",
    "drill-stop",
    "rotate-certificate",
    "set-drain",
)

ACCEPTED, EXECUTING, DONE, FAILED, REFUSED = "accepted", "executing", "done", "failed", "refused"
STAGES = (ACCEPTED, EXECUTING, DONE, FAILED, REFUSED)
# After these nothing more comes.
LAST = (DONE, FAILED, REFUSED)

# Drawn by chance, 16 bytes never meet again; fewer than 8 might.
LEAST_NONCE, NONCE, MOST_NONCE = 8, 16, 32
MOST_ARGUMENTS = 8
LONGEST_TEXT = 128
_I63 = (1 << 63) - 1


def command(nonce: bytes, deadline: "Deadline", arguments: "Arguments") -> "dict[int, Any]":
    """What is signed."""
    until = list(deadline) if isinstance(deadline, tuple) else deadline
    return {0: VERSION, 1: nonce, 2: until, 3: dict(arguments)}


def open_command(item: "Any") -> "tuple[bytes, Deadline, Arguments]":
    """(nonce, deadline, arguments). Raises: ValueError."""
    _versioned(item, "command")
    return _nonce(item.get(1)), _deadline(item.get(2)), _arguments(item.get(3))


def result(
    stage: str,
    clock: "tuple[int, int, int, int, int | None]",
    operation: str,
    nonce: "bytes | None" = None,
    detail: "str | None" = None,
) -> "dict[int, Any]":
    """Word of what became of a command. clock: boot, mono_us, utc_us, source, error_us."""
    told = {0: VERSION, 1: stage, 2: list(clock), 3: operation, 4: nonce, 5: detail}
    return {key: value for key, value in told.items() if value is not None}


def open_result(item: "Any") -> "tuple[str, list[Any], str, bytes | None, str | None]":
    """(stage, clock, operation, nonce, detail). Raises: ValueError."""
    _versioned(item, "result")
    stage, clock, nonce, detail = item.get(1), item.get(2), item.get(4), item.get(5)
    if stage not in STAGES:
        raise ValueError(f"stage {entry.short(stage)}; expected one of {', '.join(STAGES)}")
    if type(clock) is not list or len(clock) != 5:
        raise ValueError(f"clock {entry.short(clock)}; expected boot, mono, UTC, source, error")
    for each in clock[:4] if clock[4] is None else clock:
        _whole(each, "clock", 0)
    if clock[3] >= len(entry.SOURCES):
        raise ValueError(f"clock source {clock[3]}; expected one of {len(entry.SOURCES)}")
    return (
        stage,
        clock,
        _text(item.get(3), "operation"),
        None if nonce is None else _nonce(nonce),
        None if detail is None else _text(detail, "detail", 2 * LONGEST_TEXT),
    )


def _versioned(item: "Any", what: str) -> None:
    if type(item) is not dict:
        raise ValueError(f"{what} {entry.short(item)}; expected a map")
    _whole(item.get(0), f"version of the {what}", 1)


def _nonce(value: "Any") -> bytes:
    if type(value) is not bytes or not LEAST_NONCE <= len(value) <= MOST_NONCE:
        raise ValueError(
            f"nonce {entry.short(value)}; expected {LEAST_NONCE} to {MOST_NONCE} bytes"
        )
    return value


def _deadline(value: "Any") -> "Deadline":
    if type(value) is list and len(value) == 2:
        return _whole(value[0], "boot of the deadline", 0), _whole(value[1], "deadline", 0)
    return _whole(value, "deadline", 0)


def _arguments(value: "Any") -> "Arguments":
    if value is None:
        return {}
    if type(value) is not dict or len(value) > MOST_ARGUMENTS:
        raise ValueError(f"arguments {entry.short(value)}; expected at most {MOST_ARGUMENTS}")
    for name, each in value.items():
        _text(name, "name of an argument")
        if type(each) is int:
            _whole(each, name, 0)
        else:
            _text(each, name)
    return value


def _text(value: "Any", what: str, longest: int = LONGEST_TEXT) -> str:
    if type(value) is not str or not 0 < len(value) <= longest:
        raise ValueError(f"{what} {entry.short(value)}; expected text of 1 to {longest} letters")
    return value


def _whole(value: "Any", what: str, low: int) -> int:
    if type(value) is not int or not low <= value <= _I63:
        raise ValueError(f"{what} {entry.short(value)}; expected an integer from {low} to {_I63}")
    return value
