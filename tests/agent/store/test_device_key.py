from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import AgentError, RecordError, StoreError
from agent.store import device_key
from agent.store.device_key import DeviceKey, PublicKey, read_public, settle

# RFC 8032, section 7.1, TEST 3: secret half, public half, message, signature.
SEED = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
PUBLIC = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
SIGNED = (
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)


def test_it_signs_as_the_standard_says() -> None:
    key = DeviceKey(bytes.fromhex(SEED), "whole")
    assert key.public.hex() == PUBLIC
    assert key.sign(bytes.fromhex("af82")).hex() == SIGNED


def test_it_is_made_once_and_is_nobodys_but_the_agents(tmp_path: Path) -> None:
    first = settle(tmp_path, "hebin", "ftu-7")
    again = settle(tmp_path, "hebin", "ftu-7")
    assert (first.found, again.found) == ("new", "whole")
    assert first.public == again.public
    assert (tmp_path / "device.key").stat().st_mode & 0o777 == 0o600
    assert read_public(tmp_path / "device.pub") == PublicKey("hebin", "ftu-7", first.public)


def test_the_public_file_follows_the_names(tmp_path: Path) -> None:
    key = settle(tmp_path, "hebin", "ftu-7")
    settle(tmp_path, "hebin", "ftu-8")
    assert read_public(tmp_path / "device.pub") == PublicKey("hebin", "ftu-8", key.public)


@pytest.mark.parametrize("keep", [0, 1, 20, 80, 90])
def test_a_key_that_cannot_be_read_is_kept_beside_and_made_anew(tmp_path: Path, keep: int) -> None:
    first = settle(tmp_path, "hebin", "ftu-7")
    path = tmp_path / "device.key"
    cut = path.read_bytes()[:keep]
    path.write_bytes(cut)
    second = settle(tmp_path, "hebin", "ftu-7")
    assert second.found == "damaged"
    assert second.public != first.public
    assert (tmp_path / "device.key.bad1").read_bytes() == cut
    assert settle(tmp_path, "hebin", "ftu-7").public == second.public


def test_what_a_power_cut_left_half_written_is_written_anew_for_us_alone(tmp_path: Path) -> None:
    left = tmp_path / "device.key.new"
    left.write_bytes(b"ftu-dev")
    left.chmod(0o644)
    assert settle(tmp_path, "hebin", "ftu-7").found == "new"
    assert (tmp_path / "device.key").stat().st_mode & 0o777 == 0o600
    assert not left.exists()


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/self/ns/user").exists(), reason="root")
def test_a_folder_that_refuses_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="the device's key cannot be kept"):
        settle(tmp_path / "file", "hebin", "ftu-7")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftu-public-key 1\n",
        f"ftu-public-key 2\nsite a\nnode b\ned25519 {PUBLIC}\n",
        f"ftu-public-key 1\nsite a\nnode b\ned25519 {PUBLIC[2:]}\n",
        f"ftu-public-key 1\nsite a\nnode b\ned25519 {PUBLIC[2:]}xx\n",
        f"ftu-public-key 1\nnode b\nsite a\ned25519 {PUBLIC}\n",
        "\x00" * 5000,
    ],
)
def test_what_is_no_public_key_is_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.pub"
    path.write_text(text)
    with pytest.raises(RecordError, match="is no public key of a device"):
        read_public(path)


def test_no_file_at_all_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="cannot be read"):
        read_public(tmp_path / "nothing")


def test_it_costs_nothing_until_it_is_needed() -> None:
    """Link alone signs; whoever reads a log without a key never loads the library."""
    program = (
        "import sys, agent.logbook, agent.heads, agent.uplink.witness\n"
        "print('cryptography' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"False\n"


def test_its_file_is_what_this_module_says() -> None:
    assert device_key.KEY_FILE in (device_key.__doc__ or "")
    assert device_key.PUBLIC_FILE in (device_key.__doc__ or "")
