"""docs/events.md against the code: every event that can be told is in the page, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from agent.store.entry import EVENTS, TYPE_NAMES

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/events.md").read_text()
NOW, LATER = PAGE.split("## Comes with a later part")
LATER = LATER.split("\n## ")[0]
# The table of names, how people call them and how they are drawn: none of these makes an event.
TABLES_OF_NAMES = ("agent/store/entry.py", "agent/words.py", "agent/plot.py")


def made() -> set[str]:
    """Names of events that stand as text anywhere in the agent's code."""
    found = {name for name in TYPE_NAMES.values() if name in EVENTS}
    for path in (ROOT / "agent").rglob("*.py"):
        if path.relative_to(ROOT).as_posix() in TABLES_OF_NAMES:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and node.value in EVENTS:
                found.add(str(node.value))
    return found


def told_by_the_bays() -> set[str]:
    """First words given to what makes an event in the bays' functions."""
    trees = [ast.parse(p.read_text()) for p in (ROOT / "agent/detect/functions").glob("*.py")]
    calls = [
        node
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("event", "_event")
    ]
    values = [node for call in calls if call.args for node in _values(call.args[0])]
    return {str(w.value) for w in values if isinstance(w, ast.Constant)}


def _values(node: ast.expr) -> list[ast.expr]:
    """Both sides of a choice, without what it is chosen by."""
    if isinstance(node, ast.IfExp):
        return _values(node.body) + _values(node.orelse)
    return [node]


def rows(text: str) -> set[str]:
    return set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


@pytest.mark.parametrize("name", sorted(made()))
def test_every_event_that_the_code_can_make_is_in_the_page(name: str) -> None:
    assert name in rows(NOW)
    assert f"`{name}`" not in LATER


@pytest.mark.parametrize("name", sorted(set(EVENTS) - made()))
def test_every_other_name_comes_with_a_later_part(name: str) -> None:
    assert f"`{name}`" in LATER
    assert name not in rows(NOW)


def test_the_page_tells_of_no_event_that_does_not_exist() -> None:
    assert set(re.findall(r"`(\w+)`", LATER)) <= set(EVENTS)
    bays = NOW.split("What each says")[0]
    assert rows(bays) <= set(EVENTS)


def test_what_the_bays_tell_is_a_name_that_a_record_can_hold() -> None:
    told = told_by_the_bays()
    assert {"operate", "swell", "dip", "voltage_loss", "voltage_restored"} <= told
    assert told <= set(EVENTS)


def test_every_test_that_the_page_names_exists() -> None:
    for path in re.findall(r"`(tests/[\w/]+\.py)`", PAGE):
        assert (ROOT / path).exists(), path
