"""The chain's bytes against hands that write them out, on CPython and on the board."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.store import cbor, chain, entry
from agent.store.chain import Chain, Head
from agent.store.evidence import Sent, as_sent
from agent.store.items import Lost, Stored
from agent.uplink import wire

EPOCH = 0x1122334455667788
# ["audit" 5, boot 3, mono 1000, utc 2000, ntp 2, error 1024, "door"] by the tables of RFC 8949.
RECORD = bytes.fromhex("87 05 03 19 03e8 19 07d0 02 19 0400 64 646f6f72")

# Computed apart, with printf, perl and sha256sum, from the top of chain.py:
#   h0  printf 'ftu chain 1\0\x11\x22\x33\x44\x55\x66\x77\x88a' | sha256sum
#   h1  (h0; printf '\x01\0\0\0\0\0\0\0\x01'; RECORD | sha256sum | perl pack H*) | sha256sum
#   h3  (h1; printf '\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03torn') | sha256sum
GOLDEN = {
    "h0": "7cac2c77e56580c2bbe3a62bc1c84fe259e2c84177b538085430d40c5ccd978a",
    "h1": "e7ff831298e88521eb954eea80d514f5152709fe25a9ec04faa49bebc73dccd1",
    "h3": "00c11f711633da69014b62c98178f75e2f9a2b892ea2bf3a30088df0e598ecda",
}


def by_hand(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_the_chain_is_what_sha256sum_makes_of_the_bytes(board: Any) -> None:
    ours = Chain(EPOCH, "a")
    assert ours.value.hex() == GOLDEN["h0"]
    ours.record(1, RECORD)
    assert ours.value.hex() == GOLDEN["h1"]
    ours.loss(2, 3, "torn")
    assert ours.value.hex() == GOLDEN["h3"]

    h0 = chain.start(EPOCH, "a")
    digest = hashlib.sha256(RECORD).digest()
    h1 = chain.after_record(h0, 1, digest)
    assert board(
        [
            ("agent.store.chain", "start", [EPOCH, "a"]),
            ("agent.store.chain", "after_record", [h0, 1, digest]),
            ("agent.store.chain", "after_loss", [h1, 2, 3, "torn"]),
            ("agent.store.chain", "key_id", [bytes(32)]),
        ]
    ) == [h0, h1, ours.value, hashlib.sha256(bytes(32)).digest()[:8]]


def test_the_vectors_once_more_in_plain_hashlib() -> None:
    h0 = by_hand(b"ftu chain 1\0", EPOCH.to_bytes(8, "big"), b"a")
    one = hashlib.sha256(RECORD).digest()
    h1 = by_hand(bytes.fromhex(h0), b"\1", (1).to_bytes(8, "big"), one)
    lost = (2).to_bytes(8, "big") + (3).to_bytes(8, "big") + b"torn"
    h3 = by_hand(bytes.fromhex(h1), b"\0", lost)
    assert {"h0": h0, "h1": h1, "h3": h3} == GOLDEN


def head(**changed: Any) -> list[Any]:
    values = {
        "of_lane": "a",
        "of_seq": 7,
        "chain": bytes(range(32)),
        "signer": b"k" * 8,
        "signature": b"s" * 64,
        "after_seq": 2,
        "lowest_seq": 1,
        "lost": [4, 5, "torn"],
    }
    return entry.compose(entry.HEAD, (3, 1000, 2000, 2, 1024), {**values, **changed})


def test_what_is_signed_is_what_the_page_says() -> None:
    expected = (
        b"ftu head 1\0"
        + bytes.fromhex("0005 686562696e")  # "hebin"
        + bytes.fromhex("0005 6674752d37")  # "ftu-7"
        + bytes.fromhex("1122334455667788 61")
        + bytes.fromhex("0000000000000007 0000000000000002 0000000000000001")
        + bytes(range(32))
        + bytes.fromhex("0000000000000003 00000000000003e8 00000000000007d0 02")
        + bytes.fromhex("0a 0001")  # error 2^10 us; one lost range
        + bytes.fromhex("0000000000000004 0000000000000005 0004 746f726e")
    )
    assert chain.signed_bytes("hebin", "ftu-7", EPOCH, Head(head())) == expected
    assert chain.signed_bytes("hebin", "ftu-7", EPOCH, Head(head(signature=b""))) == expected


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"chain": b"short"}, "expected it to rise"),
        ({"after_seq": 7}, "expected it to rise"),
        ({"of_lane": "ab"}, "a letter"),
        ({"lost": [4, 5]}, "three each"),
        ({"lost": [5, 4, "torn"]}, "expected to rise"),
        ({"lost": [4, 5, "torn", 5, 6, "torn"]}, "expected to rise"),
        ({"lost": [2, 5, "torn"]}, "its own seqs"),
        ({"lost": [4, 8, "torn"]}, "its own seqs"),
        ({"lost": ["4", 5, "torn"]}, "seq, seq, text"),
    ],
)
def test_a_head_that_contradicts_itself_is_none(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Head(head(**changed))


def test_a_chain_takes_only_what_comes_next() -> None:
    ours = Chain(EPOCH, "a")
    with pytest.raises(ValueError, match="the next one"):
        ours.record(2, RECORD)
    ours.loss(1, 4, "quota")
    with pytest.raises(ValueError, match="the next one"):
        ours.loss(4, 6, "quota")


def test_what_is_no_entry_enters_as_it_travels() -> None:
    assert as_sent(Stored(5, b"\xff")) == Lost(5, 5, "damaged")
    assert as_sent(Lost(5, 9, "torn")) == Lost(5, 9, "torn")


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)


@given(
    at=st.tuples(
        st.integers(0, 1 << 40),
        st.integers(0, 1 << 50),
        st.integers(0, 1 << 60),
        st.integers(0, 3),
        st.none() | st.integers(0, (1 << 63) - 1),
    ),
    what=TEXTS,
    who=st.none() | TEXTS,
    detail=st.none() | TEXTS,
    nulls=st.integers(0, 3),
)
def test_any_entry_has_the_same_bytes_when_it_has_travelled(
    at: tuple[Any, ...], what: str, who: str | None, detail: str | None, nulls: int
) -> None:
    """Also one with a clock error that no agent stores, or with nulls at its end."""
    stored = [entry.AUDIT, *at, what, who, detail][: 10 - (nulls > 2)]
    sent = as_sent(Stored(9, cbor.dumps(stored)))
    assert isinstance(sent, Sent)
    envelope, _ = wire.envelope(EPOCH, "s", [("record", 9, stored)], 8192)
    arrived = cbor.parsed(cbor.dumps(envelope), wire.open_envelope)
    assert cbor.dumps(arrived[2][0][2]) == sent.data
