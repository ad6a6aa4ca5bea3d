"""HTML out of Python in which text is always escaped: what is markup says so by its type."""

from __future__ import annotations

import html
import json
import unicodedata
from typing import Any

_VOID = ("meta", "input", "br", "hr", "link", "col")
_KEPT = "\n\t"


class Html(str):
    """Markup of ours. Any other text is somebody else's and is escaped."""

    __slots__ = ()


Child = str | float | None


def plain(text: str) -> str:
    """The text without control characters and halves of characters, which no file may hold."""
    if text.isprintable():
        return text
    bad = ("Cc", "Cs", "Cn")
    return "".join(
        c if c in _KEPT or unicodedata.category(c) not in bad else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


def escaped(child: Child) -> Html:
    """Markup as it is, text so that it shows as it was written."""
    if isinstance(child, Html):
        return child
    return Html("" if child is None else html.escape(plain(str(child)), quote=True))


def joined(*children: Child) -> Html:
    """One after another."""
    return Html("".join(escaped(child) for child in children))


def tag(name: str, /, *children: Child, **attributes: Child | bool) -> Html:
    """An element. class_ and for_ lose their underscore, others become dashes; True: bare,
    False and None: left out.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        word = key.rstrip("_").replace("_", "-")
        words.append(word if value is True else f'{word}="{escaped(value)}"')
    opened = f"<{' '.join(words)}>"
    return Html(opened if name in _VOID else f"{opened}{joined(*children)}</{name}>")


def data(content: Any, **attributes: Child | bool) -> Html:
    """JSON for the page's script, in an element that no browser runs."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    for sign in "<>&":  # within a string of JSON only; "</script" and "<!--" never stand there
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return tag("script", Html(text), type="application/json", **attributes)
