"""Questions of consumers: each token once, and no more of them than the log can bear.

Each answer is a record of lane s on disk, so whoever asks without end would fill the lane and wear
the disk out.
"""

from __future__ import annotations

# Tokens that are remembered; a question repeated after so many others is answered again.
TOKENS = 256
# A control room that looks at everything at once; after that six a minute.
AT_ONCE = 30
EVERY_US = 10_000_000


class Allowance:
    """How often something may be written for whoever asks: AT_ONCE, then one in EVERY_US."""

    def __init__(self) -> None:
        self._free_us: int | None = None

    def take(self, now_us: int) -> bool:
        """Whether it may be now; it counts as done then. [us, monotonic]"""
        # The instant at which all that was taken is paid for.
        paid_us = max(now_us, now_us if self._free_us is None else self._free_us) + EVERY_US
        if paid_us > now_us + AT_ONCE * EVERY_US:
            return False
        self._free_us = paid_us
        return True


class Asks:
    """Which questions are to be answered. Instants are monotonic. [us]"""

    def __init__(self) -> None:
        self._tokens: dict[str, None] = {}
        self._allowance = Allowance()

    def take(self, token: str, now_us: int) -> str:
        """Answers "taken", "known" (asked before) or "many" (too often)."""
        if token in self._tokens:
            return "known"
        if not self._allowance.take(now_us):
            return "many"
        self._tokens[token] = None
        if len(self._tokens) > TOKENS:
            del self._tokens[next(iter(self._tokens))]
        return "taken"
