"""Marks of consumers: what is left of them after any cut, flip or refusal."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import StoreError
from agent.store.cursors import Cursors
from agent.store.slots import SLOT_BYTES

EPOCH = 0xFEDCBA9876543210


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cursors"


def at(path: Path, epoch: int = EPOCH) -> Cursors:
    return Cursors(path, epoch=epoch)


def saved(path: Path, *marks: int) -> list[bytes]:
    """The file after each save of scada's mark in lane a."""
    files = []
    state = at(path)
    for seq in marks:
        assert state.advance("scada", "a", seq)
        state.save()
        files.append(path.read_bytes())
    return files


def test_marks_are_zero_before_the_first(path: Path) -> None:
    state = at(path)
    assert state.found == "new"
    assert state.mark("scada", "a") == 0
    assert state.marks() == {}
    state.save()
    assert not path.exists()  # nothing to say


def test_marks_survive_a_restart_when_saved(path: Path) -> None:
    state = at(path)
    for turn in range(1, 6):
        state.advance("scada", "a", turn * 10)
        state.advance("scada", "s", turn)
        state.advance("analytics", "a", turn * 2)
        state.save()
        again = at(path)
        assert again.found == "whole"
        assert again.marks() == {"scada": {"a": turn * 10, "s": turn}, "analytics": {"a": turn * 2}}
    state.advance("scada", "a", 1000)
    assert at(path).mark("scada", "a") == 50


def test_a_mark_never_goes_back(path: Path) -> None:
    state = at(path)
    assert state.advance("scada", "a", 7)
    state.save()
    before = path.read_bytes()
    for seq in (7, 6, 0, -1):
        assert not state.advance("scada", "a", seq)
        state.save()
    assert state.mark("scada", "a") == 7
    assert path.read_bytes() == before


def test_a_copy_of_the_marks_changes_nothing(path: Path) -> None:
    state = at(path)
    state.advance("scada", "a", 7)
    state.marks()["scada"]["a"] = 900
    assert state.mark("scada", "a") == 7


def test_marks_of_another_epoch_are_none(path: Path) -> None:
    saved(path, 500, 600)
    state = at(path, epoch=1)
    assert state.found == "other epoch"
    assert state.marks() == {}
    assert state.advance("scada", "a", 3)
    state.save()
    again = at(path, epoch=1)
    assert again.marks() == {"scada": {"a": 3}}
    assert again.found == "whole"


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_cut_at_any_byte_of_a_save_leaves_the_state_before_or_the_new_one(
    path: Path, count: int
) -> None:
    *before, new = [b"", *saved(path, *range(1, count + 1))]
    old = before[-1].ljust(len(new), b"\0")
    changed = [place for place in range(len(new)) if new[place] != old[place]]
    results = set()
    for cut in range(changed[0] + 1, changed[-1] + 2):
        path.write_bytes(new[:cut] + old[cut:])
        state = at(path)
        results.add(state.mark("scada", "a"))
        assert state.mark("scada", "a") in (count - 1, count)
        assert (state.found == "whole") == (state.mark("scada", "a") == count)
        state.advance("scada", "a", count + 10)
        state.save()
        again = at(path)
        assert (again.mark("scada", "a"), again.found) == (count + 10, "whole")
    assert results == {count - 1, count}


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_leaves_one_of_the_last_two_states_and_is_told(
    path: Path, mask: int
) -> None:
    whole = saved(path, 10, 20, 30)[-1]
    used = [
        place
        for slot in (0, SLOT_BYTES)
        for place in range(slot, slot + len(whole[slot : slot + SLOT_BYTES].rstrip(b"\0")))
        if place < len(whole)
    ]
    assert len(used) > 100
    for place in used:
        damaged = bytearray(whole)
        damaged[place] ^= mask
        path.write_bytes(damaged)
        state = at(path)
        assert state.mark("scada", "a") == (20 if place >= SLOT_BYTES else 30)
        assert state.found == "one slot"


@given(data=st.binary(max_size=200), offset=st.sampled_from([0, SLOT_BYTES]))
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_any_other_bytes_are_an_empty_state_that_says_so(
    tmp_path: Path, data: bytes, offset: int
) -> None:
    path = tmp_path / "cursors"
    path.write_bytes(bytes(offset) + data)
    state = at(path)
    assert (state.marks(), state.found) == ({}, "damaged")
    state.advance("scada", "a", 1)
    state.save()
    assert at(path).mark("scada", "a") == 1


def test_swapped_slots_do_not_pass(path: Path) -> None:
    whole = saved(path, 10, 20)[-1].ljust(2 * SLOT_BYTES, b"\0")
    path.write_bytes(whole[SLOT_BYTES:] + whole[:SLOT_BYTES])
    assert at(path).found == "damaged"


def test_the_largest_numbers_fit(path: Path) -> None:
    state = at(path, epoch=2**64 - 1)
    state.advance("scada", "a", 2**64 - 1)
    state.save()
    assert at(path, epoch=2**64 - 1).mark("scada", "a") == 2**64 - 1


def test_more_names_than_a_slot_holds_are_refused_and_change_nothing(path: Path) -> None:
    state = at(path)
    with pytest.raises(StoreError, match="expected at most"):
        for number in range(1000):
            state.advance(f"consumer-{number:03d}", "a", 2**64 - 1)
    kept = state.marks()
    assert 50 < len(kept) < 1000
    state.save()
    assert at(path).marks() == kept


def test_a_refused_write_leaves_the_saved_state_and_can_be_repeated(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(path, 10, 20)
    state = at(path)
    state.advance("scada", "a", 30)

    real_pwrite = os.pwrite

    def full(fd: int, data: bytes, place: int) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_pwrite(fd, data[: len(data) - 10], place)

    with monkeypatch.context() as patch:
        patch.setattr("agent.store.slots.os.pwrite", full)
        with pytest.raises(StoreError, match="No space left"):
            state.save()
    assert at(path).mark("scada", "a") == 20
    assert state.mark("scada", "a") == 30
    state.save()
    assert (at(path).mark("scada", "a"), at(path).found) == (30, "whole")


def test_a_path_that_cannot_be_a_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be read \(Is a directory\)"):
        at(tmp_path)
    state = at(tmp_path / "absent" / "cursors")
    state.advance("scada", "a", 1)
    with pytest.raises(StoreError, match=r"cannot be written \(No such file or directory\)"):
        state.save()
