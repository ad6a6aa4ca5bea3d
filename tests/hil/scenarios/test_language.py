from __future__ import annotations

import re
from pathlib import Path

import pytest

from hil.errors import CaseError
from hil.scenarios import language
from hil.scenarios.language import CaseErrors, find, load, load_text
from hil.scenarios.scenario import Delivery, Draw, Fault, Play, Scenario

WHOLE = """
name = "whole"
title = "everything that a file may say"
title_zh = "一个文件能说的一切"
rows = ["H7", "R11"]
instrument = "digitiser"
not_yet = "part E: a reason"
sample = true
terminals = ["F1"]
unwired = ["ua", "ub", "uc"]
site = \"\"\"
[outage]
plans = ["plan.toml"]
\"\"\"
truth = false
only_alarms = ["voltage_loss"]
settle_s = 4

[files]
"plan.toml" = "text {utc+5}"

[draw]
what = "short_circuit"
earthing = "isolated"
seed = 7
kind = "BC"
resistance_ohm = 0.5
rate_hz = 4000

[play]
times = 3
every_s = 2.5

[[fault]]
at_s = 1
what = "black_hole"
for_s = 10

[[fault]]
at_s = 2
what = "kill"
who = "guard"

[[command]]
run = "journal verify {data}"
says = "intact"

[[message]]
at_s = 3
topic = "cmd/drill-start"
payload = { nonce = 1 }

[[expect]]
event = "fault"
where = "forward"
count = [1, 3]
since = "onset"
within_ms = [0, 20]

[[expect]]
event = "blind"
count = 1
fields = { bay = "F1" }

[[retained]]
topic = "section/S2"

[delivery]
arrives = true
log = "intact"
"""
SMALL = """
name = "small"
title = "a small one"
title_zh = "小"
rows = ["H3"]
[draw]
what = "quiet"
earthing = "resonant"
seed = 1
"""


def read(text: str, stem: str = "small") -> Scenario:
    return load_text(text, f"{stem}.toml", stem)


def findings(text: str, stem: str = "small") -> list[str]:
    with pytest.raises(CaseErrors) as caught:
        read(text, stem)
    return list(caught.value.findings)


def test_a_whole_file_says_all_that_a_scenario_is() -> None:
    scenario = read(WHOLE, "whole")

    assert scenario.draw == Draw(
        "short_circuit", "isolated", 7, {"kind": "BC", "resistance_ohm": 0.5, "rate_hz": 4000}
    )
    assert scenario.play == Play(3, 2.5)
    assert scenario.faults == (
        Fault(1.0, "black_hole", 10.0, {}),
        Fault(2.0, "kill", None, {"who": "guard"}),
    )
    assert scenario.expects[0].count == (1, 3)
    assert scenario.expects[0].within_ms == (0, 20)
    assert scenario.expects[1].count == (1, 1)
    assert scenario.delivery == Delivery(arrives=True, log="intact")
    assert scenario.live
    assert scenario.files == {"plan.toml": "text {utc+5}"}


def test_a_small_file_is_enough() -> None:
    scenario = read(SMALL)

    assert scenario.instrument == "replay"
    assert scenario.truth
    assert not scenario.live
    assert scenario.not_yet == ""


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        ("title =", "titel =", "titel = 'a small one': unknown key, did you mean title?"),
        ("title =", "titel =", "title: missing; expected text of 1 to 200 characters"),
        ('rows = ["H3"]', "rows = []", "rows = a list of 0: cannot be taken; expected a list of"),
        ('"small"', '"Small One"', "name = 'Small One': cannot be taken; expected 1 to 64 of the"),
        ('"small"', '"other"', "name = 'other': expected 'small', as its file"),
        ("seed = 1", "seed = -1", "[draw] seed = -1: cannot be taken; expected a whole number"),
        ("seed = 1", "seed = true", "[draw] seed = true: cannot be taken"),
        ("seed = 1", "", "[draw] seed: missing; expected a whole number from 0"),
        ("seed = 1", "seed = 1\nohms = 3", "[draw] ohms = 3: unknown key"),
        (
            "seed = 1",
            "seed = 1\nknid = 'AB'",
            "[draw] knid = 'AB': unknown key, did you mean kind?",
        ),
        (
            '"quiet"',
            '"quite"',
            "[draw] what = 'quite': cannot be taken; expected one of short_circuit",
        ),
        ("[draw]", "case = 'golden:x'\n[draw]", "case: stands beside [draw]; expected one of both"),
        (
            "[draw]",
            "case = 'x'\n[draw]",
            "case = 'x': names no saved case; expected \"golden:NAME\"",
        ),
        ("[draw]", "[drwa]", "drwa = a table of 3: unknown key"),
        (
            "seed = 1",
            "seed = 1\n[[fault]]\nat_s = 1\nwhat = 'reset'",
            "faults: needs a device that runs",
        ),
        (
            "seed = 1",
            "seed = 1\n[[fault]]\nat_s = 1\nwhat = 'blackhole'",
            "[[fault]] 1 what = 'blackhole': unknown, did you mean black_hole?",
        ),
        (
            "seed = 1",
            "seed = 1\n[[fault]]\nat_s = 1\nwhat = 'kill'",
            "[[fault]] 1 who: missing; expected one of guard, link, all",
        ),
        (
            "seed = 1",
            "seed = 1\n[[expect]]\nevent = 'fault'\ncount = -1",
            "[[expect]] 1 count = -1: cannot be taken",
        ),
        (
            "seed = 1",
            "seed = 1\n[[expect]]\nevent = 'fault'\nwithin_ms = [5, 1]",
            "[[expect]] 1 within_ms = a list of 2",
        ),
        (
            "seed = 1",
            "seed = 1\n[expect]\nevent = 'fault'",
            "expect = a table of 1: not a list of tables; expected [[expect]]",
        ),
        (
            "seed = 1",
            "seed = 1\n[delivery]\narrives = true",
            "[delivery]: needs a device that runs",
        ),
    ],
)
def test_a_wrong_key_or_value_is_told_with_what_was_expected(
    before: str, after: str, finding: str
) -> None:
    assert before in SMALL

    told = findings(SMALL.replace(before, after, 1))

    assert [line for line in told if line.startswith(f"small.toml: {finding}")]


@pytest.mark.parametrize(
    ("more", "finding"),
    [
        ("[[command]]\nrun = 'plan list {sight}'", "{sight} stands for nothing"),
        ("[[retained]]\ntopic = 'x'\nfields = { a = { b = 1 } }", "[[retained]] 2 fields"),
    ],
)
def test_what_only_a_running_device_has_is_read_too(more: str, finding: str) -> None:
    assert any(finding in line for line in findings(f"{WHOLE}\n{more}\n", "whole"))


def test_settings_are_for_replays() -> None:
    live = WHOLE.replace("truth = false", "settings = 'a = 1'")

    assert any("settings: are for replays" in line for line in findings(live, "whole"))


def test_everything_that_is_wrong_is_told_at_once() -> None:
    wrong = SMALL.replace('rows = ["H3"]', "rows = 1").replace("seed = 1", "seed = 'x'\nkind = 3")

    assert len(findings(wrong)) == 3


def test_a_replay_needs_a_case() -> None:
    without = SMALL[: SMALL.index("[draw]")]

    assert findings(without) == ["small.toml: case: missing; expected a case to replay, or [draw]"]


def test_what_is_not_toml_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("name = [")

    with pytest.raises(CaseError) as caught:
        load(path)

    assert "not TOML" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_a_scenario_of_ones_own_is_taken_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)

    assert [scenario.name for scenario in find([str(path)])] == ["small"]


def test_the_catalogue_is_taken_by_names_and_beginnings() -> None:
    everything = find()
    name = everything[0].name

    assert [s.name for s in find([name])] == [name]
    assert {s.name for s in find([name[:3] + "*"])} == {
        s.name for s in everything if s.name.startswith(name[:3])
    }


def test_a_name_that_is_not_there_gives_a_hint() -> None:
    name = find()[0].name

    with pytest.raises(CaseError, match=f"no such scenario, did you mean {name}"):
        find([name + "x"])


DOCS = Path(__file__).parents[3] / "docs" / "rig.md"


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL))
def test_every_example_of_the_guide_can_be_taken(text: str) -> None:
    name = re.search(r'^name = "(.*)"', text, re.MULTILINE)
    assert name

    assert read(text, name[1]).title


def test_the_guide_names_every_fault_and_every_key() -> None:
    guide = DOCS.read_text()

    named = [*language.FAULTS, *language.INSTRUMENTS, *language.KEYS]
    assert [word for word in named if f"`{word}`" not in guide] == []
