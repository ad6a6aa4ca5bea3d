"""Whose commands the terminal obeys: a file of public keys, as OpenSSH writes them.

    ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI... control-room

One key a line, then the name under which it is journaled; # begins a comment line. A key is made by
`ssh-keygen -t ed25519 -N "" -C control-room -f control-room`, whose .pub is such a line.
"""

from __future__ import annotations

from pathlib import Path

from agent.errors import SiteError
from agent.store import ed25519
from agent.uplink.topics import check_name

# A control room, its deputy, maintenance and their keys of tomorrow; more hands nobody watches.
MOST_KEYS = 16
MOST_BYTES = 16_384


def read(path: Path) -> dict[bytes, str]:
    """Names by their public keys. Raises: SiteError with every finding."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        text = data.decode()
    except OSError as error:
        raise SiteError(str(path), (f"{path}: cannot be read ({error.strerror})",)) from error
    except UnicodeDecodeError as error:
        raise SiteError(str(path), (f"{path}: is no text; expected keys of OpenSSH",)) from error
    keys: dict[bytes, str] = {}
    findings = [] if len(data) <= MOST_BYTES else [f"{path}: more than {MOST_BYTES} bytes"]
    for number, line in enumerate(text[:MOST_BYTES].splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            try:
                _add(keys, line)
            except ValueError as error:
                findings.append(f"{path}, line {number}: {error}")
    if findings:
        raise SiteError(str(path), tuple(findings))
    return keys


def _add(keys: dict[bytes, str], line: str) -> None:
    words = line.split()
    if len(words) != 3 or words[0] != "ssh-ed25519":
        raise ValueError("is no key; expected ssh-ed25519, the key, a name")
    public, name = ed25519.public_of(words[1]), check_name(words[2])
    if public in keys or name in keys.values():
        raise ValueError(f"{name}: key or name stands twice; expected each once")
    if len(keys) == MOST_KEYS:
        raise ValueError(f"one key too many; expected at most {MOST_KEYS}")
    keys[public] = name
