from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hil import report
from hil.report import waveforms
from hil.verdict import BROKEN, FAILED, NOT_YET, PASSED, Check, Moment, Outcome
from tests.hil.report import demo_outcomes


def page(tmp_path: Path, told: Sequence[Outcome], **how: Any) -> str:
    return report.write(told, tmp_path / "report", **how).read_text()


def bare(name: str, status: str, **more: Any) -> Outcome:
    return Outcome(name, f"title of {name}", (), status, more.pop("checks", ()), 1.0, **more)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("demo")
    return page(folder, demo_outcomes.outcomes(folder / "made"), meta={"device": "agent <1>"})


def test_the_page_asks_the_network_for_nothing(demo: str) -> None:
    elements = " ".join(
        re.findall(r"<[^>]*>", re.sub(r"<script.*?</script>", "", demo, flags=re.DOTALL))
    )
    outside = re.findall(r"\s(?:src|srcset|href|action|data|poster)=\"([^\"]*)\"", elements)

    assert len(outside) > 40
    assert {re.split(r"[#/]", link)[0] for link in outside} == {"", "cases"}
    assert re.findall(r"url\((?!#)", demo) == []
    assert set(re.findall(r"https?://[^\"'\s<]+", demo)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in demo


def test_the_page_forbids_every_script_but_its_own(demo: str) -> None:
    script = re.findall(r"<script>(.*?)</script>", demo, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()

    assert len(script) == 1
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', demo)
    assert policy
    assert f"script-src &#x27;sha256-{digest}&#x27;" in policy[1]
    assert policy[1].startswith("default-src &#x27;none&#x27;")


def test_everything_from_outside_is_escaped(demo: str) -> None:
    inert = re.sub(r'<script type="application/json">.*?</script>', "", demo)

    assert demo_outcomes.HOSTILE[:20] not in inert
    assert "<img" not in demo
    assert "agent &lt;1&gt;" in demo


def test_what_failed_comes_first_and_what_nobody_has_to_look_into_is_folded(demo: str) -> None:
    cards = re.findall(r'<details id="[^"]*" class="scenario (\w+)"( open)?', demo)

    assert [status for status, _ in cards] == [*["failed"] * 2, "broken", "later", *["passed"] * 10]
    assert all(bool(opened) == (status in {"failed", "broken"}) for status, opened in cards)


@pytest.mark.parametrize(
    ("statuses", "sentence"),
    [
        ((), "No scenario was run"),
        ((PASSED,), "The scenario passed"),
        ((PASSED, PASSED), "All 2 scenarios passed"),
        ((PASSED, NOT_YET), "1 of 2 scenarios passed, 1 not yet"),
        ((PASSED, BROKEN), "The bench broke in 1 of 2 scenarios"),
        ((PASSED, FAILED, BROKEN), "1 of 3 scenarios failed"),
    ],
)
def test_the_headline_is_the_result(tmp_path: Path, statuses: Sequence[str], sentence: str) -> None:
    told = [bare(f"s{k}", status) for k, status in enumerate(statuses)]

    assert f"<h1>{sentence}</h1>" in page(tmp_path, told)


def test_a_run_without_instruments_says_that_there_are_no_latencies(tmp_path: Path) -> None:
    assert "No live scenario was run" in page(tmp_path, [bare("one", PASSED)])


def test_how_to_run_it_again_is_a_command_for_a_shell(tmp_path: Path) -> None:
    made = page(tmp_path, [bare("it's", FAILED), bare("plain-1", PASSED)])

    assert "ftu-hil run plain-1</code>" in made
    assert "ftu-hil run &#x27;it&#x27;&quot;&#x27;&quot;&#x27;s&#x27;</code>" in made


def test_a_record_that_cannot_be_read_is_said_and_the_page_is_made(tmp_path: Path) -> None:
    bad = tmp_path / "F1.cfg"
    bad.write_text("no record")
    bad.with_suffix(".dat").write_bytes(b"")

    made = page(tmp_path, [bare("one", FAILED, records={"F1": bad})])

    assert "F1: the record cannot be read." in made


def test_a_page_has_room_for_the_waveforms_of_what_failed_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [
        demo_outcomes.outcome(tmp_path / "made", "good", PASSED),
        demo_outcomes.failing(tmp_path / "made", "bad"),
    ]
    whole = len(page(tmp_path, told))
    monkeypatch.setattr(waveforms.Room, "__init__", lambda self: setattr(self, "left", 100_000))

    made = page(tmp_path, told)

    assert made.count("No room: a page holds 24 MB of waveforms") == 1
    assert made.index('class="waves"') < made.index("No room")
    assert len(made) < whole - 40_000


def test_a_day_of_moments_and_events_does_not_fill_the_page(tmp_path: Path) -> None:
    moments = [Moment(k, "device", "F1", "alive") for k in range(20_000)]
    events = {"F1": [{"event": "dip", "t": k} for k in range(5_000)]}

    made = page(tmp_path, [bare("long", FAILED, timeline=moments, events=events)])

    assert len(made) < 400_000
    assert "and 19700 more, in outcomes.json" in made
    assert "and 4988 more" in made
    assert "… the rest is in outcomes.json" in made


def test_the_page_can_be_made_anew_from_what_lies_in_its_folder(tmp_path: Path) -> None:
    first = page(tmp_path, demo_outcomes.outcomes(tmp_path / "made"), title="试验", meta={"a": "b"})
    moved = (tmp_path / "report").rename(tmp_path / "elsewhere")
    (moved / "index.html").unlink()
    (moved / "junit.xml").unlink()

    path = report.again(moved)

    assert path == moved / "index.html"
    assert path.read_text() == first
    assert (moved / "junit.xml").is_file()


def test_the_terminal_that_the_failed_check_speaks_of_is_shown_first(tmp_path: Path) -> None:
    checks = [Check("F2-head stays quiet", False, "fault AB forward with alarm")]
    one = demo_outcomes.outcome(tmp_path / "made", "one", FAILED, checks=checks)

    made = page(tmp_path, [one])

    match = re.search(r'<script type="application/json">(.*?)</script>', made)
    assert match
    assert [each["name"] for each in json.loads(match[1])["terminals"]] == ["F2-head", "F1-head"]
