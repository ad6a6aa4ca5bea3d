"""Orders of records: a bounded folder that survives, and nothing in it can lead elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import StoreError
from agent.store import wave_orders

NAME = "{:06d}-20261125T071455123Z-head"


def test_orders_wait_in_the_order_of_their_numbers_until_they_are_done(tmp_path: Path) -> None:
    folder = tmp_path / "waves"
    assert wave_orders.waiting(folder) == []
    for number in (1_000_000, 17, 2):
        assert wave_orders.place(folder, NAME.format(number))
    assert wave_orders.place(folder, NAME.format(17))
    names = [NAME.format(number) for number in (2, 17, 1_000_000)]
    assert wave_orders.waiting(folder) == names
    wave_orders.done(folder, names[1])
    wave_orders.done(folder, names[1])
    assert wave_orders.waiting(folder) == [names[0], names[2]]


def test_no_more_wait_than_are_allowed_but_what_waits_may_be_ordered_again(tmp_path: Path) -> None:
    assert [wave_orders.place(tmp_path, NAME.format(n), 3) for n in range(1, 6)] == [
        *[True] * 3,
        *[False] * 2,
    ]
    assert wave_orders.place(tmp_path, NAME.format(2), 3)
    assert wave_orders.place(tmp_path, NAME.format(4))  # by policy


@pytest.mark.parametrize("name", ["", ".", "../x", "/etc/passwd", "000001-x", NAME + "/y", "a\0"])
def test_what_is_no_record_never_becomes_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="expected the name of a record"):
        wave_orders.place(tmp_path, name)
    wave_orders.done(tmp_path, name)
    (tmp_path / "stranger").write_text("x")
    assert wave_orders.waiting(tmp_path) == []


def test_a_link_in_the_place_of_an_order_is_not_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "waves", tmp_path / "outside"
    folder.mkdir()
    (folder / NAME.format(1)).symlink_to(outside)
    assert wave_orders.place(folder, NAME.format(1))
    wave_orders.done(folder, NAME.format(1))
    assert not outside.exists()
    assert wave_orders.waiting(folder) == []


def test_a_disk_that_refuses_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "waves").write_text("no folder")
    with pytest.raises(StoreError, match="waves"):
        wave_orders.place(tmp_path / "waves", NAME.format(1))
