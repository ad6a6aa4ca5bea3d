from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent import past
from agent.clock import Clock, Stamp
from agent.detect.supply import DEAD, LIVE
from agent.past import Past
from agent.records import Event
from agent.store import cbor, entries
from agent.store.journal import Journal
from agent.supply_memory import SupplyMemory
from tests.agent.machine import Machine, S

BOOT = 4


def log_of(folder: Path, *told: tuple[str, str], boot: int = BOOT) -> Path:
    """A log with these (event, phases), a second apart, the first at 1 s."""
    with Journal.open(folder / "log", "ah") as journal:
        for k, (name, phases) in enumerate(told, start=1):
            event = Event(event=name, bay="b", t_us=k * 1_000_000, phases=phases)
            stamp = Stamp(boot, event.t_us, 1_795_478_400_000_000 + event.t_us, 2, 900)
            entry = entries.event_entry(event, stamp, logged_us=event.t_us)
            journal.append("a", cbor.dumps(entry))
        journal.append("a", b"\xff")  # what nobody can read
    return folder / "log"


def from_log(log: Path, clock: Clock, last_us: int = 0) -> Past | None:
    with Journal.open(log, "ah") as journal:
        memory = SupplyMemory(log.parent / "supply", log, journal.epoch, journal.next_seq("a"))
        return past.from_log(log, journal, "ah", memory, clock, last_us)


def test_a_new_log_has_no_past(tmp_path: Path) -> None:
    assert from_log(tmp_path / "log", Clock(BOOT)) is None


@pytest.mark.parametrize(
    ("told", "states"),
    [
        pytest.param([("started", "ABC")], (LIVE, LIVE, LIVE), id="found-live"),
        pytest.param([("started", "")], (DEAD, DEAD, DEAD), id="found-dead"),
        pytest.param(
            [("started", "ABC"), ("voltage_loss", "B")], (LIVE, DEAD, LIVE), id="one-phase-lost"
        ),
        pytest.param(
            [("started", "ABC"), ("voltage_loss", "ABC"), ("voltage_restored", "AB")],
            (LIVE, LIVE, DEAD),
            id="partly-back",
        ),
        pytest.param([("voltage_loss", "A")], (DEAD, None, None), id="the-rest-is-not-known"),
        pytest.param([("started", "ABC"), ("dip", "A")], (LIVE, LIVE, LIVE), id="a-dip-is-no-loss"),
    ],
)
def test_the_supply_is_what_was_last_told(
    tmp_path: Path, told: list[Any], states: tuple[int | None, ...]
) -> None:
    found = from_log(log_of(tmp_path, *told), Clock(BOOT))
    assert found is not None
    assert found.supply == {"b": states}


def test_a_guards_own_word_is_exact_and_the_last_record_is_a_bound(tmp_path: Path) -> None:
    log = log_of(tmp_path, ("started", "ABC"), ("dip", "A"))
    heard, unheard = (from_log(log, Clock(BOOT), last_us) for last_us in (7_000_000, 0))
    assert isinstance(heard, Past)
    assert isinstance(unheard, Past)
    assert (heard.since_us, heard.exact) == (7_000_000, True)
    assert (unheard.since_us, unheard.exact) == (2_000_000, False)


def test_across_a_boot_the_distance_in_utc_counts(tmp_path: Path) -> None:
    log = log_of(tmp_path, ("started", "ABC"), boot=BOOT - 1)
    clock = Clock(BOOT)
    found = from_log(log, clock)
    assert found is not None
    now = clock.stamp(clock.now_us())
    expected = now.mono_us - (now.utc_us - (1_795_478_400_000_000 + 1_000_000))
    assert found.since_us == pytest.approx(expected, abs=1_000_000)


def test_across_a_boot_a_clock_that_was_never_set_bounds_nothing(tmp_path: Path) -> None:
    machine = Machine(utc_us=0)
    found = from_log(
        log_of(tmp_path, ("started", "ABC"), boot=BOOT - 1), Clock(BOOT, machine.reading)
    )
    assert found is not None
    assert found.since_us == -past.UNKNOWN_US


def test_a_clock_set_back_puts_no_earlier_boot_into_this_one(tmp_path: Path) -> None:
    machine = Machine(utc_us=1_795_478_400_000_000 - 3600 * S)  # an hour before that record
    found = from_log(
        log_of(tmp_path, ("started", "ABC"), boot=BOOT - 1), Clock(BOOT, machine.reading)
    )
    assert found is not None
    assert found.since_us == 0
