"""Which commands have come already: on disk before they are obeyed, so that none is obeyed twice.

A command says until when it holds, at most LONGEST_US from now, so its nonce has to be known no
longer. What was forgotten stays refused all the same, should the clock be set back: no deadline is
taken any more that lies before the latest one that was forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors import StoreError
from agent.store import disk

if TYPE_CHECKING:
    from agent.uplink.command import Deadline

# A broker keeps a command for five minutes; the clocks of a server and of a terminal may differ by
# as much again.
LONGEST_US = 600_000_000
# A person gives a few commands in ten minutes, a program that goes round has no use for more.
MOST = 64
UTC, MONO = 0, 1
_HEAD = "ftu-commands 1 "


class Nonces:
    """The memory in the file `path`. boot: the present one, now_us: its monotonic clock.

    tell: takes a line when the file is damaged: then nothing is taken for LONGEST_US.
    pending: (nonce, operation, who) of a command whose end comes after a restart, if there is one.
    """

    def __init__(self, path: Path, boot: int, now_us: int, tell: Callable[[str], None]) -> None:
        self.pending: tuple[bytes, str, str] | None = None
        self._path = path
        self._boot = boot
        self._seen: dict[bytes, tuple[int, int]] = {}
        self._floors = [0, 0]
        self._closed_until_us = 0
        try:
            self._load(path)
        except (OSError, ValueError, TypeError, KeyError):
            self._closed_until_us = now_us + LONGEST_US
            tell(f"{path}: which commands were obeyed cannot be read; none is taken for 10 minutes")

    def verdict(self, nonce: bytes, deadline: Deadline, now: tuple[int, int]) -> str:
        """Answers "new", or why it is not taken: "replayed", "late", "far", "many", "closed".

        now: instant of UTC and of the monotonic clock.
        """
        axis, until_us = self._axis(deadline)
        if now[MONO] < self._closed_until_us:
            return "closed"
        if nonce in self._seen:
            return "replayed"
        if until_us <= max(now[axis], self._floors[axis]):
            return "late"
        if until_us > now[axis] + LONGEST_US:
            return "far"
        alive = sum(until > now[on] for on, until in self._seen.values())
        return "many" if alive >= MOST else "new"

    def take(
        self,
        nonce: bytes,
        deadline: Deadline,
        now: tuple[int, int],
        pending: tuple[str, str] | None = None,
    ) -> None:
        """Remember it, on disk. pending: operation and who, where its end is told later.

        Raises: StoreError; then it is not to be obeyed.
        """
        for known, (axis, until_us) in list(self._seen.items()):
            if until_us <= now[axis]:
                self._floors[axis] = max(self._floors[axis], until_us)
                del self._seen[known]
        self._seen[nonce] = self._axis(deadline)
        self.pending = None if pending is None else (nonce, *pending)
        self._save()

    def settled(self) -> None:
        """The pending one has had its end. Raises: StoreError."""
        self.pending = None
        self._save()

    def _axis(self, deadline: Deadline) -> tuple[int, int]:
        if isinstance(deadline, int):
            return UTC, deadline
        boot, until_us = deadline
        return MONO, until_us if boot == self._boot else 0  # of another boot: over

    def _load(self, path: Path) -> None:
        text = disk.read_line(path)
        if text is None:
            if path.exists():
                raise ValueError(text)
            return
        told = json.loads(text.removeprefix(_HEAD))
        same_boot = told["boot"] == self._boot
        self._floors = [int(told["floors"][UTC]), int(told["floors"][MONO]) if same_boot else 0]
        for nonce, (axis, until_us) in told["seen"].items():
            if axis == UTC or same_boot:
                self._seen[bytes.fromhex(nonce)] = (int(axis), int(until_us))
        if told["pending"] is not None:
            nonce, operation, who = told["pending"]
            self.pending = bytes.fromhex(nonce), str(operation), str(who)

    def _save(self) -> None:
        pending: list[Any] | None = None
        if self.pending is not None:
            nonce, operation, who = self.pending
            pending = [nonce.hex(), operation, who]
        told = {
            "boot": self._boot,
            "floors": self._floors,
            "seen": {nonce.hex(): place for nonce, place in self._seen.items()},
            "pending": pending,
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            line = disk.checked_line(_HEAD + json.dumps(told, separators=(",", ":")))
            disk.replace_file(self._path, line)
        except OSError as error:
            what = f"no command can be remembered ({error.strerror})"
            raise StoreError(str(self._path), what) from error
