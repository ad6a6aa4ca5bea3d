"""The page in a real browser: what a person sees, does, and must never have done to them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hil import comtrade, report
from hil.report import waves
from tests.hil.report import browser, demo_outcomes

FAILING, LONG = "#s-short-circuit-ab-far", "#s-reclosing-long"
VIEW = "return document.querySelector(arguments[0] + ' .plot')?.dataset.{}"
TEXT = "return document.querySelector(arguments[0]).textContent"
SEEN = """
    const e = document.querySelector(arguments[0]), r = e.getBoundingClientRect();
    return e.checkVisibility({checkVisibilityCSS: true}) && r.width > 0 ? e.innerText : "";
"""

pytestmark = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing())


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    with browser.opened(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    return report.write(demo_outcomes.outcomes(folder / "made"), folder / "report").as_uri()


@pytest.fixture
def page(window: browser.Browser, url: str) -> Iterator[browser.Browser]:
    """Opened anew; at the end its console must have nothing to say."""
    window.media()
    window.size(1280, 900)
    window.go("about:blank")
    window.go(url)
    yield window
    assert window.console() == []


def shown(page: browser.Browser) -> list[str]:
    """Scenarios that the table shows, in its order."""
    rows = "[...document.querySelectorAll('.all tbody tr')].filter((row) => !row.hidden)"
    names: list[str] = page.js(f"return {rows}.map((r) => r.querySelector('code').textContent)")
    return names


def drawn(page: browser.Browser, scenario: str) -> tuple[float, float]:
    """Scroll to a scenario until its chart stands; from when to when it looks."""
    page.js("document.querySelector(arguments[0] + ' .waves').scrollIntoView()", scenario)
    page.until("return document.querySelector(arguments[0] + ' .plot')", scenario)
    return view(page, scenario)


def view(page: browser.Browser, scenario: str) -> tuple[float, float]:
    return (
        float(page.js(VIEW.format("from"), scenario)),
        float(page.js(VIEW.format("to"), scenario)),
    )


def test_why_a_scenario_failed_can_be_read_without_a_click(page: browser.Browser) -> None:
    reason = page.js(SEEN, f"{FAILING} .reason")

    assert "2 of 3 checks failed." in reason
    assert "came fault AB reverse without alarm at 0.2541 s, 54.1 ms after the onset" in reason
    assert reason.count("failed:") == 2  # is also said, not only painted
    summary = page.js(SEEN, "#failures")
    assert "F1-head tells the fault in time: asked for fault AB forward" in summary
    place = "return document.querySelector('#failures').getBoundingClientRect().top"
    assert page.js(place) < 450  # on the first screen


def test_a_passed_scenario_is_folded_until_it_is_asked_for(page: browser.Browser) -> None:
    assert page.js(SEEN, f"{LONG} .body") == ""
    assert page.js("return document.querySelectorAll('.scenario.passed .plot').length") == 0

    page.click(".all a[href='#s-reclosing-long']")

    page.until("return document.querySelector(arguments[0]).open", LONG)
    assert "fault AB forward" in page.until(SEEN, f"{LONG} .body")


def test_the_table_is_filtered_by_text_and_by_status(page: browser.Browser) -> None:
    everything = shown(page)
    assert len(everything) == 14

    page.type("#find", "SHORT far")
    assert shown(page) == ["short-circuit-ab-far"]
    assert page.js(SEEN, "#shown") == "1 of 14"
    hidden = "return [...document.querySelectorAll('.scenario')].filter((s) => !s.hidden).length"
    assert page.js(hidden) == 1

    page.type("#find", " nowhere")
    assert shown(page) == []
    assert page.js(SEEN, "#scenarios .none") == "Nothing matches the filter."

    page.js(
        "const f = document.getElementById('find'); f.value = '';"
        "f.dispatchEvent(new Event('input'))"
    )
    page.click("input[value=passed]")
    assert len(shown(page)) == 4
    page.js("scrollTo(0, 0)")
    page.click(".tile.later")
    assert shown(page) == ["planned-outage-on-time"]


def test_a_chinese_title_is_found(page: browser.Browser) -> None:
    page.type("#find", "计划")

    assert shown(page) == ["planned-outage-on-time"]


def test_the_table_is_ordered_by_the_column_that_is_clicked(page: browser.Browser) -> None:
    rows = "[...document.querySelectorAll('.all tbody tr')]"
    seconds = f"return {rows}.map((r) => +r.children[4].dataset.sort)"

    page.click(".all th:nth-child(5) button")
    up = page.js(seconds)
    page.click(".all th:nth-child(5) button")

    assert up == sorted(up)
    assert page.js(seconds) == up[::-1]
    assert page.js("return document.querySelector('[aria-sort]').innerText") == "seconds"


def test_the_waveforms_stand_around_the_onset_with_truth_and_decision(
    page: browser.Browser,
) -> None:
    assert list(drawn(page, FAILING)) == pytest.approx([0.14, 0.4])

    texts = "[...document.querySelectorAll(arguments[0] + ' .plot text')]"
    words = page.js(f"return {texts}.map((text) => text.textContent)", FAILING)
    assert {"onset AB", "cleared", "expected, did not come: fault AB forward, alarm"} <= set(words)
    assert any(word.startswith("fault AB reverse") for word in words)
    curves = "return document.querySelectorAll(arguments[0] + ' .plot path.wave').length"
    assert page.js(curves, FAILING) == 8


def test_it_looks_closer_where_the_mouse_is_drawn_across_and_wide_again(
    page: browser.Browser,
) -> None:
    begin, end = drawn(page, FAILING)

    page.drag(f"{FAILING} .plot", -0.1, 0.2)
    closer = view(page, FAILING)
    page.click(f"{FAILING} .tools button:nth-child(2)")

    assert begin < closer[0] < closer[1] < end
    assert closer[1] - closer[0] == pytest.approx(0.3 * (end - begin) * 1132 / 1066, rel=0.1)
    assert view(page, FAILING) == (0.0, 0.5)
    page.js(
        "document.querySelector(arguments[0] + ' .chart')"
        ".dispatchEvent(new KeyboardEvent('keydown', {key: '+'}))",
        FAILING,
    )
    assert view(page, FAILING) == (0.125, 0.375)
    page.click(f"{FAILING} .tools button:nth-child(1)")
    assert view(page, FAILING) == (begin, end)


def test_another_terminal_is_shown_in_the_same_window(page: browser.Browser) -> None:
    before = drawn(page, FAILING)

    page.click(f"{FAILING} .tabs button:nth-child(2)")

    assert view(page, FAILING) == before
    assert "ALARM fault AB forward" in page.js(TEXT, f"{FAILING} .plot")
    chosen = f"{FAILING} .tabs [aria-selected=true]"
    assert page.js(SEEN, chosen).splitlines()[0] == "F2-head"


def test_values_under_the_pointer_are_those_of_the_record(page: browser.Browser, url: str) -> None:
    drawn(page, FAILING)
    t = 0.2541
    page.js(
        """
        const chart = document.querySelector(arguments[0] + ' .chart');
        const plot = chart.firstChild, box = chart.getBoundingClientRect();
        const [from, to] = [+plot.dataset.from, +plot.dataset.to];
        const x = 56 + (arguments[1] - from) / (to - from) * (box.width - 66);
        plot.dispatchEvent(new PointerEvent('pointermove',
          {clientX: box.left + x, clientY: box.top + 90, bubbles: true}));
        """,
        FAILING,
        t,
    )

    told = page.js(SEEN, f"{FAILING} .tools output")
    assert told == "0.2541 s, onset + 54.1 ms"
    legend = page.js(TEXT, f"{FAILING} .legend")
    header = Path(url.removeprefix("file://")).parent / "cases/short-circuit-ab-far/F1-head.cfg"
    sheet = comtrade.read(header)
    amps = sheet.counts[0, round(t * sheet.rate_hz)] * sheet.analogs[0].scale
    name, value, unit, *_ = legend.split()
    assert (name, unit) == ("ia", "kA" if abs(amps) >= 1000 else "A")
    shown_amps = float(value) * (1000 if unit == "kA" else 1)
    assert shown_amps == pytest.approx(amps, rel=0.01, abs=10)


def test_the_pages_script_unpacks_what_was_packed(page: browser.Browser) -> None:
    rng = random.Random(11)
    values = [rng.randint(-(10**6), 10**6) for _ in range(500)] + [0, 0, 1, -1, 127, 128, -64]

    assert page.js("return [...unpacked(arguments[0])]", waves.packed(np.array(values))) == values


def test_a_hostile_name_is_only_text(page: browser.Browser) -> None:
    drawn(page, ".scenario:nth-of-type(2)")

    assert page.js("return document.title") == "Rig report"
    assert page.js("return document.querySelectorAll('img').length") == 0
    assert page.js("return document.querySelectorAll('script:not([type])').length") == 1
    names = page.js("return [...document.querySelectorAll('.all code')].map((c) => c.textContent)")
    assert demo_outcomes.HOSTILE in names
    assert demo_outcomes.HOSTILE in page.js(TEXT, ".scenario:nth-of-type(2) .plot")
    assert page.js("return performance.getEntriesByType('resource').length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_nothing_is_wider_than_the_screen(
    page: browser.Browser, width: int, height: int, scheme: str
) -> None:
    page.media(scheme=scheme)
    page.size(width, height)
    drawn(page, FAILING)

    assert page.js("return document.documentElement.scrollWidth") <= width
    plot = page.js(
        "return document.querySelector(arguments[0] + ' .plot').getBoundingClientRect().width",
        FAILING,
    )
    assert plot > 0.8 * width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page: browser.Browser, scheme: str) -> None:
    """At least 4.5 to 1 (WCAG 2.1, clause 1.4.3), faint marks on axes apart."""
    page.media(scheme=scheme)

    contrasts = page.js(
        """
        const part = (c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        const light = (rgb) => rgb.map((v) => part(v / 255))
          .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
        const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
        const ground = (e) => {
          for (; e; e = e.parentElement) {
            const colour = getComputedStyle(e).backgroundColor;
            if (!/, 0\\)$/.test(colour)) return colour;
          }
        };
        const texts = ['.word', '.tile small', '.why', '.calm', '.verdict', '.tone', '.when',
          '.what', '.facts dt', 'h4', '.all a', '.evidence'];
        return texts.flatMap((selector) => [...document.querySelectorAll(selector)]
          .filter((e) => e.checkVisibility() && !e.closest(':disabled'))
          .map((e) => {
            const pair = [getComputedStyle(e).color, ground(e)].map((c) => light(rgb(c)));
            const [low, high] = pair.sort((one, other) => one - other);
            return [selector + ' ' + e.className, (high + 0.05) / (low + 0.05)];
          }));
        """
    )

    assert len(contrasts) > 60
    assert [pair for pair in contrasts if pair[1] < 4.5] == []


def test_on_paper_what_failed_is_there_with_its_waveforms(page: browser.Browser) -> None:
    page.js("dispatchEvent(new Event('beforeprint'))")
    page.media(kind="print", scheme="dark")

    assert page.js(SEEN, f"{FAILING} .reason")
    assert page.js("return document.querySelectorAll('.failed .plot').length") == 2
    assert page.js(SEEN, ".filter") == ""
    assert page.js("return getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.pdf().startswith(b"%PDF-")
