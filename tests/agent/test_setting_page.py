"""The page of every key is the table's."""

from __future__ import annotations

from pathlib import Path

from agent.detect.settings import KEYS
from agent.setting_page import reference


def test_the_page_is_printed_from_the_table() -> None:
    page = Path(__file__).parents[2] / "docs/settings.md"
    assert page.read_text() == reference(), "make docs"


def test_every_key_is_on_it_with_its_reason_and_no_cell_is_torn() -> None:
    rows = [line.split(" | ") for line in reference().splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows] == [f"| `{name}`" for name in KEYS]
    assert {len(row) for row in rows} == {6}
    assert [row[5] for row in rows] == [f"{key.reason} |" for key in KEYS.values()]
