"""Long scenes: what lies between the transients, and that nobody sees the joints."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hil.case import Case
from hil.errors import PlantError
from hil.plant import golden
from hil.plant.compose import Played, Reel, Steady

QUIET, GONE = golden.load("quiet"), golden.load("short-ab-gone")
CYCLE = 80


def rms(row: np.ndarray, at: int, cycles: int = 1) -> float:
    return float(np.sqrt(np.mean(row[at : at + cycles * CYCLE].astype(float) ** 2)))


def reel(seconds: float = 3.0, load: tuple[tuple[float, float], ...] = ()) -> Reel:
    return Reel([Played(QUIET), Steady(seconds, load), Played(QUIET)], "F1-head")


def test_a_steady_stretch_goes_on_as_the_transient_ended() -> None:
    whole = reel().counts(0, reel().length)

    for row, trace in enumerate(QUIET.recordings["F1-head"].traces):
        # 3I0 and U0 are nearly all noise, whose RMS takes twenty cycles to be known to 2 %.
        noisy = trace.name in ("i0", "u0")
        before, after = (rms(whole[row], at, 20 if noisy else 1) for at in (400, 5000))
        assert after == pytest.approx(before, rel=0.06 if noisy else 0.01, abs=0 if noisy else 2)


def test_its_samples_do_not_depend_on_how_they_are_asked_for() -> None:
    scene = reel()
    whole = scene.counts(0, scene.length)

    pieces = [scene.counts(k, min(777, scene.length - k)) for k in range(0, scene.length, 777)]

    assert np.array_equal(np.concatenate(pieces, axis=1), whole)
    assert np.array_equal(reel().counts(3_000, 500), whole[:, 3_000:3_500])


def test_the_load_follows_its_curve_and_the_voltage_does_not() -> None:
    scene = reel(4.0, ((0.0, 1.0), (2.0, 1.6), (4.0, 1.0)))

    middle = 2_000 + 8_000
    part = scene.counts(middle, CYCLE)
    still = reel(4.0).counts(middle, CYCLE)
    assert rms(part[0], 0) == pytest.approx(1.6 * rms(still[0], 0), rel=0.02)
    assert rms(part[4], 0) == pytest.approx(rms(still[4], 0), rel=0.01)


def test_a_fault_that_is_over_leads_into_a_quiet_stretch() -> None:
    scene = Reel([Played(GONE), Steady(2.0), Played(GONE)], "F1-head")

    # What the second play shows is the first, two and a half seconds later.
    second = scene.counts(2_000 + 8_000, 2_000)
    assert np.array_equal(second, GONE.recordings["F1-head"].counts[:, :2_000])


def test_a_joint_that_jumps_is_refused() -> None:
    recording = GONE.recordings["F1-head"]
    turned = dataclasses.replace(recording, counts=np.roll(recording.counts, 27, axis=1))
    odd = dataclasses.replace(GONE, recordings={"F1-head": turned})

    with pytest.raises(PlantError, match=r"jumps by \d+ counts"):
        Reel([Played(GONE), Played(odd)], "F1-head")


def test_transients_of_two_front_ends_are_refused() -> None:
    recording = QUIET.recordings["F1-head"]
    other = dataclasses.replace(recording, rate_hz=8_000)
    odd = dataclasses.replace(QUIET, recordings={"F1-head": other})

    with pytest.raises(PlantError, match="several front ends"):
        Reel([Played(QUIET), Steady(1.0), Played(odd)], "F1-head")


@pytest.mark.parametrize("pieces", [[Steady(1.0)], [Played(QUIET), Steady(1.0)]])
def test_a_steady_stretch_needs_a_transient_on_either_side(pieces: list[Played | Steady]) -> None:
    with pytest.raises(PlantError, match="begins or ends steady"):
        Reel(pieces, "F1-head")


def test_a_recording_of_it_can_be_played() -> None:
    scene = reel()

    part = scene.recording(1.0, 2.0)

    assert part.length == 4_000
    assert np.array_equal(part.counts, scene.counts(4_000, 4_000))
    assert isinstance(QUIET, Case)
