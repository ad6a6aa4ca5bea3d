"""Turns on the grid: a play begins where the network need not jump."""

from __future__ import annotations

import numpy as np
import pytest

from hil.errors import BenchError
from hil.instruments.endless import Endless
from hil.instruments.pacing import now_us
from hil.instruments.programme import Programme
from tests.hil.waves import feeder, recording

WAVE = Endless(recording(feeder(seconds=0.2)))  # 4000 Hz, a lead-in of 160 samples


def programme(origin_us: int) -> Programme:
    return Programme(where="x", rate_hz=4000, origin_us=origin_us, idle=WAVE, prepare_s=0.05)


@pytest.mark.parametrize("after_us", [0, 1, 39_999, 40_000, 1_234_567])
def test_a_play_begins_at_the_next_whole_lead_in(after_us: int) -> None:
    origin_us = now_us() + 10_000_000
    shown = programme(origin_us)

    turn, pacer = shown.begin(WAVE, origin_us + after_us)

    assert turn.begin % WAVE.lead == 0
    assert 0 <= pacer.start_us - origin_us - after_us < 40_000
    assert (pacer.start_us - origin_us) % 40_000 == 0


def test_what_shows_before_a_play_runs_on_into_it() -> None:
    origin_us = now_us() + 10_000_000
    shown = programme(origin_us)
    before = shown.turn
    turn, _ = shown.begin(WAVE, origin_us + 1_000_000)
    place = turn.begin - 200

    assert np.array_equal(before.counts(place, 200), turn.counts(place, 200))
    held = WAVE.recording
    assert np.array_equal(turn.counts(turn.begin, held.length), held.counts)


def test_a_turn_is_done_when_all_its_samples_are_out_and_only_then_another_begins() -> None:
    origin_us = now_us() + 10_000_000
    shown = programme(origin_us)
    turn, pacer = shown.begin(WAVE, origin_us)
    with pytest.raises(BenchError, match="x: it plays already; expected one at a time"):
        shown.begin(WAVE, origin_us + 5_000_000)

    turn.wrote(turn.begin, origin_us)  # nothing of it is out yet
    assert pacer.pacing().writes == 0
    turn.wrote(turn.begin + 799, origin_us)
    assert not turn.done.done()
    turn.wrote(turn.begin + 800, origin_us)
    assert turn.done.done()
    turn.wrote(turn.begin + 801, origin_us)
    assert pacer.pacing().writes == 2
    shown.begin(WAVE, origin_us + 5_000_000)


def test_a_start_that_is_too_near_is_refused() -> None:
    with pytest.raises(BenchError, match=r"x: start \d+ is over or too near; expected 0.05 s to"):
        programme(now_us()).begin(WAVE, now_us())
