"""What the columns of an entry may hold, and whether a value is that.

Which columns there are stands in entry.py. Two ways to look: a quick one, a step for each column,
which is without any doubt or has one; and a slow one, which names what it finds wrong.

Portable.
"""

from agent.store.cbor_size import short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Item = Any  # null, an integer, text, bytes, a list or a map
    Entry = list[Any]
    What = str | tuple[str, ...]
    Column = tuple[str, What, bool]
    # Lowest, below, whether it must be there, what it may be but an integer, whether of quantities
    Spec = tuple[int, int, bool, type, bool]

# What a column may hold, null apart; a tuple of names stands for the position in it.
UINT, INT, INSTANT, TEXT, MASK = "uint", "int", "instant", "text", "mask"
BYTES = "bytes"
LIST, QUANTITIES = "list", "quantities"
EXPECTED = {
    UINT: "0 to 2^63 - 1",
    INT: "-2^63 to 2^63 - 1",
    INSTANT: "0 to 2^62 - 1",
    TEXT: "text",
    BYTES: "bytes",
    MASK: "phases as bits, 0 to 7",
    LIST: "a flat list of integers, text and null",
    QUANTITIES: "name, value, exponent, again and again",
}

# Floats that no two integers stand for.
NOT_PLAIN = ("nan", "inf", "-inf", "-0.0")

_CODES = 256
_LIMIT = 1 << 63
_BELOW = {UINT: _LIMIT, INT: _LIMIT, INSTANT: _LIMIT >> 1, MASK: 8}
_LOWEST = {INT: -_LIMIT}
# In CBOR an integer takes no more, and neither does a letter, its share of the head included.
_LONGEST_INT, _LONGEST_LETTER = 9, 9


def is_sound(values: "Entry", specs: "tuple[Spec, ...]", room: int) -> bool:
    """Whether the values fit their columns without any doubt, in `room` bytes of CBOR.

    Backlogs of millions of records pass here, so that each column costs one step.
    """
    room -= _LONGEST_INT * (len(values) + 1)
    for spec, value in zip(specs, values):
        kind = type(value)
        if kind is int:
            fits = spec[0] <= value < spec[1]
        elif value is None:
            fits = not spec[2]
        else:
            fits = kind is spec[3] and (kind is not list or _is_sound_list(value, spec[4]))
            room -= _room_of(value) if fits else 0
        if not fits:
            return False
    return room >= 0


def _is_sound_list(values: "Entry", of_quantities: bool) -> bool:
    """Whether it is flat without any doubt and, if it has to be, of quantities."""
    if not of_quantities:
        return is_flat(values)
    if len(values) % 3:
        return False
    for at in range(0, len(values), 3):
        value, exponent = values[at + 1], values[at + 2]
        if type(values[at]) is not str or type(value) is not int:
            return False
        if exponent is None:
            if not -_LIMIT <= value < _LIMIT:
                return False
        elif type(exponent) is not int or not -1074 <= exponent <= 971 or abs(value) >= 1 << 53:
            return False
    return True


def _room_of(value: "Item") -> int:
    """No fewer bytes than text, bytes or a flat list take in CBOR beyond those of an integer."""
    if type(value) is not list:
        return _LONGEST_LETTER * len(value)
    letters = "".join([each for each in value if type(each) is str])
    return _LONGEST_INT * len(value) + _LONGEST_LETTER * len(letters)


def check_column(owner: str, spec: "Column", value: "Item") -> None:
    """Raises: ValueError, naming the column of `owner` and what was expected."""
    name, what, required = spec
    if value is None:
        if required:
            raise ValueError(f"{owner}.{name} is absent; expected {_expected(what)}")
    elif not _is_fitting(what, value):
        raise ValueError(f"{owner}.{name} {short(value)}; expected {_expected(what)}")


def _is_fitting(what: "What", value: "Item") -> bool:
    if what == TEXT:
        return type(value) is str
    if what == BYTES:
        return type(value) is bytes
    if what in (LIST, QUANTITIES):
        return is_flat(value) and (what == LIST or _is_triples(value))
    if type(value) is not int:
        return False
    if isinstance(what, tuple):
        return 0 <= value < _CODES
    return _LOWEST.get(what, 0) <= value < _BELOW[what]


def is_plain(value: "Item") -> bool:
    """Whether it is null, text or an integer of 64 bits."""
    if type(value) is int:
        return -_LIMIT <= value < _LIMIT
    return value is None or type(value) is str


def is_flat(value: "Item") -> bool:
    """Whether it is a list of such."""
    return type(value) is list and all(is_plain(each) for each in value)


def _is_triples(value: "Entry") -> bool:
    places = range(0, len(value), 3)
    return len(value) % 3 == 0 and all(is_quantity(*value[at : at + 3]) for at in places)


def _expected(what: "What") -> str:
    return f"a code, 0 to {_CODES - 1}" if isinstance(what, tuple) else EXPECTED[what]


def is_quantity(name: "Item", value: "Item", exponent: "Item") -> bool:
    """Whether these three are a quantity of a `why`.

    Without an exponent the value is the integer or text that it is. With one it is a float64,
    value * 2^exponent to the last bit, or one of NOT_PLAIN by its name.
    """
    if type(name) is not str or not is_plain(value) or value is None:
        return False
    if exponent is None:
        return True
    if type(value) is str:
        return value in NOT_PLAIN and exponent == 0
    return abs(value) < 1 << 53 and type(exponent) is int and -1074 <= exponent <= 971


def spec_of(column: "Column") -> "tuple[int, int, bool, type, bool]":
    """(lowest, below, whether it must be there, what it may be but an integer, whether that is of
    quantities) of a column.
    """
    _, what, required = column
    if isinstance(what, tuple):
        return 0, _CODES, required, int, False
    if what in _BELOW:
        return _LOWEST.get(what, 0), _BELOW[what], required, int, False
    return 1, 0, required, {TEXT: str, BYTES: bytes}.get(what, list), what == QUANTITIES
