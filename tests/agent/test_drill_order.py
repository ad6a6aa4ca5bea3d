from __future__ import annotations

from pathlib import Path

import pytest

from agent import drill_order
from agent.clock import Stamp
from agent.errors import SiteError
from agent.store import cbor, entries

GOOD = """
id = "D-1"
title = "earth fault"
bay = "head"
[channels]
ia = "IA"
[[step]]
name = "isolate"
due_s = 1.5
role = "crew-lead"
[[expect]]
bay = "head"
event = "fault"
kind = "AG"
[[expect]]
bay = "head"
event = "fault_cleared"
"""


def folder(tmp_path: Path, script: str) -> Path:
    (tmp_path / "drill.toml").write_text(script)
    (tmp_path / "record.cfg").write_text("")
    return tmp_path


def test_an_order_says_what_to_do_and_what_to_expect(tmp_path: Path) -> None:
    order = drill_order.read(folder(tmp_path, GOOD))

    assert order.started() == {
        "title": "earth fault",
        "steps": ["isolate", 1500, "crew-lead"],
        "expected": ["head", "fault", "AG", "head", "fault_cleared", None],
    }
    assert order.channels == {"ia": "IA"}
    assert order.ends_after_s == 900


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("id = ", "expected a drill's script, TOML"),
        ('id = "a/b"', "id = 'a/b'; expected 1 to 32 of A-Z a-z 0-9 _ -"),
        ("", "id = None; expected 1 to 32"),
        (
            GOOD.replace("due_s = 1.5", "due_s = true"),
            "step.due_s = True; expected seconds above 0",
        ),
        (GOOD.replace("due_s = 1.5", "due_s = 1e9"), "at most 28800"),
        (GOOD.replace('"fault"', '"fire"'), "expect.event = 'fire'; expected an event of"),
        (GOOD.replace('"AG"', '"AX"'), "expect.kind = 'AX'; expected one of AG, BG"),
        (GOOD.replace('role = "crew-lead"', 'person = "Li"'), "step.person: unknown key"),
        (GOOD + '[[step]]\nname = "isolate"\ndue_s = 9\nrole = "r"', "two steps have one name"),
        ('id = "D"\nstep = 7', "[[step]]; expected at most 24 tables"),
        ('id = "D"\nchannels = 7', "channels = 7; expected a table"),
        ('id = "D"\n' + '[[step]]\nname="s"\n' * 25, "[[step]]; expected at most 24 tables"),
        ("#" * 70_000, "is too long; expected at most 65536 bytes"),
    ],
)
def test_what_is_wrong_is_one_clear_line(tmp_path: Path, script: str, told: str) -> None:
    with pytest.raises(SiteError) as caught:
        drill_order.read(folder(tmp_path, script))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_order_without_a_record_or_with_one_for_a_bigger_machine_is_refused(
    tmp_path: Path,
) -> None:
    folder(tmp_path, GOOD)
    with (tmp_path / "record.dat").open("wb") as file:
        file.truncate(drill_order.MOST_RECORD_BYTES + 1)
    with pytest.raises(SiteError, match="at most 64000000"):
        drill_order.read(tmp_path)
    (tmp_path / "record.cfg").unlink()
    with pytest.raises(SiteError, match="is not there; expected a COMTRADE record"):
        drill_order.read(tmp_path)


def test_the_longest_order_fits_into_one_record(tmp_path: Path) -> None:
    steps = "".join(
        f'[[step]]\nname = "{n:032}"\ndue_s = 28800\nrole = "{"r" * 32}"\n' for n in range(24)
    )
    expected = '[[expect]]\nbay = "head"\nevent = "intermittent_earth_fault"\n' * 24
    order = drill_order.read(folder(tmp_path, f'id = "{"D" * 32}"\n{steps}{expected}'))
    told = {"drill": order.id, "what": "started", "after_ms": 0, **order.started()}

    assert len(cbor.dumps(entries.drill_entry(Stamp(1, 2**50, 2**51, 2, 2**40), told))) <= 4096
    wordy = expected.replace("head", "\u6cb3" * 60)
    with pytest.raises(SiteError, match="steps and expectations of"):
        drill_order.read(folder(tmp_path, f'id = "D"\n{steps}{wordy}'))
