"""Ordered records come into lane w one behind the other, a little each second, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.clock import Stamp
from agent.errors import StoreError
from agent.store import cbor, entries, wave_orders
from agent.store.journal import Journal, Stored, export
from agent.store.record_files import IN_LANE, NOT_SENT
from agent.wave_lane import AT_ONCE, PAUSE_STEPS, WaveLane
from tests.agent.stories import STAMP

FIRST, SECOND = "000001-20261125T071455123Z-head", "000002-20261125T071455124Z-head"
SIZES = {FIRST: 3, SECOND: 2 * AT_ONCE + 1}


def parts(name: str, data: bytes, stamp: Stamp) -> Iterator[list[object]]:
    """One record of the lane for each byte."""
    for part in range(len(data)):
        values = {
            "of_record": name,
            "part": part,
            "parts": len(data),
            "body": data[part : part + 1],
        }
        yield entries.wave_entry(stamp, values)


class Keeper:
    """Stands for the writer's thread, which takes its time; the real one runs end to end."""

    def __init__(self) -> None:
        self._ready: list[tuple[str, bytes, str]] = []
        self.packs: list[str] = []

    def pack(self, name: str) -> bool:
        self.packs.append(name)
        why = "" if name in SIZES else "no record of that name"
        self._ready.append((name, bytes(SIZES.get(name, 0)), why))
        return True

    def packed(self) -> tuple[str, bytes, str] | None:
        return self._ready.pop() if self._ready else None


class Guard:
    """The second's work of guard, as far as it is about waveforms."""

    def __init__(self, folder: Path) -> None:
        self.orders = folder / "waves"
        self.log = folder / "log"
        self.told: list[tuple[str, str]] = []
        self.keeper = Keeper()
        self.begin()

    def begin(self) -> None:
        self.journal = Journal.open(self.log, "w")
        self.waves = WaveLane(
            self.journal, self.orders, parts=parts, tell=lambda *told: self.told.append(told)
        )

    def killed(self) -> None:
        """Another guard takes over what the first had on disk."""
        self.journal.close()
        self.keeper = Keeper()
        self.begin()

    def second(self, sync: Callable[[], None] | None = None) -> None:
        self.waves.step(lambda: self.keeper, STAMP)  # type: ignore[arg-type, return-value]
        try:
            (sync or self.journal.sync)()
        except StoreError:
            self.waves.refused()
        else:
            self.waves.flushed()

    def lane(self) -> list[tuple[str, int]]:
        rows = [cbor.loads(i.payload) for _, i in export(self.log, "w") if isinstance(i, Stored)]
        return [(row[6], row[7]) for row in rows]


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    made = Guard(tmp_path)
    yield made
    made.journal.close()


def whole(name: str) -> list[tuple[str, int]]:
    return [(name, part) for part in range(SIZES[name])]


def test_records_come_one_behind_the_other_and_their_orders_go(guard: Guard) -> None:
    for name in (SECOND, FIRST):
        wave_orders.place(guard.orders, name)
    most = 0
    for _ in range(12):
        before = guard.journal.next_seq("w")
        guard.second()
        most = max(most, guard.journal.next_seq("w") - before)
    assert guard.lane() == whole(FIRST) + whole(SECOND)
    assert most == AT_ONCE
    assert guard.told == [
        (IN_LANE, f"{FIRST}: w:1 to w:3; 3 bytes"),
        (IN_LANE, f"{SECOND}: w:4 to w:{3 + SIZES[SECOND]}; {SIZES[SECOND]} bytes"),
    ]
    assert wave_orders.waiting(guard.orders) == []


def test_a_record_that_cannot_be_packed_is_told_and_the_next_one_comes(guard: Guard) -> None:
    gone = "000000-20261125T071455123Z-head"
    for name in (gone, FIRST):
        wave_orders.place(guard.orders, name)
    for _ in range(6):
        guard.second()
    assert guard.told[0] == (NOT_SENT, f"{gone}: no record of that name")
    assert guard.lane() == whole(FIRST)
    assert wave_orders.waiting(guard.orders) == []


@pytest.mark.parametrize("seconds", range(6))
def test_a_guard_that_is_killed_at_any_second_leaves_a_whole_record_in_the_end(
    guard: Guard, seconds: int
) -> None:
    wave_orders.place(guard.orders, SECOND)
    for _ in range(seconds):
        guard.second()
    guard.killed()
    for _ in range(8):
        guard.second()
    lane = guard.lane()
    assert lane[-SIZES[SECOND] :] == whole(SECOND)
    assert wave_orders.waiting(guard.orders) == []
    assert len(lane) <= 2 * SIZES[SECOND]


def test_what_the_disk_refuses_is_begun_anew_as_a_whole_after_a_pause(guard: Guard) -> None:
    def refuse() -> None:
        raise StoreError("log", "full")

    wave_orders.place(guard.orders, SECOND)
    guard.second()
    guard.second(refuse)
    assert wave_orders.waiting(guard.orders) == [SECOND]
    for _ in range(PAUSE_STEPS):
        guard.second()
    assert guard.keeper.packs == [SECOND]
    for _ in range(6):
        guard.second()
    assert guard.lane()[-SIZES[SECOND] :] == whole(SECOND)
    assert wave_orders.waiting(guard.orders) == []


def test_an_append_that_is_refused_keeps_the_order(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    wave_orders.place(guard.orders, FIRST)
    guard.second()
    with monkeypatch.context() as broken:

        def refuse(*_: object, **__: object) -> int:
            raise StoreError("lane w", "no room")

        broken.setattr(guard.journal, "append", refuse)
        guard.second()
    assert guard.lane() == []
    for _ in range(PAUSE_STEPS + 4):
        guard.second()
    assert guard.lane() == whole(FIRST)
