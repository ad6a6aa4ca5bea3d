"""46BC against node equations: torn conductors of every kind, and loads that look like one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.agent.detect import scenarios_sensors
from tests.agent.detect.open_phase import (
    VOLTS,
    Matrix,
    Source,
    State,
    admittance,
    between,
    beyond,
    load,
    opened,
)

RATING = 300.0
# Each look lies on the frequency's own axis: 49.6 Hz looked at in windows of 20 ms.
TURN_DEG = -0.4 / 50 * 4 * 360


def told(board: Any, looks: list[State], mute: bool = False, humps: float = 0.0) -> list[Any]:
    """[[look, phase, share, behind, with source, earthed, onset], ...], the same on the board."""
    rows = []
    for k, state in enumerate(looks):
        amps, residual, volts = state.listed(k * TURN_DEG)
        rows.append([amps, residual, [] if mute else volts, humps if k > 1 else 0.0])
    args = (RATING, rows)
    expected = scenarios_sensors.broken_conductor(*args)
    call = ("tests.agent.detect.scenarios_sensors", "broken_conductor", args)
    assert board([call]) == [expected]
    return expected


def mixed(before: State, after: State, share: float) -> State:
    """A look in which the change has stood for this share of it."""
    return State(
        before.amps + share * (after.amps - before.amps),
        before.volts + share * (after.volts - before.volts),
        before.residual + share * (after.residual - before.residual),
    )


def happening(before: State, after: State, share: float = 0.4) -> list[State]:
    """Two looks before, one in which it happens, three after."""
    return [before, before, mixed(before, after, share), after, after, after]


def torn(
    share: float, phase: int = 0, lost: Callable[[float], Matrix] = load, amps: float = 150.0
) -> tuple[State, State]:
    """Before and after, seen from the source's side."""
    here, there = load((1 - share) * amps), lost(share * amps)
    source = Source()
    return source.feed(here, there), source.feed(here, opened(there, phase))


def motors(amps: float) -> Matrix:
    """Half of them: y2 of the whole is 3.4 of y1, and 25 degrees more inductive."""
    return load(amps / 2) + load(amps / 2, 30.0, motors=6.0, lag_deg=45.0)


@pytest.mark.parametrize("phase", [0, 1, 2])
@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("lost", [load, motors], ids=["lighting", "motors"])
def test_a_torn_conductor_is_named_with_the_share_of_the_load(
    share: float, phase: int, lost: Any, board: Any
) -> None:
    before, after = torn(share, phase, lost)

    ((look, found, measured, behind, with_source, earthed, onset_us),) = told(
        board, happening(before, after)
    )

    # It stood for 0.4 of the third look; the fourth and the fifth agree.
    assert (look, found, behind, with_source, earthed) == (4, phase, False, True, False)
    assert measured == pytest.approx(share, abs=0.03)
    assert onset_us == pytest.approx(240_000 - 0.4 * 80_000, abs=2_000)
    ahead, reverse = (abs(c) for c in _components(after.amps)[1:])
    if lost is load:
        assert reverse / ahead == pytest.approx(share / (2 - share), abs=0.01)


@pytest.mark.parametrize("angle_deg", [-5.0, 10.0, 40.0])
def test_the_lost_load_may_have_another_power_factor_than_the_rest(
    angle_deg: float, board: Any
) -> None:
    before, after = torn(0.25, lost=lambda amps: load(amps, angle_deg))

    assert [each[1] for each in told(board, happening(before, after))] == [0]


def test_without_voltages_the_same_is_seen_half_a_second_later(board: Any) -> None:
    before, after = torn(0.3, 1)
    looks = [*happening(before, after), *[after] * 5]

    ((look, phase, share, behind, with_source, _, onset_us),) = told(board, looks, mute=True)

    assert (look, phase, behind, with_source) == (4 + 6, 1, False, True)
    assert share == pytest.approx(0.3, abs=0.03)
    assert onset_us == pytest.approx(240_000 - 0.4 * 80_000, abs=2_000)


def sagged(load_of: Matrix, depth: float, healthy: int, resistive: float) -> State:
    """This load while two phases are short of each other elsewhere: the third one's voltage is as
    before, U2 is what U1 has lost.

    Source: P. M. Anderson, "Analysis of Faulted Power Systems", 1973, ch. 3 (line to line).
    """
    lost = depth * np.exp(1j * np.radians(resistive))
    turn, phases = np.exp(2j * np.pi / 3), np.arange(3)
    emf = (1 - lost) * turn**-phases + lost * turn ** (phases - 2.0 * healthy)
    return Source(emf=VOLTS * emf).feed(load_of)


@pytest.mark.parametrize("lost", [load, motors], ids=["lighting", "motors"])
def test_without_voltages_a_short_circuit_elsewhere_tears_nothing(lost: Any, board: Any) -> None:
    """Of 0.2 to 0.5 s: its sag comes, and goes again."""
    there = lost(150.0)
    before = Source().feed(there)
    looks = [before, before]
    for healthy in range(3):
        for depth, resistive in ((0.15, 0.0), (0.3, -25.0), (0.45, 25.0)):
            sag = sagged(there, depth, healthy, resistive)
            assert abs(sag.volts[healthy] - before.volts[healthy]) < 0.12 * VOLTS
            for stays in (2, 4, 6):
                looks += [mixed(before, sag, 0.4), *[sag] * stays]
                looks += [mixed(sag, before, 0.7), *[before] * 4]

    assert told(board, looks, mute=True) == []


@pytest.mark.parametrize("mute", [True, False], ids=["without-voltages", "with-voltages"])
def test_a_pole_that_opens_on_a_fault_is_no_torn_wire(mute: bool, board: Any) -> None:
    """As the breaker of a line with single-pole tripping, below the pickup of all that is faster:
    what goes is the fault's current.
    """
    there = load(150.0)
    faulted, opens = Source().feed(there), Source().feed(opened(there, 1))
    faulted.amps[1] *= 2.0 * np.exp(-1j * np.radians(50))

    looks = [faulted, faulted, mixed(faulted, opens, 0.5), *[opens] * 10]
    assert told(board, looks, mute=mute) == []


@pytest.mark.parametrize("lost", [load, motors], ids=["lighting", "motors"])
def test_behind_the_gap_it_is_known_as_such(lost: Any, board: Any) -> None:
    there = lost(100.0)
    source = Source()
    before, after = source.feed(there), source.feed(opened(there, 2))
    after.volts = beyond(there, 2, after.volts)

    ((_, phase, share, behind, _, _, _),) = told(board, happening(before, after))

    assert (phase, behind) == (2, True)
    assert share == pytest.approx(1.0, abs=0.02)


def test_power_that_flows_towards_the_normal_source_is_noticed(board: Any) -> None:
    before, after = torn(0.5)
    for state in (before, after):
        state.amps = -state.amps

    assert told(board, happening(before, after))[0][4] is False


@pytest.mark.parametrize("ohm", [50.0, 300.0, 3_000.0])
def test_its_end_on_the_ground_is_taken_out(ohm: float, board: Any) -> None:
    """A neutral earthed with 10 ohm: the earth current is as large as the load's change."""
    before, after = torn(0.3)
    earthed = State(after.amps.copy(), after.volts, VOLTS / (ohm + 10.0) + 0j)
    earthed.amps[0] += earthed.residual

    ((_, phase, share, behind, _, _, _),) = told(board, happening(before, earthed))

    assert (phase, behind) == (0, False)
    assert share == pytest.approx(0.3, abs=0.05)


def test_the_second_of_two_gaps_is_told_too(board: Any) -> None:
    one, other, rest = load(50.0), load(60.0), load(40.0)
    source = Source()
    states = [
        source.feed(rest, one, other),
        source.feed(rest, opened(one, 0), other),
        source.feed(rest, opened(one, 0), opened(other, 1)),
    ]

    told_of = told(board, [states[0]] * 3 + [states[1]] * 6 + [states[2]] * 6)

    assert [each[1] for each in told_of] == [0, 1]


def lit(*loads: Matrix) -> State:
    return Source().feed(load(100.0), *loads)


SOUND = {
    "a-load-between-two-phases-is-switched-on": (lit(), lit(between("bc", 60.0))),
    "and-off-again": (lit(between("bc", 60.0)), lit()),
    "of-another-power-factor": (lit(between("ab", 60.0, 0.0)), lit()),
    "and-capacitive": (lit(between("ca", 60.0, -60.0)), lit()),
    "two-loads-in-V-are-switched-off": (lit(between("ab", 50.0), between("ca", 50.0)), lit()),
    "and-on": (lit(), lit(between("ab", 50.0), between("ca", 50.0))),
    "a-balanced-load-is-switched-off": (lit(load(80.0)), lit()),
    "and-on-with-a-tenth-of-unbalance": (lit(), lit(load(80.0), between("ab", 8.0))),
    "motors-start": (lit(), lit(load(300.0, 75.0))),
    "a-capacitor-bank-loses-a-phase": (
        lit(load(40.0, -90.0)),
        lit(opened(load(40.0, -90.0), 0)),
    ),
    "one-current-comes-to-nothing-alone": (lit(), State(lit().amps * [0, 1, 1], lit().volts)),
    "all-is-switched-off": (lit(), State(lit().amps * 0, lit().volts)),
    "too-little-to-tell": (Source().feed(load(2.0)), Source().feed(opened(load(2.0), 0))),
    "a-branch-of-a-twentieth": torn(0.05),
    "an-earth-fault-ahead": (lit(), Source().feed(load(100.0), earth=(0, 90.0 - 20j))),
    "which-goes": (Source().feed(load(100.0), earth=(0, 90.0 - 20j)), lit()),
    "an-earth-fault-elsewhere": (
        lit(),
        State(lit().amps + 1.5j, lit().volts - 3_000.0, 4.5j),
    ),
}


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_what_only_looks_like_it_is_none(name: str, share: float, board: Any) -> None:
    assert told(board, happening(*SOUND[name], share)) == []


@pytest.mark.parametrize("sags", [(0.6, 1.0, 1.0), (0.3, 1.0, 1.0), (1.0, 0.5, 0.5)])
@pytest.mark.parametrize("lost", [load, motors], ids=["lighting", "motors"])
def test_a_source_that_becomes_unequal_tears_nothing(
    sags: tuple[float, float, float], lost: Any, board: Any
) -> None:
    there = lost(100.0)

    assert not told(board, happening(Source().feed(there), Source(sags=sags).feed(there)))


def test_poles_that_open_apart_and_an_inrush_are_waited_out(board: Any) -> None:
    before, after = torn(1.0)
    gone = State(after.amps * 0, after.volts)
    assert told(board, [before, before, mixed(before, after, 0.9), gone, gone, gone]) == []
    assert told(board, [before, before, after, gone, gone, gone]) == []

    fell = abs(before.amps[0])
    assert told(board, happening(before, after), humps=0.3 * fell) == []


def test_a_splinter_of_a_load_that_has_just_gone_is_none(board: Any) -> None:
    """The look in whose first two milliseconds it went holds as much of I2 of it as of I1."""
    rest = Source().feed(load(60.0), between("ab", 8.0))
    before = Source().feed(load(60.0), load(200.0), between("ab", 8.0))
    splinter = State(rest.amps + np.array([12.0, -6.0, -6.0]) * np.exp(-0.4j), rest.volts)

    assert told(board, [before, before, splinter, rest, rest, rest, rest]) == []


def test_a_branch_that_loses_a_phase_is_small(board: Any) -> None:
    ((_, phase, share, *_),) = told(board, happening(*torn(0.1, 2)))

    assert phase == 2
    assert 0.08 < share < 0.16


def test_the_element_sees_what_the_admittances_say() -> None:
    assert abs(admittance(100.0, 0.0)) * VOLTS == pytest.approx(100.0)
    assert abs(lit().amps[1]) == pytest.approx(100.0, rel=0.02)


def _components(phasors: Matrix) -> list[complex]:
    a = np.exp(2j * np.pi / 3)
    return [
        complex(phasors @ weights / 3)
        for weights in (np.ones(3), np.array([1, a, a * a]), np.array([1, a * a, a]))
    ]
