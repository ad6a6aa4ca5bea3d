from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.report.markup import Html, data, escaped, joined, plain, tag
from tests.hil.report.demo_outcomes import HOSTILE


def test_text_is_shown_as_it_was_written_and_markup_of_ours_is_markup() -> None:
    made = tag("p", "a < b & c", tag("b", 3), class_="x", data_text='"q"', hidden=True, open=False)

    assert made == ('<p class="x" data-text="&quot;q&quot;" hidden>a &lt; b &amp; c<b>3</b></p>')


def test_what_is_put_together_from_text_and_markup_stays_safe() -> None:
    assert joined("<", Html("<br>"), None) == "&lt;<br>"


@pytest.mark.parametrize(
    ("bad", "shown"),
    [("a\x00b", "a�b"), ("\x1b[31m", "�[31m"), ("\ud800", "�"), ("两相\n短路\t", "两相\n短路\t")],
)
def test_what_no_file_may_hold_is_replaced(bad: str, shown: str) -> None:
    assert plain(bad) == shown


@given(st.text())
def test_no_text_opens_an_element_or_leaves_an_attribute(text: str) -> None:
    shown = escaped(text)

    assert not set(shown) & set("<>\"'")
    assert tag("p", text, title=text).count("<") == 2
    shown.encode()


@settings(max_examples=30)
@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_data_cannot_end_its_element_and_comes_back_whole(content: object) -> None:
    made = data([content, HOSTILE])

    match = re.fullmatch(r'<script type="application/json">([^<>&]*)</script>', made)
    assert match
    assert json.loads(match[1]) == [content, HOSTILE]
