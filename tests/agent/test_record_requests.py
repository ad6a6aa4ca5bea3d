"""What a consumer asks for is found, ordered and answered; nothing that it says can do more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.record_requests import RecordRequests
from agent.store import wave_orders
from agent.store.journal import Journal
from agent.store.record_files import IN_LANE, STORED

NAMES = [f"{n:06d}-20261125T071455{n:03d}Z-head" for n in range(1, 41)]


class Desk:
    """Requests with a folder of records behind them and a log that is real."""

    def __init__(self, folder: Path) -> None:
        self.orders = folder / "waves"
        self.log = folder / "log"
        (folder / "records").mkdir()
        for name in NAMES:
            (folder / "records" / f"{name}.cff").write_bytes(b"x")
        self.journal = Journal.open(self.log, "sw")
        self.requests = RecordRequests(
            records=folder / "records",
            orders=self.orders,
            log=self.log,
        )
        self.requests.heard(STORED, f"{NAMES[16]} of a:7 a:9 and 3 more; 82243 bytes")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    with made.journal:
        yield made


@pytest.mark.parametrize("of", ["17", "000017", NAMES[16], "a-7", "a-9"])
def test_a_record_is_found_by_number_name_and_the_key_of_its_event(desk: Desk, of: str) -> None:
    assert desk.requests.answer(of) == ("accepted", NAMES[16])
    assert wave_orders.waiting(desk.orders) == [NAMES[16]]


@pytest.mark.parametrize(
    "of",
    [
        *[
            "",
            "0",
            "41",
            "-1",
            "a-8",
            "a-",
            "s-7",
            "a-7 ",
            "*",
            ".",
            "..",
            "../17",
            "17\n",
            "\uff11\uff17",
        ],
        *["/etc/passwd", "../../../../etc/passwd", f"../records/{NAMES[0]}", NAMES[0] + "\0"],
        *[f"{NAMES[0]}.cff", "9" * 64, "000041-20261125T071455041Z-head", None],
    ],
)
def test_what_is_not_there_is_said_so_and_orders_nothing(desk: Desk, of: str | None) -> None:
    assert desk.requests.answer(of) == ("not there", None)
    assert wave_orders.waiting(desk.orders) == []


def test_more_than_may_wait_are_told_that_it_is_busy(desk: Desk) -> None:
    asked = range(1, wave_orders.MOST_ASKED + 3)
    answers = [desk.requests.answer(str(number))[0] for number in asked]
    assert answers == ["accepted"] * wave_orders.MOST_ASKED + ["busy"] * 2
    assert len(wave_orders.waiting(desk.orders)) == wave_orders.MOST_ASKED


def filled(desk: Desk, megabytes: int) -> None:
    """So much of other waveforms comes into lane w, which has 3 MB."""
    for _ in range(megabytes * 125):
        desk.journal.append("w", bytes(8000), sync=False)
    desk.journal.sync()


def test_a_record_that_stands_in_lane_w_is_answered_with_its_seqs(desk: Desk) -> None:
    filled(desk, 1)
    desk.requests.heard(IN_LANE, f"{NAMES[16]}: w:17 to w:26; 17689 bytes")
    assert desk.requests.answer("17") == ("accepted", f"{NAMES[16]}: w:17 to w:26")
    assert wave_orders.waiting(desk.orders) == []


def test_one_that_retention_has_taken_from_lane_w_is_ordered_anew(tmp_path: Path) -> None:
    from agent.store.journal import Limits

    desk = Desk(tmp_path)
    desk.journal.close()
    desk.journal = Journal.open(desk.log, "sw", limits=Limits({"w": 3_000_000}, 0))
    desk.requests.heard(IN_LANE, f"{NAMES[16]}: w:17 to w:26; 17689 bytes")
    filled(desk, 6)
    answer, detail = desk.requests.answer("17")
    desk.journal.close()
    assert (answer, detail) == ("accepted", NAMES[16])
    assert wave_orders.waiting(desk.orders) == [NAMES[16]]


def test_a_disk_that_refuses_an_order_is_busy_and_never_an_end(desk: Desk) -> None:
    desk.orders.write_text("no folder")
    assert desk.requests.answer("17") == ("busy", "the terminal's disk refuses")


@pytest.mark.parametrize("detail", ["", "x", "x: w:1 to w:", "x of y z; 1", "x of a: a:x b:3; 1"])
def test_an_audit_in_other_words_teaches_nothing(desk: Desk, detail: str) -> None:
    desk.requests.heard(STORED, detail)
    desk.requests.heard(IN_LANE, detail)
    assert desk.requests.answer("a-3") == ("not there", None)
