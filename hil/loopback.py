"""This machine's own network, on which everything of the rig meets."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody takes connections on it."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
