from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import RecordError
from agent.store import cbor

KEYS = st.integers(-(1 << 63), (1 << 63) - 1) | st.text(max_size=8)
LEAVES = st.none() | st.integers(-(1 << 64), (1 << 64) - 1) | st.text() | st.binary()
ITEMS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
).filter(lambda item: depth(item) < cbor.MAX_DEPTH)


def depth(item: Any) -> int:
    inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return 1 + max(map(depth, inner), default=0)


@given(ITEMS)
def test_what_is_written_is_read_back(item: Any) -> None:
    data = cbor.dumps(item, max_bytes=1 << 20)
    assert cbor.loads(data, max_bytes=1 << 20) == item


@given(st.binary(max_size=300))
def test_any_bytes_are_an_item_of_the_subset_or_one_error(data: bytes) -> None:
    try:
        item = cbor.loads(data)
    except RecordError:
        return
    assert cbor.loads(cbor.dumps(item)) == item


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("f93c00", id="half-float"),
        pytest.param("fb3ff0000000000000", id="double"),
        pytest.param("f5", id="true"),
        pytest.param("f7", id="undefined"),
        pytest.param("9f0102ff", id="indefinite-list"),
        pytest.param("7f6161ff", id="indefinite-text"),
        pytest.param("c11a5f5e1000", id="tag-time"),
        pytest.param("d8236161", id="tag-regular-expression"),
        pytest.param("d81c80", id="tag-shared"),
        pytest.param("c249010000000000000000", id="bignum"),
        pytest.param("a201000101", id="duplicate-key"),
        pytest.param("a1810100", id="key-that-is-a-list"),
        pytest.param("0000", id="bytes-after-the-item"),
        pytest.param("", id="nothing"),
        pytest.param("1a0000", id="cut"),
        pytest.param("9bffffffffffffffff", id="a-list-larger-than-the-world"),
        pytest.param("81" * 60 + "00", id="too-deep"),
        pytest.param("62ff00", id="text-that-is-none"),
    ],
)
def test_what_lies_outside_is_refused(data: str) -> None:
    with pytest.raises(RecordError):
        cbor.loads(bytes.fromhex(data))


@pytest.mark.parametrize("item", [1.5, True, object(), {1.5: 0}, 1 << 64, (1 << 64) + 1])
def test_what_lies_outside_is_not_written_either(item: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        cbor.dumps(item)


def test_size_is_bounded_both_ways() -> None:
    with pytest.raises(ValueError, match="at most 8192"):
        cbor.dumps(bytes(8192))
    with pytest.raises(RecordError, match="at most 8192"):
        cbor.loads(bytes(8193))
