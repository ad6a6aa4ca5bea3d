"""Link's side of a drill where it does not go well; a whole one, hil/test_drill.py shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.clock import Clock
from agent.drill import LANE, Drills, order, stop
from agent.errors import StoreError
from agent.store import cbor, entry
from agent.store.journal import Journal, Stored, export

SCRIPT = 'id = "D-1"\ntitle = "t"\n[[step]]\nname = "isolate"\ndue_s = 9\nrole = "lead"\n'


class Room:
    """A data_dir with drills, without an agent around it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "drills"
        self.folder.mkdir()
        self.grown = 0

    def order(self, script: str = SCRIPT, name: str = "ORDER") -> Path:
        folder = self.folder / name
        folder.mkdir()
        (folder / "drill.toml").write_text(script)
        (folder / "record.cfg").write_text("no record")
        return folder

    def words(self) -> list[tuple[str, str, str]]:
        """(drill, what, detail) of lane x."""
        found = []
        for _, item in export(self.root / "log", LANE):
            assert isinstance(item, Stored)
            told = entry.as_dict(cbor.loads(item.payload))
            found.append((told["drill"], told["what"], told.get("detail", "")))
        return found

    def run_until(self, true: Callable[[], Any]) -> None:
        """As in link, until it holds and the folder is clear; then it is cancelled."""
        clock = Clock(1)
        with Journal.open(self.root / "log", "x") as journal:
            drills = Drills(
                folder=self.folder,
                site=self.root / "site.toml",
                log=self.root / "log",
                journal=journal,
                stamp=clock.stamp,
                now_us=clock.now_us,
            )

            async def until() -> None:
                running = asyncio.create_task(drills.run(self._grew))
                async with asyncio.timeout(20):
                    while not true():  # noqa: ASYNC110  files tell no event
                        await asyncio.sleep(0.01)
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

            asyncio.run(until())

    def ended(self) -> bool:
        return len(self.words()) > 0 and not (self.folder / "RUNNING").exists()

    def _grew(self) -> None:
        self.grown += 1


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_an_order_that_cannot_be_taken_is_told_once_and_goes(room: Room) -> None:
    room.order('id = "D-1"\nfoo = 1\n')
    room.run_until(room.ended)

    ((name, what, detail),) = room.words()
    assert (name, what) == ("unknown", "aborted")
    assert "foo: unknown key" in detail
    assert list(room.folder.iterdir()) == []
    assert room.grown == 1


def test_a_drill_whose_record_cannot_be_played_is_aborted_with_the_reason(room: Room) -> None:
    room.order()
    room.run_until(room.ended)

    assert [each[:2] for each in room.words()] == [("D-1", "started"), ("D-1", "aborted")]
    assert "site.toml" in room.words()[1][2]


def test_a_drill_that_was_taken_and_not_begun_is_told_after_the_restart(room: Room) -> None:
    room.order(name="RUNNING")
    room.run_until(room.ended)

    assert room.words() == [("D-1", "aborted", "link ended before it began")]


def test_a_drill_that_was_told_to_its_end_is_not_told_again(room: Room) -> None:
    room.order()
    room.run_until(room.ended)
    told = room.words()
    # Killed behind the last word and before the folder was cleared.
    (room.order(name="RUNNING") / "first").write_text("1\n")
    room.run_until(lambda: not (room.folder / "RUNNING").exists())

    assert room.words() == told


def test_a_drill_is_over_when_the_agent_is_stopped(room: Room) -> None:
    room.order()
    room.run_until(room.words)  # cancelled as link is by SIGTERM

    assert [each[1] for each in room.words()] == ["started", "aborted"]
    assert room.words()[1][2] == "the agent was stopped"
    room.run_until(lambda: not (room.folder / "RUNNING").exists())
    assert len(room.words()) == 2


def test_a_drill_is_over_when_somebody_stops_it(room: Room) -> None:
    (room.order(name=".made") / "stop").touch()
    (room.folder / ".made").rename(room.folder / "ORDER")
    room.run_until(room.ended)

    assert room.words()[1] == ("D-1", "aborted", "stopped by hand")


def test_without_an_order_nothing_is_written(room: Room) -> None:
    looks = iter(range(30))
    room.run_until(lambda: next(looks, None) is None)

    assert room.words() == []


def test_a_drill_of_the_shelf_is_ordered_as_a_whole_and_stays_there(room: Room) -> None:
    (room.folder / "shelf").mkdir()
    laid = room.order(name="shelf/D-1")
    order(room.folder, "D-1")

    assert {path.name for path in (room.folder / "ORDER").iterdir()} == {"drill.toml", "record.cfg"}
    with pytest.raises(StoreError, match="another drill waits or runs"):
        order(room.folder, "D-1")
    room.run_until(room.ended)
    assert [each[:2] for each in room.words()] == [("D-1", "started"), ("D-1", "aborted")]
    assert (laid / "drill.toml").read_text() == SCRIPT


@pytest.mark.parametrize("name", ["D-2", "record"])
def test_what_is_not_on_the_shelf_cannot_be_ordered(room: Room, name: str) -> None:
    with pytest.raises(StoreError, match="a drill on the shelf"):
        order(room.folder, name)
    with pytest.raises(ValueError, match="name"):
        order(room.folder, "../shelf/D-1")
    with pytest.raises(StoreError, match="no drill runs"):
        stop(room.folder)
    assert list(room.folder.iterdir()) == []
