"""One scenario on the page: why it failed, what was expected and told, the waveforms, the rest."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hil.case import Truth
from hil.report import timeline, waveforms, words
from hil.report.latency import ms
from hil.report.markup import Html, joined, tag
from hil.verdict import FAILED, NOT_YET, PASSED, Check, Expected, Outcome

_EVENTS = 12  # of a terminal in words; all are in outcomes.json
_RAW_LETTERS = 20_000
_EPOCH_S = 1e8  # a `t` beyond is a date, no time of the record


def css(status: str) -> str:
    """A status as a class."""
    return {PASSED: "passed", FAILED: "failed", NOT_YET: "later"}.get(status, "broken")


def icon(status: str) -> Html:
    """Its sign: a shape of its own for each, so that no colour has to be told apart."""
    use = tag("use", href=f"#i-{css(status)}")
    return tag("svg", use, class_=f"icon {css(status)}", aria_hidden="true")


def card(outcome: Outcome, anchor: str, folder: Path, room: waveforms.Room) -> Html:
    """The whole scenario; unfolded where somebody has to look into it."""
    body = joined(
        _reason(outcome),
        _facts(outcome),
        _told(outcome),
        tag("h4", "Waveforms"),
        waveforms.part(outcome, room),
        timeline.part(outcome),
        _latencies(outcome),
        _checks(outcome),
        _again(outcome, folder),
        _raw(outcome),
    )
    return tag(
        "details",
        tag("summary", icon(outcome.status), _headline(outcome)),
        tag("div", body, class_="body"),
        id=anchor,
        class_=f"scenario {css(outcome.status)}",
        open=outcome.status not in (PASSED, NOT_YET),
        data_status=css(outcome.status),
        data_text=searched(outcome),
    )


def searched(outcome: Outcome) -> str:
    """What a filter looks into."""
    texts = (outcome.scenario, outcome.title, *outcome.rows, outcome.case, words.reason(outcome))
    return " ".join(texts).lower()


def score(outcome: Outcome) -> str:
    """Checks passed of all."""
    return f"{sum(check.passed for check in outcome.checks)}/{len(outcome.checks)}"


def _headline(outcome: Outcome) -> Html:
    aside = [f"{score(outcome)} checks", f"{outcome.seconds:.1f} s", *outcome.rows]
    return joined(
        tag("span", tag("code", outcome.scenario), " ", tag("b", outcome.title), class_="name"),
        tag(
            "span",
            tag("span", outcome.status, class_=f"word {css(outcome.status)}"),
            *(tag("span", each) for each in aside),
            class_="aside",
        ),
    )


# --- why -----------------------------------------------------------------------------


def _reason(outcome: Outcome) -> Html:
    """The failed checks in words, before everything else."""
    failed = [check for check in outcome.checks if not check.passed]
    if outcome.status == PASSED and not failed:
        return Html("")
    problem = tag("p", outcome.problem, class_="problem") if outcome.problem else Html("")
    return tag(
        "div",
        tag("p", words.verdict(outcome), class_="verdict"),
        problem,
        tag("ul", *(_check(check) for check in failed), class_="checks"),
        class_=f"reason {css(outcome.status)}",
    )


def _check(check: Check) -> Html:
    status = PASSED if check.passed else FAILED
    sign = tag("span", "passed: " if check.passed else "failed: ", class_="aloud")
    evidence = tag("span", check.evidence, class_="evidence")
    return tag("li", icon(status), tag("span", sign, tag("b", check.name), " ", evidence))


def _checks(outcome: Outcome) -> Html:
    good = [check for check in outcome.checks if check.passed]
    if not good:
        return Html("")
    title = f"{len(good)} {'check' if len(good) == 1 else 'checks'} passed"
    rows = tag("ul", *(_check(check) for check in good), class_="checks")
    return tag("details", tag("summary", title), rows, class_="more")


def _facts(outcome: Outcome) -> Html:
    facts = {
        "what happened": words.happened(outcome.truth) if outcome.truth else "",
        "case": f"{outcome.case}, seed {outcome.seed}" if outcome.case else "",
        "played": ""
        if outcome.jitter_ms is None
        else f"in real time, within {outcome.jitter_ms:.3g} ms",
    }
    lines = (joined(tag("dt", name), tag("dd", text)) for name, text in facts.items() if text)
    return tag("dl", *lines, class_="facts")


# --- expected and told ---------------------------------------------------------------


def _told(outcome: Outcome) -> Html:
    """Terminal by terminal: what is true there, what was asked for, what the device told."""
    truth = outcome.truth.terminals if outcome.truth else {}
    places = dict.fromkeys([*truth, *outcome.events, *(each.where for each in outcome.expected)])
    if not places:
        return Html("")
    columns = ["at", "true there", "expected", "told"]
    shown = [True, bool(truth), bool(outcome.expected), True]
    rows = []
    for place in places:
        here = truth.get(place)
        cells = (
            tag("th", tag("span", place, class_="place"), scope="row"),
            tag("td", words.seen(here) if here else "", data_of="true there"),
            tag("td", _asked(outcome.expected, place), data_of="expected"),
            tag("td", _events(outcome, place), data_of="told"),
        )
        rows.append(tag("tr", *_chosen(cells, shown)))
    head = tag("tr", *_chosen([tag("th", word, scope="col") for word in columns], shown))
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="told")
    return joined(tag("h4", "Expected and told"), tag("div", table, class_="scroll"))


def _chosen(cells: Sequence[Html], shown: Sequence[bool]) -> Iterator[Html]:
    return (cell for cell, show in zip(cells, shown, strict=True) if show)


def _asked(expected: Sequence[Expected], place: str) -> Html:
    lines = []
    for each in (one for one in expected if one.where == place):
        sign = tag("span", "came: " if each.came else "did not come: ", class_="aloud")
        text = tag("span", sign, each.text, _window(each))
        lines.append(tag("li", icon(PASSED if each.came else FAILED), text))
    return tag("ul", *lines, class_="checks") if lines else tag("span", "nothing", class_="calm")


def _window(each: Expected) -> Html:
    if each.from_s is None and each.to_s is None:
        return Html("")
    begin = "" if each.from_s is None else f"{each.from_s:.4g}"
    end = "" if each.to_s is None else f"{each.to_s:.4g}"
    return tag("span", f" {begin} to {end} s", class_="when")


def _events(outcome: Outcome, place: str) -> Html:
    events = outcome.events.get(place, ())
    if not events:
        return _received(outcome, place)
    lines = [
        tag(
            "li",
            tag("span", words.told(event), class_=f"tone {words.tone(event)}"),
            _at(event, outcome.truth),
        )
        for event in events[:_EVENTS]
    ]
    if len(events) > _EVENTS:
        lines.append(tag("li", f"and {len(events) - _EVENTS} more", class_="calm"))
    return tag("ul", *lines, class_="bare")


def _received(outcome: Outcome, place: str) -> Html:
    """Of a consumer, which tells nothing: what it was sent."""
    moments = [m for m in outcome.timeline if m.what == "receipt" and m.where == place]
    if not moments:
        return tag("span", "nothing", class_="calm")
    lines = [
        tag("li", "received ", moment.text, tag("span", f" {moment.t_s:.4f} s", class_="when"))
        for moment in moments[:_EVENTS]
    ]
    if len(moments) > _EVENTS:
        lines.append(tag("li", f"and {len(moments) - _EVENTS} more", class_="calm"))
    return tag("ul", *lines, class_="bare")


def _at(event: Mapping[str, Any], truth: Truth | None) -> Html:
    """When it was told, where its time is the record's: after the true onset, else its own."""
    t, onset = event.get("t"), event.get("onset")
    if not isinstance(t, int | float) or t > _EPOCH_S:
        return Html("")
    after = ""
    if truth is not None and truth.onset_s is not None and t >= truth.onset_s:
        after = f", {ms((t - truth.onset_s) * 1000)} after the onset"
    elif truth is None and isinstance(onset, int | float):
        after = f", {ms((t - onset) * 1000)} after the onset that it told"
    return tag("span", f" {words.instant(t)}{after}", class_="when")


# --- the rest ------------------------------------------------------------------------


def _latencies(outcome: Outcome) -> Html:
    if not outcome.latencies:
        return Html("")
    kinds = {"terminal": None, "event": None, "decided": "n", "received": "n"}
    head = tag("tr", *(tag("th", w, scope="col", class_=kind) for w, kind in kinds.items()))
    rows = [
        tag(
            "tr",
            tag("td", each.terminal),
            tag("td", each.event),
            tag("td", ms(each.decided_ms), class_="n"),
            tag("td", ms(each.received_ms), class_="n"),
        )
        for each in outcome.latencies
    ]
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="figures")
    return joined(tag("h4", "Latencies"), tag("div", table, class_="scroll"))


def _again(outcome: Outcome, folder: Path) -> Html:
    """How to run exactly this once more, and the records."""
    command = tag("code", f"ftu-hil run {shlex.quote(outcome.scenario)}", class_="command")
    button = tag("button", "copy", type="button", class_="copy")
    links = [
        joined(" ", tag("a", f"{name}{suffix}", href=_link(path.with_suffix(suffix), folder)))
        for name, path in outcome.records.items()
        if path.is_file()
        for suffix in (".cfg", ".dat")
    ]
    records = tag("p", "COMTRADE:", *links, class_="records") if links else Html("")
    return joined(tag("h4", "Run it again"), tag("p", command, " ", button), records)


def _link(path: Path, folder: Path) -> str:
    here, there = folder.absolute(), path.absolute()
    inside = there.is_relative_to(here)
    return quote(there.relative_to(here).as_posix()) if inside else there.as_uri()


def _raw(outcome: Outcome) -> Html:
    if not any(outcome.events.values()):
        return Html("")
    told = {terminal: list(events) for terminal, events in outcome.events.items()}
    text = json.dumps(told, indent=1, ensure_ascii=False, default=str)
    if len(text) > _RAW_LETTERS:
        text = f"{text[:_RAW_LETTERS]}\n… the rest is in outcomes.json"
    return tag(
        "details", tag("summary", "Events as the device told them"), tag("pre", text), class_="more"
    )
