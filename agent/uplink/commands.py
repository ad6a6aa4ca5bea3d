"""Signed commands at the terminal: checked, journaled, obeyed once, and answered stage by stage.

What is not signed by a key that the site file names, is late, was heard before or asks for what is
not in the list changes nothing; it is refused with a reason, in lane s and on `res`. The order is:
check, remember on disk, journal, obey, journal. What is done then is the business of `obeys`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from agent.clock import Clock, Stamp
from agent.errors import RecordError, StoreError
from agent.store import cbor, chain, entry
from agent.uplink import command, cose
from agent.uplink.asks import Allowance
from agent.uplink.command import ACCEPTED, DONE, EXECUTING, REFUSED
from agent.uplink.nonces import LONGEST_US, Nonces

if TYPE_CHECKING:
    from agent.uplink.command import Arguments, Deadline

CHALLENGE = "time-challenge"
# Results that wait for the link; the oldest give way, since lane s tells them too.
MOST_RESULTS = 64
NOBODY = "unsigned"

_UNKNOWN = entry.code_of(entry.SOURCES, "unknown")
_WHY = {
    "replayed": "it was obeyed before",
    "late": "its time is over",
    "far": f"its deadline lies more than {LONGEST_US // 1_000_000} s ahead",
    "many": "too many were given in ten minutes",
    "closed": "which commands were obeyed could not be read; ten minutes have to pass",
}


class Obeys(Protocol):
    """Who does what a command asks for."""

    def check(self, operation: str, arguments: Arguments) -> None:
        """Raises: ValueError for arguments that the operation does not take."""

    def lasts(self, operation: str) -> bool:
        """Whether its end is known only after a restart."""

    def obey(self, operation: str, arguments: Arguments) -> tuple[str, str]:
        """(DONE or FAILED, detail); EXECUTING where it lasts."""


class _No(Exception):
    """Why a command is refused, and what is known of it by then."""

    def __init__(self, why: str, who: str | None = None, nonce: bytes | None = None) -> None:
        super().__init__(why)
        self.who = who
        self.nonce = nonce


class Commands:
    """Takes what comes in on `cmd/+`.

    trusted: names of commanders by their public keys. journal: (result, who, detail) into lane s,
    on disk; whether that worked. tell: takes a line. news: is called when `results` has something.
    """

    def __init__(
        self,
        *,
        trusted: Mapping[bytes, str],
        nonces: Nonces,
        clock: Clock,
        obeys: Obeys,
        journal: Callable[[str, str | None, str], bool],
        tell: Callable[[str], None],
    ) -> None:
        self._keys = {chain.key_id(public): (public, name) for public, name in trusted.items()}
        self._nonces = nonces
        self._clock = clock
        self._obeys = obeys
        self._journal = journal
        self._tell = tell
        self._refusals = Allowance()
        self._untold = 0
        self.results: deque[bytes] = deque(maxlen=MOST_RESULTS)
        self.news: Callable[[], None] = lambda: None
        self.obeyed = 0
        self.refused = 0

    def resume(self) -> None:
        """Tell the end of what a restart was the end of."""
        if self._nonces.pending is None:
            return
        nonce, operation, who = self._nonces.pending
        try:
            self._nonces.settled()
        except StoreError as error:
            self._tell(str(error))
        self._say(DONE, operation, nonce, who, "started again")

    def hear(self, topic: str, operation: str, payload: bytes, *, retained: bool) -> None:
        """One message; never raises for what is in it."""
        try:
            nonce, who, arguments = self._taken(topic, operation, payload, retained=retained)
        except _No as no:
            self._refuse(operation, no, no.nonce or _said(payload))
            return
        self.obeyed += 1
        self._say(EXECUTING, operation, nonce)
        stage, detail = self._obeys.obey(operation, arguments)
        if stage != EXECUTING:
            self._say(stage, operation, nonce, who, detail)

    def _taken(
        self, topic: str, operation: str, payload: bytes, *, retained: bool
    ) -> tuple[bytes, str, Arguments]:
        """(nonce, who, arguments) of a command that is to be obeyed. Raises: _No."""
        if retained:
            raise _No("a retained command would come again with each connection")
        public, who, signed = self._known(payload)
        if not signed.verifies(public, topic):
            raise _No(f"the signature is not that of {who} over this topic and these bytes")
        try:
            nonce, until, arguments = cbor.parsed(signed.payload, command.open_command)
        except RecordError as error:
            raise _No(str(error), who) from error
        if operation not in command.OPERATIONS:
            raise _No(f"no such command: {', '.join(command.OPERATIONS)}", who, nonce)
        try:
            self._obeys.check(operation, arguments)
        except ValueError as error:
            raise _No(str(error), who, nonce) from error
        self._remember(operation, nonce, until, who)
        return nonce, who, arguments

    def _known(self, payload: bytes) -> tuple[bytes, str, cose.Signed]:
        """(public key, its owner, message) as the message says, not checked yet. Raises: _No."""
        if not cose.is_signed(payload):
            raise _No("it is not signed")
        try:
            signed = cose.opened(payload)
        except RecordError as error:
            raise _No(str(error)) from error
        if not self._keys:
            raise _No("the site file trusts nobody with commands")
        if signed.key not in self._keys:
            raise _No(f"key {signed.key.hex()} is not among those that the site file trusts")
        return *self._keys[signed.key], signed

    def _remember(self, operation: str, nonce: bytes, until: Deadline, who: str) -> None:
        """On disk and in the log that it will be obeyed. Raises: _No."""
        stamp = self._now()
        now = (stamp.utc_us, stamp.mono_us)
        if stamp.source == _UNKNOWN:
            now = (0, stamp.mono_us)
            if isinstance(until, int):
                # It changes nothing, and is how to learn what the terminal's own clock shows.
                if operation != CHALLENGE:
                    why = "the terminal does not know the time: say the deadline on its own clock"
                    raise _No(why, who, nonce)
                until = (stamp.boot, stamp.mono_us + LONGEST_US)
        verdict = self._nonces.verdict(nonce, until, now)
        if verdict != "new":
            raise _No(_WHY[verdict], who, nonce)
        pending = (operation, who) if self._obeys.lasts(operation) else None
        try:
            self._nonces.take(nonce, until, now, pending)
        except StoreError as error:
            raise _No(str(error), who, nonce) from error
        if not self._say(ACCEPTED, operation, nonce, who):
            raise _No("it cannot be journaled", who, nonce)

    def _refuse(self, operation: str, no: _No, nonce: bytes | None) -> None:
        """Told, answered and journaled, the last two as often as the log and the link can bear."""
        self.refused += 1
        why = str(no)
        self._tell(f"command {operation}: refused, {why}")
        if not self._refusals.take(self._clock.now_us()):
            self._untold += 1
            return
        if self._untold:
            why, self._untold = f"{why}; and {self._untold} refused before it", 0
        self._say(REFUSED, operation, nonce, no.who or NOBODY, why)

    def _say(
        self,
        stage: str,
        operation: str,
        nonce: bytes | None,
        who: str | None = None,
        detail: str | None = None,
    ) -> bool:
        """On `res`, and, where somebody is named, in lane s; whether that worked."""
        stamp = self._now()
        clock = (stamp.boot, stamp.mono_us, stamp.utc_us, stamp.source, stamp.error_us)
        short = None if not detail else detail[: command.LONGEST_TEXT]
        self.results.append(cbor.dumps(command.result(stage, clock, operation, nonce, short)))
        self.news()
        if who is None:
            return True
        told = [
            operation,
            *([f"nonce {nonce.hex()}"] if nonce else []),
            *([detail] if detail else []),
        ]
        return self._journal(stage, who, ": ".join(told))

    def _now(self) -> Stamp:
        return self._clock.stamp(self._clock.now_us())


def _said(payload: bytes) -> bytes | None:
    """The nonce that it says to have, signed or not, so that its sender knows the refusal."""
    try:
        nonce, _, _ = cbor.parsed(cose.opened(payload).payload, command.open_command)
    except RecordError:
        return None
    return nonce
