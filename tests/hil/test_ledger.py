"""The file of the campaigns: folded, it still knows every seed that has ended and every failure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hil.errors import RigError
from hil.ledger import Done, Ledger, folded, summaries


def done(seed: int, *, ok: bool = True, unit: str = "even", version: str = "1") -> Done:
    counted = {"ok": ok, "records": 10, "kills": {"link": seed}, "status": [], "at": 0.5}
    return Done(unit, seed, ok, 2.0, version, counted)


def test_what_held_and_follows_becomes_a_line_with_the_sums() -> None:
    (line,) = folded([done(2), done(1), done(3)], ["even"])

    assert (line.seed, line.last, line.seconds) == (1, 3, 6.0)
    assert line.result == {"ok": True, "records": 30, "kills": {"link": 6}}


@pytest.mark.parametrize(
    ("units", "lines"),
    [
        pytest.param([done(1), done(2, ok=False), done(3)], 3, id="a-failure-keeps-its-line"),
        pytest.param([done(1), done(3)], 2, id="a-seed-is-missing"),
        pytest.param([done(1), done(2, version="2")], 2, id="another-version"),
        pytest.param([done(1), done(1, unit="odd"), done(2)], 2, id="another-kind-stays"),
    ],
)
def test_what_does_not_follow_stays_apart(units: list[Done], lines: int) -> None:
    kept = folded(units, ["even"])

    assert len(kept) == lines
    assert [each for each in kept if not each.ok] == [each for each in units if not each.ok]
    assert folded(kept, ["even"]) == kept


def test_a_folded_file_is_read_counted_and_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "soak.jsonl"
    with Ledger(path) as ledger:
        for each in (done(1), done(2), done(3, ok=False), done(4), done(5)):
            ledger.append(each)
        before = summaries(ledger.done)
        ledger.fold(["even"])

    with Ledger(path) as ledger:
        assert summaries(ledger.done) == before
        assert ledger.next_seed("even") == 6
        assert ledger.next_seed("even", [6, 8]) == 7
    assert len(path.read_text().splitlines()) == 3


def test_a_seed_that_was_interrupted_is_taken_up_again(tmp_path: Path) -> None:
    with Ledger(tmp_path / "soak.jsonl") as ledger:
        ledger.append(done(1))
        ledger.append(done(3))

        assert ledger.next_seed("even") == 2


def test_a_folded_line_that_cannot_be_is_told(tmp_path: Path) -> None:
    path = tmp_path / "soak.jsonl"
    line = json.loads(done(5).line) | {"last": 4}
    path.write_text(json.dumps(line) + "\n")

    with pytest.raises(RigError, match="line 1: seeds 5 to 4"), Ledger(path):
        pass
