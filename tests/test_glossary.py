"""docs/glossary.md against the code: a term that nobody spells so any more is a stale page."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAD = ["term", "中文", "meaning", "unit", "in code", "source"]
UNITS = {"", "A", "V", "A, V", "W", "var", "Hz", "s", "ms", "us"}


def rows() -> list[list[str]]:
    lines = (ROOT / "docs/glossary.md").read_text(encoding="utf-8").splitlines()
    tables = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines if "|" in line]
    return [row for row in tables if row != HEAD and set(row[0]) != {"-"}]


@cache
def words() -> frozenset[str]:
    """Every word of the sources and of the data beside them, comments and docstrings left out."""
    found: set[str] = set()
    for path in (ROOT / "agent").rglob("*.py"):
        text = re.sub(r'"""[\s\S]*?"""', "", path.read_text(encoding="utf-8"))
        found.update(re.findall(r"\w+", re.sub(r"#.*", "", text)))
    return frozenset(found)


def spellings(row: list[str]) -> list[str]:
    return re.findall(r"`([^`]+)`", row[4])


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_term_is_spelled_in_code_as_the_glossary_says(row: list[str]) -> None:
    assert len(row) == len(HEAD)
    assert spellings(row)
    assert [word for word in spellings(row) if word not in words()] == []


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_term_has_a_chinese_word_a_meaning_and_a_unit_of_the_house(row: list[str]) -> None:
    assert re.search(r"[\u4e00-\u9fff]", row[1])
    assert row[2]
    assert row[3] in UNITS


def test_every_term_and_every_spelling_means_one_thing() -> None:
    terms = [row[0] for row in rows()]
    spelled = [word for row in rows() for word in spellings(row)]

    assert len(terms) > 40
    assert sorted(terms) == sorted(set(terms))
    assert sorted(spelled) == sorted(set(spelled))


def test_the_search_would_miss_a_word_that_is_gone() -> None:
    assert "residual_amps" in words()
    assert "residual_milliamps" not in words()
