from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.clock import Clock, Stamp
from agent.detect.supply import DEAD, LIVE
from agent.past import Past, from_log
from agent.records import Event
from agent.store import cbor, entries
from agent.store.journal import Journal

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


def test_a_new_log_has_no_past(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "log", "ah"):
        assert from_log(tmp_path / "log", "ah", Clock(BOOT), 0) is None


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
    past = from_log(log_of(tmp_path, *told), "ah", Clock(BOOT), 0)
    assert past is not None
    assert past.supply == {"b": states}


def test_a_heartbeat_is_exact_and_the_last_record_is_a_bound(tmp_path: Path) -> None:
    log = log_of(tmp_path, ("started", "ABC"), ("dip", "A"))
    heard, unheard = (from_log(log, "ah", Clock(BOOT), last_us) for last_us in (7_000_000, 0))
    assert isinstance(heard, Past)
    assert isinstance(unheard, Past)
    assert (heard.since_us, heard.exact) == (7_000_000, True)
    assert (unheard.since_us, unheard.exact) == (2_000_000, False)


def test_across_a_boot_the_distance_in_utc_counts(tmp_path: Path) -> None:
    log = log_of(tmp_path, ("started", "ABC"), boot=BOOT - 1)
    clock = Clock(BOOT)
    past = from_log(log, "ah", clock, 0)
    assert past is not None
    now = clock.stamp(clock.now_us())
    expected = now.mono_us - (now.utc_us - (1_795_478_400_000_000 + 1_000_000))
    assert past.since_us == pytest.approx(expected, abs=1_000_000)
