"""Versions of a document: what a commit adds, what it never changes, what makes room."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import StoreError
from agent.store import documents
from agent.store.documents import (
    LONGEST_REASON,
    MOST_DOCUMENT_BYTES,
    MOST_VERSIONS,
    Documents,
    Version,
    digest,
)
from agent.store.sealed import MOST_BYTES, Sealed

AT = datetime(2026, 11, 25, 1, 2, 3, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Documents:
    return Documents(tmp_path, "settings")


def commit(store: Documents, content: dict[str, Any], **words: Any) -> Version:
    told = {"author": "ops-2", "reason": "study 14", "made_from": store.history().number, "at": AT}
    return store.commit(content, **{**told, **words})


def content(amps: float) -> dict[str, Any]:
    return {"head": {"phase_pickup_amps": amps}}


def test_there_is_no_version_before_the_first_commit(store: Documents) -> None:
    history = store.history()
    assert (history.active, history.number, history.versions) == (None, 0, ())
    assert (history.found, history.told, history.full) == ("new", (), False)
    assert store.state() is None


def test_a_commit_adds_a_version_with_all_that_it_was_told(store: Documents) -> None:
    east = AT.astimezone(timezone(timedelta(hours=8)))
    first = commit(store, content(900.0), at=east)
    second = commit(store, content(900.1), author="shift_B", reason="整定 15")
    assert first == Version(
        number=1,
        digest=digest(content(900.0)),
        utc="2026-11-25T01:02:03Z",
        author="ops-2",
        reason="study 14",
        parent=0,
        content=content(900.0),
    )
    assert (second.number, second.parent, second.author) == (2, 1, "shift_B")
    history = Documents(store.path.parent.parent, "settings").history()
    assert history.versions == (first, second)
    assert history.active == history.version(2) == second
    assert history.version(3) is None


def test_a_kind_has_a_file_of_its_own(store: Documents) -> None:
    commit(store, content(900.0))
    plans = Documents(store.path.parent.parent, "plans")
    assert plans.history().found == "new"
    commit(plans, {"P-1": {}})
    assert store.history().number == plans.history().number == 1


def test_a_commit_made_from_a_version_that_no_longer_rules_changes_nothing(
    store: Documents,
) -> None:
    commit(store, content(1.0))
    commit(store, content(2.0))
    before = store.path.read_bytes()
    for made_from in (0, 1, 3):
        with pytest.raises(StoreError, match=f"made from version {made_from}, but 2 rules now"):
            commit(store, content(3.0), made_from=made_from)
    assert store.path.read_bytes() == before


def test_only_one_of_many_at_once_wins(store: Documents) -> None:
    commit(store, content(1.0))
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from agent.store.documents import Documents\n"
        "Documents(Path(sys.argv[1]), 'settings').commit({'by': sys.argv[2]},\n"
        " author='x', reason='x', made_from=1, at=datetime.now(UTC))\n"
    )
    command = [sys.executable, "-c", program, str(store.path.parent.parent)]
    racing = [subprocess.Popen([*command, str(n)], stderr=subprocess.PIPE) for n in range(4)]
    errors = [each.communicate()[1] for each in racing]
    assert sorted(each.returncode for each in racing) == [0, 1, 1, 1]
    assert all(b"StoreError" in told for told in errors if told)
    (winner,) = [n for n, each in enumerate(racing) if each.returncode == 0]
    assert store.history().number == 2
    assert store.history().versions[1].content == {"by": str(winner)}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"author": "Zhang San"}, "no personal name"),
        ({"author": ""}, "no personal name"),
        ({"author": "x" * 33}, "no personal name"),
        ({"author": "a\n"}, "no personal name"),
        ({"reason": ""}, "one line of 1 to"),
        ({"reason": "  "}, "one line of 1 to"),
        ({"reason": "two\nlines"}, "one line of 1 to"),
        ({"reason": "x" * (LONGEST_REASON + 1)}, "one line of 1 to"),
        ({"content": {"a": "x" * MOST_DOCUMENT_BYTES}}, f"at most {MOST_DOCUMENT_BYTES}"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_a_commit_cannot_take_is_one_line_and_changes_nothing(
    store: Documents, words: dict[str, Any], told: str
) -> None:
    taken = words.pop("content", content(1.0))
    with pytest.raises(StoreError, match=told):
        commit(store, taken, **words)
    assert not store.path.exists()


def test_what_a_killed_writer_has_said_is_there(store: Documents) -> None:
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from agent.store.documents import Documents\n"
        "store = Documents(Path(sys.argv[1]), 'settings')\n"
        "while True:\n"
        " told = store.commit({'a': 'x' * 5000}, author='x', reason='x',\n"
        "  made_from=store.history().number, at=datetime.now(UTC))\n"
        " print(told.number, flush=True)\n"
    )
    said = 0
    for turn in range(6):
        command = [sys.executable, "-c", program, str(store.path.parent.parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(3 + turn):
                said = int(writer.stdout.readline())
            writer.kill()
            said = max([said, *map(int, writer.stdout.read().split())])
        history = store.history()
        assert history.found == "whole"
        assert history.number in (said, said + 1)
        assert history.versions[-1].content == {"a": "x" * 5000}


# --- room ---


def test_the_oldest_versions_make_room_and_numbers_run_on(store: Documents) -> None:
    for turn in range(MOST_VERSIONS + 3):
        assert store.history().full == (turn >= MOST_VERSIONS)
        commit(store, content(float(turn)))
    numbers = [version.number for version in store.history().versions]
    assert numbers == list(range(4, MOST_VERSIONS + 4))


def test_large_documents_leave_fewer_versions_and_never_less_than_two(store: Documents) -> None:
    for turn in range(6):
        commit(store, {"a": f"{turn}" * (MOST_DOCUMENT_BYTES - 8)}, reason="\U0001f600" * 200)
        assert store.path.stat().st_size <= MOST_BYTES + 64
        assert [v.number for v in store.history().versions] == list(
            range(max(1, turn - 1), turn + 2)
        )
    assert store.history().full


# --- damage ---


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_after_the_newest_copy_is_lost_its_number_never_comes_again(store: Documents) -> None:
    for turn in range(3):
        commit(store, content(float(turn)))
    flip(store.path)
    history = store.history()
    assert (history.number, history.found) == (2, "previous")
    assert "damaged" in history.told[0]
    assert commit(store, content(7.0)).number == 4
    assert [version.number for version in store.history().versions] == [1, 2, 4]
    assert store.history().found == "whole"


def test_two_damaged_copies_are_an_empty_history_that_says_so_and_are_set_aside(
    store: Documents,
) -> None:
    for turn in range(3):
        commit(store, content(float(turn)))
    files = [store.path, store.path.with_name("settings.json.1")]
    for path in files:
        flip(path)
    kept = {path.read_bytes() for path in files}
    history = store.history()
    assert (history.number, history.found, len(history.told)) == (0, "damaged", 2)
    assert commit(store, content(7.0)).number == 1
    assert {path.read_bytes() for path in store.path.parent.glob("*.bad*")} == kept


GOOD = Version(1, digest({}), "2026-11-25T01:02:03Z", "a", "r", 0, {})


def row(**changed: Any) -> dict[str, Any]:
    return {name: getattr(GOOD, name) for name in GOOD.__slots__} | changed


@pytest.mark.parametrize(
    "tables",
    [
        [],
        7,
        None,
        "text",
        {},
        {"versions": []},
        {"versions": {"1": []}},
        {"versions": {"one": row()}},
        {"versions": {"2": row()}},
        {"versions": {"1": {}}},
        {"versions": {"1": row(colour=1)}},
        {"versions": {"1": row(number=True)}},
        {"versions": {"1": row(parent=1)}},
        {"versions": {"1": row(content=[])}},
        {"versions": {"1": row(content={"a": 1})}},
        {"versions": {"1": row(author=None)}},
        {"versions": {"1": row()}, "others": {}},
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_json_that_is_whole_but_not_ours_is_damage_and_no_traceback(
    store: Documents, tables: Any
) -> None:
    sealed(store, json.dumps(tables).encode())
    history = store.history()
    assert (history.versions, history.found) == ((), "damaged")
    assert commit(store, content(1.0)).number == 1


def sealed(store: Documents, body: bytes) -> None:
    file = Sealed(store.path, lambda _: None)
    with file.locked():
        file.replace(body, file.read())


def test_the_row_of_the_tests_above_is_good_by_itself(store: Documents) -> None:
    sealed(store, json.dumps({"versions": {"1": row()}}).encode())
    assert store.history().versions == (GOOD,)


@given(body=st.binary(max_size=60) | st.sampled_from([b"[" * 100_000, b"1" * 5000, b'{"a":NaN}']))
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_any_sealed_bytes_are_a_history_or_damage(store: Documents, body: bytes) -> None:
    sealed(store, body)
    assert store.history().found in ("damaged", "previous")


def test_the_hash_is_of_the_content_alone_and_to_the_last_bit() -> None:
    assert digest({"a": 1.0, "b": "x"}) == digest({"b": "x", "a": 1.0})
    assert digest({"a": 0.1 + 0.2}) != digest({"a": 0.3})
    # printf '{"a":1.5}' | sha256sum
    assert digest({"a": 1.5}) == "3b1cb40b22933d83"
    with pytest.raises(ValueError, match="does not have the hash"):
        replace(GOOD, content={"a": 1})


def test_tinydb_is_imported_by_one_file_alone() -> None:
    root = Path(documents.__file__).parent.parent
    found = [path.name for path in root.rglob("*.py") if "tinydb" in path.read_text()]
    assert found == ["documents.py"]
