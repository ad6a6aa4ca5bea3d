"""Encryption towards a broker: whom to trust, and a socket that leaves nothing behind."""

from __future__ import annotations

import ssl
from pathlib import Path

from agent.errors import UplinkError


def context(ca: Path | None) -> ssl.SSLContext:
    """Trusts the certificates in `ca`, or those of the system.

    Raises:
        UplinkError: the file cannot be used.
    """
    try:
        made = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        what = f"cannot be used ({error})"
        raise UplinkError(str(ca), what, "PEM certificates") from error
    made.sslsocket_class = _Socket
    return made


class _Socket(ssl.SSLSocket):
    """Closes itself when the handshake fails; paho leaves that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002  as inherited
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise
