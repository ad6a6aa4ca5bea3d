"""The note is never another truth: with it, without it, and with any damage, the log decides."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import supply_memory
from agent.clock import Stamp
from agent.detect.supply import DEAD, LIVE
from agent.errors import StoreError
from agent.records import Event
from agent.store import cbor, entries
from agent.store.journal import Journal
from agent.supply_memory import NOTE_EVERY, SupplyMemory

EPOCH = 7


def payload(name: str, phases: str = "", bay: str = "b") -> bytes:
    event = Event(event=name, bay=bay, t_us=5, phases=phases)
    return cbor.dumps(entries.event_entry(event, Stamp(1, 5, 5, 2, 900), logged_us=5))


def memory(folder: Path, journal: Journal, epoch: int = EPOCH) -> SupplyMemory:
    made = SupplyMemory(folder / "supply", folder / "log", epoch, journal.next_seq("a"))
    made.catch_up()
    return made


def test_a_start_reads_only_what_came_after_the_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal.open(tmp_path / "log", "a") as journal:
        journal.append("a", payload("started", "ABC"))
        memory(tmp_path, journal).note()
        journal.append("a", payload("voltage_loss", "B"))
        taken: list[bytes] = []
        real = supply_memory._telling

        def counted(one: bytes) -> Event | None:
            taken.append(one)
            return real(one)

        monkeypatch.setattr(supply_memory, "_telling", counted)
        again = memory(tmp_path, journal)
    assert again.supply == {"b": (LIVE, DEAD, LIVE)}
    assert len(taken) == 1


def test_guard_notes_now_and_then_and_never_reads_much_at_once(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "log", "a") as journal:
        following = memory(tmp_path, journal)
        journal.append("a", payload("started", "ABC"))
        for _ in range(NOTE_EVERY - 1):
            journal.append("a", payload("dip"), sync=False)
        journal.sync()
        turns = 0
        while not (tmp_path / "supply").exists():
            following.follow()
            turns += 1
        assert turns == NOTE_EVERY // supply_memory.AT_A_TIME
        assert memory(tmp_path, journal).supply == {"b": (LIVE, LIVE, LIVE)}


@pytest.mark.parametrize(
    "note",
    [
        pytest.param("", id="empty"),
        pytest.param("{} 00000000\n", id="wrong-sum"),
        pytest.param({"epoch": EPOCH + 1, "seq": 1, "supply": {"b": [0, 0, 0]}}, id="other-log"),
        pytest.param({"epoch": EPOCH, "seq": 9, "supply": {"b": [0, 0, 0]}}, id="beyond-the-end"),
        pytest.param({"epoch": EPOCH, "seq": 1, "supply": {"b": [0, 0]}}, id="two-phases"),
        pytest.param({"epoch": EPOCH, "seq": 1, "supply": {"b": [7, 0, 0]}}, id="no-such-state"),
        pytest.param({"epoch": EPOCH, "seq": 1, "supply": 3}, id="no-map"),
        pytest.param({"epoch": EPOCH, "supply": {}}, id="no-seq"),
        pytest.param({"seq": 1, "supply": {}}, id="no-epoch"),
        pytest.param({"epoch": EPOCH, "seq": float("inf"), "supply": {}}, id="endless"),
        pytest.param([1, 2], id="a-list"),
        pytest.param(None, id="a-folder"),
    ],
)
def test_what_is_no_note_of_this_log_is_none(tmp_path: Path, note: object) -> None:
    path = tmp_path / "supply"
    if note is None:
        path.mkdir()
    elif isinstance(note, str):
        path.write_text(note)
    else:
        text = json.dumps(note)
        path.write_text(f"{text} {zlib.crc32(text.encode()):08x}\n")
    with Journal.open(tmp_path / "log", "a") as journal:
        journal.append("a", payload("started", "ABC"))
        assert memory(tmp_path, journal).supply == {"b": (LIVE, LIVE, LIVE)}


TOLD = st.lists(
    st.tuples(
        st.sampled_from(["started", "voltage_loss", "voltage_restored", "dip", "nonsense"]),
        st.sampled_from(["", "A", "BC", "ABC"]),
        st.sampled_from(["b", "c"]),
        st.booleans(),
    ),
    max_size=20,
)


@settings(deadline=None)  # a busy disk is no defect
@given(TOLD)
def test_a_note_at_any_moment_changes_nothing_of_what_is_known(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, str, str, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("memory")
    with Journal.open(folder / "log", "a") as journal:
        for name, phases, bay, noted in told:
            one = b"\xff" if name == "nonsense" else payload(name, phases, bay)
            journal.append("a", one, sync=False)
            if noted:
                memory(folder, journal).note()
        with_note = memory(folder, journal).supply
        (folder / "supply").unlink(missing_ok=True)
        assert with_note == memory(folder, journal).supply


def test_a_note_that_cannot_be_written_is_told_and_costs_nothing(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "log", "a") as journal:
        journal.append("a", payload("started", "ABC"))
        following = SupplyMemory(tmp_path / "nowhere" / "supply", tmp_path / "log", EPOCH, 2)
        following.catch_up()
        with pytest.raises(StoreError, match="cannot be noted"):
            following.note()
        assert following.supply == {"b": (LIVE, LIVE, LIVE)}


def test_without_a_note_a_long_log_is_read_from_near_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supply_memory, "FARTHEST", 10)
    with Journal.open(tmp_path / "log", "a") as journal:
        journal.append("a", payload("started", "ABC"))
        for _ in range(20):
            journal.append("a", payload("dip"), sync=False)
        journal.append("a", payload("voltage_loss", "A"), sync=False)
        assert memory(tmp_path, journal).supply == {"b": (DEAD, None, None)}
