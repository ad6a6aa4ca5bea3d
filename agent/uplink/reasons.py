"""What a broker's "no" means: in words for people, and for how long to stay away.

The numbers are the reason codes of MQTT 5 (section 2.4); paho turns those of 3.1.1 into them.
No socket is touched here.
"""

from __future__ import annotations

import socket
import ssl

from agent.errors import one_line

FAILURE = 0x80  # from here on a code is a refusal
UNSUPPORTED_PROTOCOL = 0x84
BAD_CREDENTIALS, NOT_AUTHORISED = 0x86, 0x87
TAKEN_OVER = 0x8E
PACKET_TOO_LARGE = 0x95
QUOTA_EXCEEDED = 0x97
NO_RETAIN, NO_QOS_1 = 0x9A, 0x9B
NO_WILDCARDS = 0xA2

# Asking again soon is in vain, or does harm: only a person can change what the broker thinks of us,
# and two terminals under one identity would throw each other out for ever.
LASTING = frozenset(
    {0x85, BAD_CREDENTIALS, NOT_AUTHORISED, 0x8A, 0x8C, TAKEN_OVER}
    | {NO_RETAIN, NO_QOS_1, 0x9C, 0x9D, NO_WILDCARDS}
)
# What goes into the log, once while it lasts, because a person has to do something.
ALARMS = {
    BAD_CREDENTIALS: "uplink_not_authorised",
    NOT_AUTHORISED: "uplink_not_authorised",
    0x8A: "uplink_not_authorised",
    TAKEN_OVER: "duplicate_identity",
}

_ELSEWHERE = "it sends us to another broker, which is not followed: the site file says where to go"
_ADVICE = {
    0x85: "it does not take our client identifier",
    BAD_CREDENTIALS: "user name or password is wrong",
    NOT_AUTHORISED: "this terminal has no right to do that; user, password or its rights are wrong",
    0x89: "it has too much to do",
    0x8A: "it has locked this terminal out",
    TAKEN_OVER: "another device uses this terminal's identity; one of the two needs another id",
    QUOTA_EXCEEDED: "it has set us a limit, and we have reached it",
    NO_RETAIN: "it keeps no retained messages, which the uplink needs",
    NO_QOS_1: "it does not confirm messages, which the uplink needs",
    0x9C: _ELSEWHERE,
    0x9D: _ELSEWHERE,
    0x9F: "it takes no more connections for now",
    NO_WILDCARDS: "it takes no subscriptions with wildcards, which the uplink needs",
}
_CERTIFICATES = {
    "certificate has expired": "its certificate has expired, or our clock is wrong",
    "certificate is not yet valid": "its certificate is not valid yet, or our clock is wrong",
}
# A topic of ours has 108 letters at most.
_LONGEST_QUOTE = 120


def lasting(error: Exception) -> bool:
    """Whether what ended a link, or kept it from standing, is there as long as no person acts."""
    return getattr(error, "code", None) in LASTING


def described(code: int, name: str, properties: object = None) -> str:
    """The code in a line: its name in the standard, number, what to do, and the broker's words.

    properties: of the packet; its reason string and server reference are quoted where it has them.
    """
    parts = [f"{name} (0x{code:02X})"]
    if code in _ADVICE:
        parts.append(_ADVICE[code])
    said = [getattr(properties, key, None) for key in ("ServerReference", "ReasonString")]
    parts += [f'"{quoted(str(text))}"' for text in said if text]
    return ": ".join(parts)


def quoted(text: str) -> str:
    """Words of a stranger: short, and in one line of letters that a screen shows."""
    shown = one_line(text)
    return shown if len(shown) <= _LONGEST_QUOTE else f"{shown[:_LONGEST_QUOTE]}..."


def no_connection(error: Exception) -> str:
    """Why there is no connection, from what the system or OpenSSL says of it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        told = error.verify_message
        plain = _CERTIFICATES.get(told, f"its certificate is not trusted: {quoted(told)}")
        return f"no connection ({plain})"
    if isinstance(error, ssl.SSLError):
        told = quoted(getattr(error, "reason", None) or str(error))
        return f"no connection (no encryption came about: {told})"
    if isinstance(error, socket.gaierror):
        return f"no connection (its name is not found: {error.strerror})"
    return f"no connection ({quoted(getattr(error, 'strerror', None) or str(error))})"
