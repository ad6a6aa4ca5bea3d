from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import SiteError
from agent.store import ed25519
from agent.uplink import trusted

ROOM, DEPUTY = bytes(32), bytes([1]) * 32
LINE = ed25519.line_of(ROOM, "room")


def test_each_key_has_its_name(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# who may\n\n{LINE}{ed25519.line_of(DEPUTY, 'deputy')}")

    assert trusted.read(path) == {ROOM: "room", DEPUTY: "deputy"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(LINE.replace("ed25519", "rsa"), "line 1: is no key", id="another-kind"),
        pytest.param(LINE.replace(" room", ""), "line 1: is no key", id="nameless"),
        pytest.param(LINE.replace("room", "o/ps"), "line 1: name 'o/ps'", id="odd-name"),
        pytest.param(LINE.replace("AAAA", "!"), "not base64", id="no-base64"),
        pytest.param(LINE + LINE, "line 2: room: key or name stands twice", id="twice"),
        pytest.param(
            "".join(ed25519.line_of(bytes([n]) * 32, f"k{n}") for n in range(17)),
            "line 17: one key too many",
            id="too-many",
        ),
        pytest.param("#" * 20_000, "more than 16384 bytes", id="too-long"),
    ],
)
def test_what_is_wrong_is_told_and_nobody_is_trusted(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(SiteError, match=told):
        trusted.read(tmp_path / "keys")


def test_a_file_that_is_no_text_or_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"\xff")
    with pytest.raises(SiteError, match="is no text"):
        trusted.read(tmp_path / "keys")
    with pytest.raises(SiteError, match="cannot be read"):
        trusted.read(tmp_path / "none")
