"""Where a broker is: its URL, taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from agent.errors import UplinkError

_EXPECTED = "mqtt://host[:port] or mqtts://host[:port]"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is, taken apart from its URL; its text shows no password."""

    host: str
    port: int
    tls: bool
    username: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def parse_broker(url: str) -> Broker:
    """`mqtt://[user[:password]@]host[:1883]` or `mqtts://…[:8883]`.

    Raises:
        UplinkError: not such a URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UplinkError("broker", f"{error}", _EXPECTED) from error
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path.strip("/"):
        # The URL itself is not repeated: it may hold a password.
        raise UplinkError("broker", f"{parts.scheme or 'no scheme'}, {parts.hostname}", _EXPECTED)
    tls = parts.scheme == "mqtts"
    return Broker(
        host=parts.hostname,
        port=port or (8883 if tls else 1883),
        tls=tls,
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )
