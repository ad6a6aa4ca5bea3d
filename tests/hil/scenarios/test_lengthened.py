from __future__ import annotations

import pytest

from hil.scenarios.lengthened import by_play, lengthened
from hil.scenarios.scenario import Play
from tests.hil.scenarios.synthetic import RATE_HZ, SECONDS, case, event


def test_one_play_is_the_case_itself() -> None:
    once = case("")

    assert lengthened(once, Play()) is once


def test_the_last_play_shows_what_the_first_did() -> None:
    quiet = case("", what="quiet", onset_s=None)

    long = lengthened(quiet, Play(times=3, every_s=2.0)).recordings["F1"]

    n = round(SECONDS * RATE_HZ)
    assert long.seconds == pytest.approx(2 * 2.0 + SECONDS)
    assert (long.counts[:, -n:] == quiet.recordings["F1"].counts).all()


def test_events_are_told_apart_by_their_play() -> None:
    quiet = case("", what="quiet", onset_s=None)
    told = {"F1": [event(t=0.112), event(t=4.112, onset=4.1)], "F2": [event(t=1.999)]}

    plays = by_play(quiet, Play(times=3, every_s=2.0), told)

    assert [[round(e["t"], 3) for e in play["F1"]] for play in plays] == [[0.112], [], [0.112]]
    assert plays[2]["F1"][0]["onset"] == pytest.approx(0.1)
    assert [len(play["F2"]) for play in plays] == [1, 0, 0]
