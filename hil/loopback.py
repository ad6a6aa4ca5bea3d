"""This machine's own network, on which everything of the rig meets."""

from __future__ import annotations

import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody takes connections on it; seen from the kernel's table, since a broker counts
    whoever only tries the door (mosquitto 2.0 counts him out twice, and then lets one in too many).
    """
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    # local address, as hexadecimal address and port; state 0A is LISTEN (proc(5)).
    return any(row[3] == "0A" and int(row[1].partition(":")[2], 16) == port for row in rows)
