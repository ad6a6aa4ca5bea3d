"""The committed cases: readable without the solver, and the same samples wherever they are made."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import comtrade as second_reader  # type: ignore[import-untyped]
import numpy as np
import pytest

from hil.case import Case, Truth
from hil.plant import catalogue, golden, solved, spice
from hil.plant.golden import GOLDEN, Golden

# One of each way in which a circuit is made; all of them take a minute.
REMADE = ("short-abg", "earth-resonant", "restriking", "torn", "inrush-feeder", "motor-start")
NETLISTS = Path(__file__).parent / "netlists.txt"


@pytest.mark.parametrize("name", golden.names())
def test_every_committed_case_is_whole(name: str) -> None:
    case = golden.load(name)

    assert case.name == name
    assert set(case.truth.terminals) == set(case.recordings)
    for recording in case.recordings.values():
        assert recording.seconds >= 0.5
        assert recording.counts.any(axis=1).all()


@pytest.mark.parametrize("name", ["short-abc", "reclosed"])
def test_another_reader_finds_the_same_samples(name: str) -> None:
    case = golden.load(name)
    other = second_reader.Comtrade(ignore_warnings=True)
    other.load(str(golden.FOLDER / name / "F1-head.cfg"))

    recording = case.recordings["F1-head"]
    assert list(other.analog_channel_ids) == [trace.name for trace in recording.traces]
    for k, trace in enumerate(recording.traces):
        assert np.allclose(other.analog[k], recording.values(trace.name), rtol=0, atol=1e-3)
    assert list(other.status[0]) == [int(state) for state in recording.contacts["52a"]]


def digest(each: Golden) -> str:
    asked = catalogue.scene(each.what, each.earthing, each.seed, **each.wishes)
    return hashlib.sha256(asked.grid().circuit.text().encode()).hexdigest()


def test_the_same_seeds_give_the_committed_netlists() -> None:
    committed = dict(line.split() for line in NETLISTS.read_text().splitlines())

    assert {each.name: digest(each) for each in GOLDEN} == committed


def known_before(truth: Truth) -> Truth:
    """What does not need the solver."""
    seen = {
        name: dataclasses.replace(each, amps=0.0, residual_amps=0.0, neutral_share=0.0)
        for name, each in truth.terminals.items()
    }
    return dataclasses.replace(truth, terminals=seen)


@pytest.mark.parametrize("name", REMADE)
def test_a_case_made_anew_is_the_committed_one_to_a_count(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTU_HIL_CACHE", str(tmp_path))
    each = next(one for one in GOLDEN if one.name == name)
    committed = golden.load(name)

    made = golden.made(each)

    assert known_before(made.truth) == known_before(committed.truth)
    for terminal, recording in made.recordings.items():
        before = committed.recordings[terminal]
        assert recording.traces == before.traces
        assert np.abs(recording.counts - before.counts).max() <= 1
        seen, said = made.truth.terminals[terminal], committed.truth.terminals[terminal]
        assert seen.amps == pytest.approx(said.amps, rel=2e-3, abs=0.01)


def test_the_same_case_solved_twice_is_the_same_to_the_last_count() -> None:
    asked = catalogue.scene("short_circuit", "resonant", 5, rate_hz=12_800)

    one, other = solved.solved(asked), solved.solved(asked)

    assert one.truth == other.truth
    for name, recording in one.recordings.items():
        assert np.array_equal(recording.counts, other.recordings[name].counts)


def test_a_cached_case_is_the_solved_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTU_HIL_CACHE", str(tmp_path))

    first = catalogue.case("quiet", "isolated", 3)
    monkeypatch.setattr(spice, "solve", lambda *_: pytest.fail("it was solved before"))
    second = catalogue.case("quiet", "isolated", 3)

    assert first.truth == second.truth
    assert [folder.name for folder in tmp_path.iterdir()] == [
        catalogue.key(catalogue.scene("quiet", "isolated", 3))
    ]


def test_a_damaged_cache_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTU_HIL_CACHE", str(tmp_path))
    first = catalogue.case("quiet", "isolated", 3)
    [kept] = tmp_path.iterdir()
    (kept / "truth.json").write_text("{")

    again = catalogue.case("quiet", "isolated", 3)

    assert isinstance(again, Case)
    assert again.truth == first.truth


def test_what_hangs_behind_a_jumper_is_live_though_its_switch_is_open() -> None:
    jumped = catalogue.scene("backfeed", "isolated", 611, variant="bypass")
    assert jumped.notes["terminal"] in jumped.switches
    assert {states[-1].live for states in jumped.sections().values()} == {"ABC"}
