"""The report as one page: HTML, style, script and waveforms in a single file that asks the network
for nothing. A policy in its head forbids every script but its own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from hil.report import latency, words
from hil.report.cases import place
from hil.report.markup import Child, Html, joined, tag
from hil.report.scenario import card, css, icon, score, searched
from hil.report.waveforms import Room
from hil.verdict import BROKEN, FAILED, NOT_YET, PASSED, Outcome

FILE = "index.html"
_MEANING = {
    FAILED: "the device did not do what it must",
    BROKEN: "the bench broke; nothing is said about the device",
    NOT_YET: "fails today; a later part turns it green",
    PASSED: "every check held",
}


def write(
    outcomes: Sequence[Outcome], folder: Path, *, title: str, meta: Mapping[str, str]
) -> Path:
    """index.html in `folder`, which is there."""
    path = folder / FILE
    path.write_text(text(outcomes, folder, title=title, meta=meta), encoding="utf-8")
    return path


def text(outcomes: Sequence[Outcome], folder: Path, *, title: str, meta: Mapping[str, str]) -> str:
    """The page. folder: where it will lie; records are linked from there."""
    ranked = sorted(outcomes, key=_gravity)
    taken: set[str] = set()
    anchors = [f"s-{place(outcome.scenario, taken)}" for outcome in ranked]
    room = Room()
    cards = [card(o, a, folder, room) for o, a in zip(ranked, anchors, strict=True)]
    body = joined(
        _header(ranked, title, meta),
        _failures(ranked, anchors),
        _section("Latency", latency.section(ranked), id_="latency"),
        _section("All scenarios", _filter(ranked), _table(ranked, anchors), id_="all"),
        _section(
            "One by one",
            *cards,
            tag("p", "Nothing matches the filter.", class_="none calm", hidden=True),
            id_="scenarios",
        ),
    )
    shown = tag("body", _signs(), tag("main", body), tag("script", _program()))
    return f"<!doctype html>\n{tag('html', _head(title), shown, lang='en')}\n"


def _gravity(outcome: Outcome) -> int:
    order = words.STATUSES
    return order.index(outcome.status) if outcome.status in order else 0


def _section(title: str, *children: Child, id_: str) -> Html:
    return tag("section", tag("h2", title), *children, id=id_)


# --- the head ------------------------------------------------------------------------


def _file(name: str) -> Html:
    """Style and script, as they lie beside this file."""
    return Html(resources.files("hil.report").joinpath(name).read_text(encoding="utf-8"))


def _head(title: str) -> Html:
    digest = base64.b64encode(hashlib.sha256(_program().encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", _file("page.css")),
    )


def _program() -> Html:
    return joined(*(_file(name) for name in ("curves.js", "chart.js", "page.js")))


_SIGNS = {
    "passed": "M4 10.5l4 4 8-9",
    "failed": "M5 5l10 10M15 5L5 15",
    "later": "M10 5v5.5l3.5 2M10 2.5a7.5 7.5 0 1 0 .01 0",
    "broken": "M10 3L18 17H2zM10 8v4M10 14.2v.6",
}


def _signs() -> Html:
    symbols = (
        tag("symbol", tag("path", d=path), id=f"i-{name}", viewBox="0 0 20 20")
        for name, path in _SIGNS.items()
    )
    return tag("svg", *symbols, class_="signs", aria_hidden="true")


# --- summary -------------------------------------------------------------------------


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return {s: sum(outcome.status == s for outcome in outcomes) for s in words.STATUSES}


def _header(outcomes: Sequence[Outcome], title: str, meta: Mapping[str, str]) -> Html:
    counts = _counts(outcomes)
    parts = (
        tag("span", style=f"flex-grow:{count}", class_=css(status))
        for status, count in counts.items()
        if count
    )
    tiles = (_tile(status, count) for status, count in counts.items())
    facts = (joined(tag("dt", key), tag("dd", value)) for key, value in meta.items())
    return tag(
        "header",
        tag("p", title, class_="title"),
        tag("h1", _sentence(outcomes, counts)),
        tag("div", *parts, class_="bar", aria_hidden="true"),
        tag("div", *tiles, class_="tiles"),
        tag("dl", *facts, class_="facts") if meta else None,
    )


def _sentence(outcomes: Sequence[Outcome], counts: Mapping[str, int]) -> str:
    total = len(outcomes)
    scenarios = "scenario" if total == 1 else "scenarios"
    if not total:
        return "No scenario was run"
    if counts[FAILED]:
        return f"{counts[FAILED]} of {total} {scenarios} failed"
    if counts[BROKEN]:
        return f"The bench broke in {counts[BROKEN]} of {total} {scenarios}"
    if counts[NOT_YET]:
        return f"{counts[PASSED]} of {total} {scenarios} passed, {counts[NOT_YET]} not yet"
    return f"All {total} {scenarios} passed" if total > 1 else "The scenario passed"


def _tile(status: str, count: int) -> Html:
    return tag(
        "button",
        icon(status),
        tag("b", count),
        tag("span", status, class_="word"),
        tag("small", _MEANING[status]),
        type="button",
        class_=f"tile {css(status)}",
        data_only=css(status),
        disabled=count == 0,
    )


def _failures(outcomes: Sequence[Outcome], anchors: Sequence[str]) -> Html:
    """What failed or broke, each with the first reason in words."""
    bad = [(o, a) for o, a in zip(outcomes, anchors, strict=True) if o.status in (FAILED, BROKEN)]
    if not bad:
        return Html("")
    lines = (
        tag(
            "li",
            icon(outcome.status),
            tag(
                "div",
                tag("a", tag("code", outcome.scenario), " ", outcome.title, href=f"#{anchor}"),
                tag("p", words.reason(outcome)),
            ),
        )
        for outcome, anchor in bad
    )
    title = "What failed" if bad[0][0].status == FAILED else "What broke"
    return _section(title, tag("ol", *lines, class_="failures"), id_="failures")


# --- table ---------------------------------------------------------------------------


def _filter(outcomes: Sequence[Outcome]) -> Html:
    boxes = (
        tag(
            "label",
            tag("input", type="checkbox", checked=True, value=css(status), name="status"),
            icon(status),
            f"{status} ",
            tag("span", count, class_="count"),
        )
        for status, count in _counts(outcomes).items()
        if count
    )
    box = tag(
        "input",
        type="search",
        id="find",
        placeholder="name, title, row, reason",
        aria_label="filter by text",
        autocomplete="off",
    )
    shown = tag("output", f"{len(outcomes)} of {len(outcomes)}", id="shown")
    return tag("div", box, *boxes, shown, class_="filter", role="search")


_COLUMNS = {
    "status": "",
    "scenario": "",
    "rows": "wide",
    "checks": "n",
    "seconds": "n wide",
    "received": "n wide",
}


def _table(outcomes: Sequence[Outcome], anchors: Sequence[str]) -> Html:
    head = (
        tag("th", tag("button", name, type="button"), scope="col", class_=kind or None)
        for name, kind in _COLUMNS.items()
    )
    rows = (_row(outcome, anchor) for outcome, anchor in zip(outcomes, anchors, strict=True))
    return tag(
        "div",
        tag("table", tag("thead", tag("tr", *head)), tag("tbody", *rows), class_="all"),
        class_="scroll",
    )


def _row(outcome: Outcome, anchor: str) -> Html:
    received = latency.slowest(outcome)
    why = words.reason(outcome)
    good = sum(check.passed for check in outcome.checks)
    share = good / len(outcome.checks) if outcome.checks else 1.0
    cells: dict[str, tuple[Child, str]] = {
        "status": (joined(icon(outcome.status), " ", outcome.status), str(_gravity(outcome))),
        "scenario": (
            joined(
                tag("a", tag("code", outcome.scenario), href=f"#{anchor}"),
                tag("div", outcome.title),
                tag("div", why, class_="why") if why else None,
            ),
            outcome.scenario,
        ),
        "rows": (" ".join(outcome.rows), " ".join(outcome.rows)),
        "checks": (score(outcome), f"{share:.6f}"),
        "seconds": (f"{outcome.seconds:.1f}", f"{outcome.seconds}"),
        "received": ("" if received is None else latency.ms(received), f"{received or 0}"),
    }
    return tag(
        "tr",
        *(
            tag("td", shown, data_sort=key, class_=_COLUMNS[name] or None)
            for name, (shown, key) in cells.items()
        ),
        data_status=css(outcome.status),
        data_text=searched(outcome),
    )
