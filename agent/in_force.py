"""The protection settings that guard works with, and word of every change of them.

`ftu-agent settings` writes the store, guard looks at it: one stat a second, and the file only when
it is another one. A new version is taken as a whole or not at all. What cannot be read or does
not fit the site leaves in force what is, which at a start are the defaults, and is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.detect import settings as protection
from agent.errors import SiteError, StoreError
from agent.site import Bay
from agent.store.documents import Documents, History, Version

State = tuple[int, int, int] | None
_NOT_LOOKED = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Change:
    """What a look has found, as the log tells it: which settings judge what comes after.

    who: the author of the version in question. applied: detection has to be built anew.
    """

    what: Literal["settings_in_force", "settings_refused", "settings_damaged"]
    who: str | None
    detail: str
    applied: bool = False


class InForce:
    """settings: of each bay, by its name; the defaults until a look finds a version."""

    def __init__(self, store: Documents, bays: Sequence[Bay]) -> None:
        self._store = store
        self._bays = tuple(bays)
        self._seen: State = _NOT_LOOKED
        self._refusal = ""
        self._version: Version | None = None
        self.settings = {bay.name: protection.defaults(bay) for bay in bays}

    def look(self) -> Change | None:
        """What has changed since the last look; None: nothing. Never raises for what it finds."""
        seen = self._store.state()
        if seen == self._seen:
            return None
        try:
            history = self._store.history()
        except StoreError as error:  # tried again at every look, told once
            told, self._refusal = self._refusal, str(error)
            return None if told == str(error) else self._damaged(str(error))
        self._seen = seen
        return self._taken(history)

    def _taken(self, history: History) -> Change | None:
        version = history.active
        if version is None and history.found == "new" and self._version is None:
            return None
        if version is None or (history.found == "previous" and self._version is not None):
            return self._damaged("; ".join(history.told) or f"{self._store.path}: is gone")
        try:
            chosen = protection.parse(version.content, self._bays, where=_named(version))
        except SiteError as error:
            told = f"{self._ruling()}; {'; '.join(error.findings)}"
            return Change("settings_refused", version.author, told)
        self.settings, self._version = chosen, version
        if history.found == "previous":
            told = f"{self._ruling()} as the copy before; {'; '.join(history.told)}"
            return Change("settings_damaged", version.author, told, applied=True)
        told = f"{self._ruling()}, made from {version.parent}: {version.reason}"
        return Change("settings_in_force", version.author, told, applied=True)

    def _damaged(self, what: str) -> Change:
        return Change("settings_damaged", None, f"{self._ruling()}; {what}")

    def _ruling(self) -> str:
        return f"{_named(self._version) if self._version else 'defaults'} in force"


def _named(version: Version) -> str:
    return f"version {version.number} hash {version.digest}"
