"""COSE_Sign1 (RFC 9052) as commands use it: one signer, Ed25519, the topic signed along.

    18([protected: {1: -8, 4: key's name}, unprotected: {}, payload: bytes, signature])

What is signed is ["Signature1", protected, topic, payload] (section 4.4), so that a message that is
moved to another topic, and so to another terminal or another operation, is none any more. Only this
form is taken: other algorithms, critical headers and detached payloads are refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.errors import RecordError
from agent.store import cbor, chain, ed25519
from agent.store.ed25519 import SIGNATURE_BYTES, Secret

TAG = b"\xd2"  # of COSE_Sign1, 18, in its shortest form
_ALGORITHM, _CRITICAL, _KEY = 1, 2, 4  # labels of headers (RFC 9052, section 3.1)
_EDDSA = -8  # RFC 9053, section 2.2
_CONTEXT = "Signature1"
_EXPECTED = "COSE_Sign1 with EdDSA"
# The payload once more, with the topic and what stands around both.
_MOST_SIGNED = 2 * cbor.MAX_BYTES


@dataclass(frozen=True, slots=True)
class Signed:
    """A message, its signature not checked yet. key: the name of the signer's key."""

    key: bytes
    protected: bytes
    payload: bytes
    signature: bytes

    def verifies(self, public: bytes, topic: str) -> bool:
        """Whether the secret half of this key has signed it, for this topic."""
        signed = _signed(self.protected, topic, self.payload)
        return ed25519.verifies(public, self.signature, signed)


def sign(payload: bytes, topic: str, secret: Secret) -> bytes:
    """The message that carries the payload on this topic."""
    protected = cbor.dumps({_ALGORITHM: _EDDSA, _KEY: chain.key_id(secret.public)})
    signature = secret.sign(_signed(protected, topic, payload))
    return TAG + cbor.dumps([protected, {}, payload, signature])


def is_signed(data: bytes) -> bool:
    """Whether it looks like such a message at all."""
    return data[:1] == TAG


def opened(data: bytes) -> Signed:
    """The message in these bytes. Raises: RecordError."""
    if not is_signed(data):
        raise RecordError("message", "is not signed", _EXPECTED)
    return cbor.parsed(data[1:], _parts)


def _parts(item: cbor.Item) -> Signed:
    if not isinstance(item, list) or [type(each) for each in item] != [bytes, dict, bytes, bytes]:
        raise ValueError(f"not protected, unprotected, payload, signature; expected {_EXPECTED}")
    protected, _, payload, signature = item
    if len(signature) != SIGNATURE_BYTES:
        raise ValueError(f"a signature of {len(signature)} bytes; expected {SIGNATURE_BYTES}")
    return Signed(cbor.parsed(protected, _signer), protected, payload, signature)


def _signer(headers: cbor.Item) -> bytes:
    """The name of the key. What is not signed along, the unprotected headers, says nothing."""
    if not isinstance(headers, dict) or headers.get(_ALGORITHM) != _EDDSA:
        raise ValueError(f"no protected headers of EdDSA; expected {_EXPECTED}")
    if _CRITICAL in headers:
        raise ValueError("critical headers; expected none")
    key = headers.get(_KEY)
    if not isinstance(key, bytes) or len(key) != chain.KEY_ID_BYTES:
        raise ValueError(f"no key's name of {chain.KEY_ID_BYTES} bytes in the protected headers")
    return key


def _signed(protected: bytes, topic: str, payload: bytes) -> bytes:
    return cbor.dumps([_CONTEXT, protected, topic.encode(), payload], max_bytes=_MOST_SIGNED)
