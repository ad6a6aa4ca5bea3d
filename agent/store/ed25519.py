"""Signatures by Ed25519 (RFC 8032): the one file that knows `cryptography`.

The library is imported where it is first needed: guard never needs it.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import RecordError, StoreError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SEED_BYTES = KEY_BYTES = 32  # RFC 8032, section 5.1.5
SIGNATURE_BYTES = 64
# A key as `ssh-keygen` writes it takes 400 bytes, in its longest comment a few more.
_LONGEST = 4096
_KIND = b"ssh-ed25519"


def verifies(key: bytes, signature: bytes, data: bytes) -> bool:
    """Whether the secret half of this key has signed the data."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
    except (InvalidSignature, ValueError):  # ValueError: bytes that are no public key
        return False
    return True


class Secret:
    """The secret half of a key, in memory. Raises: ImportError where the library is not there."""

    def __init__(self, seed: bytes) -> None:
        self._key = _of_seed(seed)
        self.public: bytes = self._key.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """The signature, SIGNATURE_BYTES."""
        return self._key.sign(data)


def read_secret(path: Path) -> Secret:
    """The key in a file as `ssh-keygen -t ed25519` writes it, without a passphrase.

    Raises: StoreError when it cannot be read, RecordError for anything else than such a key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST)
    except OSError as error:
        raise StoreError(str(path), f"cannot be read ({error.strerror})") from error
    expected = "an Ed25519 key of OpenSSH without a passphrase"
    try:
        key = load_ssh_private_key(data, None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise RecordError(str(path), "is no secret key", expected) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise RecordError(str(path), "is a key of another kind", expected)
    return Secret(key.private_bytes_raw())


def public_of(text: str) -> bytes:
    """The public key in OpenSSH's `ssh-ed25519 BASE64`, of which text is the second word.

    Raises: ValueError (RFC 8709, section 4: the kind, then the key, each behind its length).
    """
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"a key that is not base64 ({error})") from error
    head = len(_KIND).to_bytes(4) + _KIND + KEY_BYTES.to_bytes(4)
    if blob[: len(head)] != head or len(blob) != len(head) + KEY_BYTES:
        raise ValueError("a key of another kind; expected ssh-ed25519")
    return blob[len(head) :]


def line_of(public: bytes, name: str) -> str:
    """The inverse, as a line of a file."""
    blob = len(_KIND).to_bytes(4) + _KIND + KEY_BYTES.to_bytes(4) + public
    return f"{_KIND.decode()} {base64.b64encode(blob).decode()} {name}\n"


def _of_seed(seed: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed)
