"""`ftu-agent settings shadow`: which settings run beside those in force.

A running guard looks at the document within a second. What the shadow finds is in lane h as
`shadow_disagrees`; see docs/events.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from agent import setting_sheet
from agent.errors import SiteError, UsageError
from agent.setting_book import DONE, FOUND, Book, differences, tell
from agent.shadow_store import KIND, content_of, tables_of
from agent.store.documents import Documents

OFF, SHOW = "off", "show"


def run(site: Path, what: str, author: str | None, reason: str | None) -> int:
    """`what`: a sheet's file, "off" or "show"."""
    book = Book(site)
    store = Documents(book.store.path.parents[1], KIND)
    if what == SHOW:
        return _show(book, store)
    if author is None or reason is None:
        raise UsageError("settings shadow", "does not say by whom or why", "--author and --reason")
    history = store.history()
    if what == OFF:
        if tables_of(history.active) is None:
            print("no shadow runs")
            return DONE
        content = content_of(None)
    else:
        content = content_of(book.content(setting_sheet.read(Path(what)), what))
    version = store.commit(
        content, author=author, reason=reason, made_from=history.number, at=datetime.now(UTC)
    )
    print(f"shadow version {version.number}: {'off' if what == OFF else what}")
    print("a running guard takes it within a second")
    return DONE


def _show(book: Book, store: Documents) -> int:
    """What differs from the settings in force, a key a line; 1 when it cannot be used."""
    history = store.history()
    for line in history.told:
        tell(line)
    tables, version = tables_of(history.active), history.active
    if tables is None or version is None:
        print("no shadow runs")
        return FOUND if history.told else DONE
    print(f"shadow version {version.number} by {version.author} at {version.utc}: {version.reason}")
    try:
        lines = list(differences(book, book.ruling(), tables))
    except SiteError as error:
        for finding in error.findings:
            print(finding)
        print("it does not fit the site: no shadow runs")
        return FOUND
    print("\n".join(lines) or "the same as what is in force")
    return DONE
