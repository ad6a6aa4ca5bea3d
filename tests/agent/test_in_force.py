"""Which settings guard works with, whatever stands in the store, and that every change is told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.detect.settings import defaults
from agent.in_force import InForce
from agent.site import Bay
from agent.store.documents import Documents

AT = datetime(2026, 11, 25, tzinfo=UTC)
HEAD, TAIL = (Bay(name, name, 10_000.0, 50, "resonant", 400.0) for name in ("head", "tail"))
DEFAULT = defaults(HEAD).phase_pickup_amps


@pytest.fixture
def store(tmp_path: Path) -> Documents:
    return Documents(tmp_path, "settings")


def commit(store: Documents, amps: float, bay: str = "head") -> str:
    content: dict[str, Any] = {bay: {"phase_pickup_amps": amps}}
    number = store.history().number
    version = store.commit(content, author="ops-2", reason="study", made_from=number, at=AT)
    return f"version {version.number} hash {version.digest} in force"


def amps(in_force: InForce) -> float:
    return in_force.settings["head"].phase_pickup_amps


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.with_name("flipped").write_bytes(data)
    path.with_name("flipped").replace(path)


def test_without_a_store_the_defaults_are_in_force_and_there_is_nothing_to_tell(
    store: Documents,
) -> None:
    in_force = InForce(store, [HEAD, TAIL])
    assert in_force.look() is None
    assert in_force.settings == {"head": defaults(HEAD), "tail": defaults(TAIL)}


def test_a_start_and_every_commit_are_told_once_with_author_reason_and_hash(
    store: Documents,
) -> None:
    commit(store, 900.0)
    told = commit(store, 901.0)
    in_force = InForce(store, [HEAD, TAIL])
    change = in_force.look()
    assert change is not None
    assert (change.what, change.who, change.applied) == ("settings_in_force", "ops-2", True)
    assert change.detail == f"{told}, made from 1: study"
    assert (amps(in_force), in_force.look()) == (901.0, None)
    told = commit(store, 902.0)
    change = in_force.look()
    assert change is not None
    assert change.detail == f"{told}, made from 2: study"
    assert (amps(in_force), in_force.look()) == (902.0, None)
    assert in_force.settings["tail"] == defaults(TAIL)


@pytest.mark.parametrize(("bay", "value"), [("gone", 900.0), ("head", -1.0)])
def test_a_version_that_does_not_fit_the_site_never_comes_into_force(
    store: Documents, bay: str, value: float
) -> None:
    commit(store, value, bay)
    in_force = InForce(store, [HEAD])
    change = in_force.look()
    assert change is not None
    assert (change.what, change.who, change.applied) == ("settings_refused", "ops-2", False)
    assert change.detail.startswith("defaults in force; version 1 hash ")
    assert f"[{bay}]" in change.detail
    assert (amps(in_force), in_force.look()) == (DEFAULT, None)
    good = commit(store, 900.0)
    assert in_force.look() is not None
    commit(store, value, bay)
    change = in_force.look()
    assert change is not None
    assert change.detail.startswith(f"{good}; version 3 hash ")
    assert amps(in_force) == 900.0


def test_a_damaged_file_leaves_the_copy_before_and_is_told(store: Documents) -> None:
    told = commit(store, 900.0)
    commit(store, 901.0)
    flip(store.path)
    in_force = InForce(store, [HEAD])
    change = in_force.look()
    assert change is not None
    assert (change.what, change.applied) == ("settings_damaged", True)
    assert change.detail.startswith(f"{told} as the copy before; {store.path}: is cut or damaged")
    assert amps(in_force) == 900.0


def test_a_copy_before_does_not_take_back_what_is_in_force(store: Documents) -> None:
    commit(store, 900.0)
    told = commit(store, 901.0)
    in_force = InForce(store, [HEAD])
    in_force.look()
    flip(store.path)
    change = in_force.look()
    assert change is not None
    assert (change.what, change.applied) == ("settings_damaged", False)
    assert change.detail.startswith(f"{told}; {store.path}: is cut or damaged")
    assert amps(in_force) == 901.0


def test_two_damaged_files_leave_the_defaults_at_a_start_and_what_rules_while_running(
    store: Documents,
) -> None:
    commit(store, 900.0)
    told = commit(store, 901.0)
    running = InForce(store, [HEAD])
    running.look()
    flip(store.path.with_name("settings.json.1"))
    flip(store.path)
    started = InForce(store, [HEAD])
    for in_force, rules, value in ((running, told, 901.0), (started, "defaults in force", DEFAULT)):
        change = in_force.look()
        assert change is not None
        assert (change.what, change.who, change.applied) == ("settings_damaged", None, False)
        assert change.detail.startswith(f"{rules}; {store.path}: is cut or damaged")
        assert (amps(in_force), in_force.look()) == (value, None)


def test_a_store_that_is_gone_leaves_what_rules_and_is_told(store: Documents) -> None:
    told = commit(store, 900.0)
    in_force = InForce(store, [HEAD])
    in_force.look()
    store.path.unlink()
    change = in_force.look()
    assert change is not None
    assert (change.what, change.detail) == ("settings_damaged", f"{told}; {store.path}: is gone")
    assert amps(in_force) == 900.0


def test_what_the_system_refuses_is_told_once_and_tried_again(
    store: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(store, 900.0)
    in_force = InForce(store, [HEAD])

    def refused(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("agent.store.sealed.os.open", refused)
        change = in_force.look()
        assert change is not None
        assert (change.what, amps(in_force)) == ("settings_damaged", DEFAULT)
        assert "cannot be read (Permission denied)" in change.detail
        assert in_force.look() is None
    change = in_force.look()
    assert change is not None
    assert (change.what, amps(in_force)) == ("settings_in_force", 900.0)
