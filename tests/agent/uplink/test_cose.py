"""COSE_Sign1 against the example of the working group, and what must not pass."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agent.errors import RecordError
from agent.store import chain, ed25519
from agent.store.ed25519 import Secret
from agent.uplink import cose

# github.com/cose-wg/Examples, eddsa-examples/eddsa-sig-01; its key is test 1 of RFC 8032, 7.1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PROTECTED = bytes.fromhex("a201270300")
SIGNATURE = bytes.fromhex(
    "7142fd2ff96d56db85bee905a76ba1d0b7321a95c8c4d3607c5781932b7afb87"
    "11497dfa751bf40b58b3bcc32300b1487f3db34085eef013bf08f4a44d6fef0d"
)
SECRET = Secret(SEED)
TOPIC = "ftu/1/hebin/ftu-7/cmd/drill-stop"


def test_what_is_signed_is_that_of_the_working_groups_example() -> None:
    to_sign = cose._signed(PROTECTED, "", b"This is the content.")

    assert SECRET.sign(to_sign) == SIGNATURE
    assert ed25519.verifies(SECRET.public, SIGNATURE, to_sign)


def test_a_message_is_what_another_reader_of_the_standard_takes() -> None:
    tagged = cbor2.loads(cose.sign(b"payload", TOPIC, SECRET))
    protected, unprotected, payload, signature = tagged.value

    assert (tagged.tag, unprotected, payload) == (18, {}, b"payload")
    assert cbor2.loads(protected) == {1: -8, 4: chain.key_id(SECRET.public)}
    signed = cbor2.dumps(["Signature1", protected, TOPIC.encode(), payload])
    Ed25519PublicKey.from_public_bytes(SECRET.public).verify(signature, signed)


OTHER = Secret(bytes(32))


@pytest.mark.parametrize(
    ("public", "topic", "holds"),
    [
        pytest.param(SECRET.public, TOPIC, True, id="as-it-was-signed"),
        pytest.param(OTHER.public, TOPIC, False, id="by-another-key"),
        pytest.param(SECRET.public, TOPIC.replace("ftu-7", "ftu-8"), False, id="to-another-node"),
        pytest.param(SECRET.public, TOPIC.replace("stop", "start"), False, id="another-operation"),
        pytest.param(b"\xff" * 32, TOPIC, False, id="a-key-that-is-no-point"),
    ],
)
def test_it_holds_for_one_key_and_one_topic(public: bytes, topic: str, holds: bool) -> None:
    assert cose.opened(cose.sign(b"payload", TOPIC, SECRET)).verifies(public, topic) is holds


def test_every_bit_counts() -> None:
    whole = cose.sign(b"payload", TOPIC, SECRET)
    for bit in range(8 * len(whole)):
        spoilt = bytearray(whole)
        spoilt[bit // 8] ^= 1 << bit % 8
        try:
            taken = cose.opened(bytes(spoilt))
        except RecordError:
            continue
        assert not taken.verifies(SECRET.public, TOPIC), bit


KEY = chain.key_id(SECRET.public)


@pytest.mark.parametrize(
    "item",
    [
        pytest.param([{1: -8, 4: KEY}, {}, b"", bytes(64)], id="headers-that-are-not-signed"),
        pytest.param([cbor2.dumps({1: -7, 4: KEY}), {}, b"", bytes(64)], id="another-algorithm"),
        pytest.param([b"", {1: -8, 4: KEY}, b"", bytes(64)], id="algorithm-not-protected"),
        pytest.param([cbor2.dumps({1: -8}), {4: KEY}, b"", bytes(64)], id="key-not-protected"),
        pytest.param([cbor2.dumps({1: -8, 2: [9], 4: KEY}), {}, b"", bytes(64)], id="critical"),
        pytest.param([cbor2.dumps({1: -8, 4: KEY}), {}, None, bytes(64)], id="detached"),
        pytest.param([cbor2.dumps({1: -8, 4: KEY}), {}, b"", bytes(63)], id="short-signature"),
        pytest.param([cbor2.dumps({1: -8, 4: KEY}), {}, b""], id="three-parts"),
        pytest.param({}, id="a-map"),
    ],
)
def test_another_form_is_one_clear_error(item: Any) -> None:
    with pytest.raises(RecordError, match=r"expected|headers|key"):
        cose.opened(cose.TAG + cbor2.dumps(item))
    with pytest.raises(RecordError, match="is not signed"):
        cose.opened(cbor2.dumps(item))
