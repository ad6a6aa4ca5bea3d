"""The key that signs the heads of the log: Ed25519, in data_dir, made at the first start.

    device.key        the secret half, mode 0600: link alone reads it
    device.key.bad1   set aside because nobody could read it
    device.pub        the public half with the names that signatures are bound to, for anyone

A cut at any byte leaves no key or a whole one, because the file appears under its name whole.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.errors import RecordError, StoreError
from agent.store import chain, disk, ed25519
from agent.store.ed25519 import KEY_BYTES, SEED_BYTES, Secret

KEY_FILE, PUBLIC_FILE = "device.key", "device.pub"
_SECRET, _PUBLIC = "ftu-device-key 1", "ftu-public-key 1"
# A public key's file is four short lines; whatever is longer is another file.
_LONGEST = 4096
# Unreadable keys kept beside; the one after them takes the last one's place.
SET_ASIDE = 4


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Whose heads it proves: site and node are part of what is signed."""

    site: str
    node: str
    key: bytes

    @property
    def id(self) -> bytes:
        """By which heads name it."""
        return chain.key_id(self.key)

    def text(self) -> str:
        """As it stands in a file."""
        return f"{_PUBLIC}\nsite {self.site}\nnode {self.node}\ned25519 {self.key.hex()}\n"

    def verifies(self, epoch: int, head: chain.Head) -> bool:
        """Whether the head was signed by this key, for these names and this log."""
        signed = chain.signed_bytes(self.site, self.node, epoch, head)
        return ed25519.verifies(self.key, head.signature, signed)


class DeviceKey:
    """The secret half in memory. found: "whole", "new", or "damaged": it had to be made anew."""

    def __init__(self, seed: bytes, found: Literal["whole", "new", "damaged"]) -> None:
        self._secret = Secret(seed)
        self.public = self._secret.public
        self.found = found

    def sign(self, data: bytes) -> bytes:
        """The signature, 64 bytes."""
        return self._secret.sign(data)


def settle(data_dir: Path, site: str, node: str) -> DeviceKey:
    """The device's key, made when there is none; its public half stands in PUBLIC_FILE then.

    Raises: StoreError when the system refuses, or `cryptography` is not installed.
    """
    path = data_dir / KEY_FILE
    try:
        seed = _read(path)
        found: Literal["whole", "new", "damaged"] = "whole"
        if seed is None:
            found = "damaged" if _set_aside(path) else "new"
            seed = secrets.token_bytes(SEED_BYTES)
            disk.replace_file(path, disk.checked_line(f"{_SECRET} {seed.hex()}"), mode=0o600)
        key = DeviceKey(seed, found)
        text = PublicKey(site, node, key.public).text().encode()
        public = data_dir / PUBLIC_FILE
        if not public.is_file() or public.read_bytes() != text:
            disk.replace_file(public, text, mode=0o644)
    except OSError as error:
        what = f"the device's key cannot be kept ({error.strerror or error})"
        raise StoreError(str(path), what) from error
    except ImportError as error:
        what = f"heads of the log cannot be signed ({error})"
        raise StoreError("cryptography", what, "the package, as pyproject.toml asks") from error
    return key


def read_public(path: Path) -> PublicKey:
    """The public half in a file. Raises: StoreError, RecordError for what is no such file."""
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST)
    except OSError as error:
        raise StoreError(str(path), f"cannot be read ({error.strerror})") from error
    expected = f"{_PUBLIC}, site, node and ed25519, a line each"
    try:
        head, site, node, key = data.decode().splitlines()
        if (head, site[:5], node[:5], key[:8]) != (_PUBLIC, "site ", "node ", "ed25519 "):
            raise ValueError(head)
        public = PublicKey(site[5:], node[5:], bytes.fromhex(key[8:]))
        if len(public.key) != KEY_BYTES:
            raise ValueError(key)
    except ValueError as error:
        raise RecordError(str(path), "is no public key of a device", expected) from error
    return public


def _read(path: Path) -> bytes | None:
    """The seed; None when the file is absent or damaged. Raises: OSError."""
    text = disk.read_line(path)
    if text is None or not text.startswith(_SECRET + " "):
        return None
    try:
        seed = bytes.fromhex(text[len(_SECRET) :])
    except ValueError:
        return None
    return seed if len(seed) == SEED_BYTES else None


def _set_aside(path: Path) -> bool:
    """Whether something stood there that is no key; it is kept beside."""
    if not os.path.lexists(path):
        return False
    asides = [path.with_name(f"{path.name}.bad{n + 1}") for n in range(SET_ASIDE)]
    free = (aside for aside in asides if not os.path.lexists(aside))
    path.replace(next(free, asides[-1]))
    return True
