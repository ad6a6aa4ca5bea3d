"""Keys as OpenSSH writes them: its own tool makes them, ours reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization import PublicFormat as Public

from agent.errors import RecordError, StoreError
from agent.store import ed25519


def test_both_halves_of_a_key_as_openssh_writes_it_are_read(tmp_path: Path) -> None:
    key, path = Ed25519PrivateKey.generate(), tmp_path / "control-room"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    line = key.public_key().public_bytes(Encoding.OpenSSH, Public.OpenSSH).decode()

    secret = ed25519.read_secret(path)

    assert ed25519.public_of(line.split()[1]) == secret.public
    assert ed25519.line_of(secret.public, "control-room") == f"{line} control-room\n"


def test_a_key_of_ssh_keygen_is_read(tmp_path: Path) -> None:
    path = tmp_path / "room"
    try:
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "room", "-f", str(path)]
        subprocess.run(words, check=True)
    except FileNotFoundError:
        pytest.skip("ssh-keygen is not installed; the test above reads the same format")

    _, text, name = path.with_suffix(".pub").read_text().split()

    assert (ed25519.public_of(text), name) == (ed25519.read_secret(path).public, "room")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END", id="cut-off"),
        pytest.param(b"\xff" * 9000, id="bytes"),
    ],
)
def test_what_is_no_secret_key_is_one_clear_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "key").write_bytes(data)
    with pytest.raises(RecordError, match="expected an Ed25519 key"):
        ed25519.read_secret(tmp_path / "key")
    with pytest.raises(StoreError, match="cannot be read"):
        ed25519.read_secret(tmp_path / "none")


@pytest.mark.parametrize("text", ["", "AAAA", "no base 64", "AAAAB3NzaC1yc2EAAAADAQABAAAAgQ=="])
def test_what_is_no_public_key_is_one_clear_error(text: str) -> None:
    with pytest.raises(ValueError, match="a key"):
        ed25519.public_of(text)
