import asyncio

import pytest

from hil.instruments.pacing import CLASS_US, CLASSES, Pacer, now_us


def test_lateness_is_counted_against_each_write_s_own_instant() -> None:
    pacer = Pacer(0)

    for late_us in [0] * 98 + [500, 2000]:
        pacer.wrote(1000, 1000 + late_us)

    pacing = pacer.pacing()
    assert (pacing.writes, pacing.mean_us, pacing.max_us) == (100, 25.0, 2000.0)
    assert 500 <= pacing.p99_us <= 500 + CLASS_US


@pytest.mark.parametrize("late_us", [CLASS_US * CLASSES, 3_000_000])
def test_lateness_beyond_the_last_class_is_its_largest(late_us: int) -> None:
    pacer = Pacer(0)

    pacer.wrote(0, late_us)

    assert pacer.pacing().p99_us == pacer.pacing().max_us == late_us


def test_a_write_before_its_instant_is_not_early_to_anyone_s_credit() -> None:
    pacer = Pacer(0)

    pacer.wrote(1000, 900)

    assert pacer.pacing().mean_us == 0


def test_no_writes_are_no_lateness() -> None:
    assert Pacer(7).pacing().writes == 0
    assert Pacer(7).pacing().p99_us == 0


def test_instants_do_not_drift_with_the_number_of_samples() -> None:
    pacer = Pacer(1_000_000)

    assert pacer.due_us(12_800 * 3600, 12_800) == 1_000_000 + 3_600_000_000
    assert pacer.due_us(-4800, 4800) == 0


def test_both_ways_of_waiting_never_end_before_the_instant() -> None:
    due_us = now_us() + 3000
    Pacer(due_us).wait(due_us)
    assert now_us() >= due_us

    due_us = now_us() + 3000
    asyncio.run(Pacer(due_us).until(due_us))
    assert now_us() >= due_us - 1  # asyncio's clock is a float
