"""Two ends of an Ethernet cable without the cable: a pair of virtual interfaces of Linux.

What is sent on one end arrives on the other. Making it takes root (CAP_NET_ADMIN).
"""

from __future__ import annotations

import os
import subprocess
from typing import Self

from hil.errors import BenchError


class VethPair:
    """`near` is the instrument's end, `far` the device's; names of at most 15 characters."""

    def __init__(self, name: str = "") -> None:
        stem = name or f"ftu{os.getpid()}"
        self.near, self.far = f"{stem}n", f"{stem}f"

    def __enter__(self) -> Self:
        _ip("link", "add", self.near, "type", "veth", "peer", "name", self.far)
        try:
            for end in (self.near, self.far):
                # Nobody lives here: the kernel shall not look for neighbours and routers.
                _ip("link", "set", end, "addrgenmode", "none")
                _ip("link", "set", end, "up")
        except BenchError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _ip("link", "del", self.near)


def _ip(*words: str) -> None:
    """Raises: BenchError."""
    expected = "root, and the command ip (Debian: iproute2)"
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    except OSError as error:
        raise BenchError("veth pair", f"{error}", expected) from error
    if done.returncode:
        raise BenchError("veth pair", f"ip {' '.join(words)}: {done.stderr.strip()}", expected)
