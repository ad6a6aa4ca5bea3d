"""The shadow's settings: a document of their own kind, versioned as those in force are.

Its content is {"shadow": TABLES} while a shadow runs, and nothing else; see `settings shadow`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.detect import settings as protection
from agent.detect.settings import Settings
from agent.errors import AgentError
from agent.site import Bay
from agent.store.documents import Documents, Version

KIND = "shadow"
_ON = "shadow"


def content_of(tables: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a version holds; tables: of a sheet; None: no shadow runs."""
    return {} if tables is None else {_ON: dict(tables)}


def tables_of(version: Version | None) -> dict[str, Any] | None:
    """The inverse. The defaults are a sheet without a table."""
    return None if version is None else version.content.get(_ON)


class ShadowStore:
    """What guard sees of it."""

    def __init__(self, store: Documents, bays: Sequence[Bay]) -> None:
        self._store = store
        self._bays = tuple(bays)
        self._seen: object = ()
        self._settings: dict[str, Settings] | None = None

    def look(self) -> dict[str, Settings] | None:
        """The settings of each bay, one object as long as they are the same; None: no shadow.

        One stat where nothing has changed. What cannot be read or does not fit the site is no
        shadow: `settings shadow show` says why.
        """
        seen = self._store.state()
        if seen == self._seen:
            return self._settings
        self._seen = seen
        try:
            tables = tables_of(self._store.history().active)
            self._settings = None if tables is None else self._parsed(tables)
        except AgentError:
            self._settings = None
        return self._settings

    def _parsed(self, tables: Mapping[str, Any]) -> dict[str, Settings]:
        return protection.parse(tables, self._bays, "shadow")
