"""How long an item is in CBOR, without writing it, and how an error shows it.

Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Item = Any  # null, an integer, text, bytes, a list or a map


def size(item: "Item") -> int:
    """How many bytes the item has in CBOR (RFC 8949, shortest form)."""
    if type(item) is not list:
        return _size_of_one(item)
    total = _head(len(item))
    for each in item:
        if each is None:
            total += 1
        elif type(each) is int:
            total += _head(each if each >= 0 else -1 - each)
        else:
            total += size(each)
    return total


def _size_of_one(item: "Item") -> int:
    if item is None:
        return 1
    if type(item) is int:
        return _head(item if item >= 0 else -1 - item)
    if type(item) is str or type(item) is bytes:
        length = len(item.encode() if type(item) is str else item)
        return _head(length) + length
    if type(item) is dict:
        total = _head(len(item))
        for key, value in item.items():
            total += size(key) + size(value)
        return total
    raise ValueError(f"{short(item)}; expected integers, text, bytes, lists, maps, null")


def short(value: "Item") -> str:
    """The value as an error shows it."""
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "..."


def _head(number: int) -> int:
    if number < 24:
        return 1
    if number < 1 << 8:
        return 2
    if number < 1 << 16:
        return 3
    return 5 if number < 1 << 32 else 9
