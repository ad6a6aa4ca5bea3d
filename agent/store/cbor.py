"""CBOR as this project speaks it: the one file that knows cbor2.

A small, strict subset of RFC 8949: null, integers of 64 bits, text, bytes, arrays, and maps keyed
by integers or text. What is written is deterministic (section 4.2.1 of the RFC: shortest form,
sorted keys), and what lies outside the subset is refused in both directions. Which items make a
record stands in entry.py and in the uplink's wire.py.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar

import cbor2

from agent.errors import RecordError

# contract.md section 4: no message is larger, and a message is the largest thing we read.
MAX_BYTES = 8192
# An envelope holds records that hold a list: four levels, and room for another four.
MAX_DEPTH = 8
_INT_LOW, _INT_HIGH = -(1 << 64), (1 << 64) - 1
_SUBSET = "null, integers of 64 bits, text, bytes, arrays, maps keyed by integers or text"

_SIMPLE = frozenset((str, bytes, type(None)))
_PLAIN = _SIMPLE | {int}

Item = Any  # of the subset
_Parsed = TypeVar("_Parsed")


def dumps(item: Item, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The item in its one deterministic form.

    Raises: ValueError when `loads` with the same `max_bytes` would not take it back.
    """
    _refuse_outside_subset(item, 0)
    data: bytes = cbor2.dumps(item, canonical=True)
    if len(data) > max_bytes:
        raise ValueError(f"{len(data)} bytes; expected at most {max_bytes}")
    return data


def loads(data: bytes | bytearray | memoryview, *, max_bytes: int = MAX_BYTES) -> Item:
    """The one item that `data` consists of.

    Integers in longer forms and unsorted keys are taken, since their meaning is clear.
    Raises: RecordError for anything else than one item of the subset.
    """
    if len(data) > max_bytes:
        raise RecordError("CBOR", f"{len(data)} bytes", f"at most {max_bytes}")
    file = io.BytesIO(data)
    try:
        item = _decoded(file)
        if not _is_plain(item):
            _refuse_outside_subset(item, 0)
    except (cbor2.CBORError, ValueError) as error:
        raise RecordError("CBOR", _first_line(error)) from error
    if file.tell() != len(data):
        raise RecordError("CBOR", f"{len(data) - file.tell()} bytes after the item", "none")
    return item


def parsed(data: bytes, parse: Callable[[Item], _Parsed], *, max_bytes: int = MAX_BYTES) -> _Parsed:
    """What a portable parser, such as `wire.open_envelope`, makes of the item in `data`.

    Raises: RecordError, also where the parser raises ValueError.
    """
    item = loads(data, max_bytes=max_bytes)
    try:
        return parse(item)
    except ValueError as error:
        raise RecordError("record", str(error)) from error


def _refuse_tag(*_: object) -> NoReturn:
    raise ValueError("a tag")


class _RefuseEveryTag(Mapping[int, Callable[..., NoReturn]]):
    """Stands in for the decoder's own tags: dates, regular expressions, cyclic references."""

    def __getitem__(self, tag: int) -> Callable[..., NoReturn]:
        return _refuse_tag

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


_NO_TAGS = _RefuseEveryTag()


class _Kept(threading.local):
    """Making a decoder takes as long as decoding a record, so each thread keeps one."""

    decoder: cbor2.CBORDecoder | None = None


_KEPT = _Kept()


def _decoded(file: io.BytesIO) -> Item:
    decoder, _KEPT.decoder = _KEPT.decoder, None
    if decoder is None:
        decoder = _decoder(file)
    decoder.fp = file
    item = decoder.decode()
    _KEPT.decoder = decoder  # one that has failed may hold half an item
    return item


def _decoder(file: io.BytesIO) -> cbor2.CBORDecoder:
    """A decoder without what cbor2 permits by default and we never send."""
    return cbor2.CBORDecoder(
        file,
        tag_hook=_refuse_tag,
        semantic_decoders=_NO_TAGS,
        max_depth=MAX_DEPTH,
        allow_indefinite=False,
        allow_duplicate_keys=False,
    )


def _is_plain(item: Item) -> bool:
    """Whether what was decoded is of the subset without any doubt, as records are: a list of
    numbers, text, nulls and flat lists. Whole numbers that came without a tag have 64 bits.
    """
    if type(item) is not list:
        return False
    kinds = set(map(type, item))
    if list not in kinds:
        return kinds <= _PLAIN
    flat = all(_PLAIN.issuperset(map(type, each)) for each in item if type(each) is list)
    return flat and kinds - {list} <= _PLAIN


def _refuse_outside_subset(item: Item, depth: int) -> None:
    kind = type(item)
    if kind is int:
        if not _INT_LOW <= item <= _INT_HIGH:
            raise ValueError(f"the integer {item}; expected 64 bits")
    elif kind is list or kind is dict:
        if depth == MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
        _refuse_odd_keys(item if kind is dict else ())
        for value in item.values() if kind is dict else item:
            # Most are numbers, text and nulls, which need no call of their own.
            if type(value) is int and _INT_LOW <= value <= _INT_HIGH:
                continue
            if type(value) not in _SIMPLE:
                _refuse_outside_subset(value, depth + 1)
    elif kind is not str and kind is not bytes and item is not None:
        raise ValueError(f"{kind.__name__} {item!r:.40}; expected {_SUBSET}")


def _refuse_odd_keys(keys: Iterable[Item]) -> None:
    for key in keys:
        if type(key) is not int and type(key) is not str:
            raise ValueError(f"the key {key!r:.40}; expected integers or text")
        _refuse_outside_subset(key, 0)


def _first_line(error: Exception) -> str:
    cause = error.__cause__
    text = f"{error}: {cause}" if cause is not None else str(error)
    return text.splitlines()[0] if text else type(error).__name__
