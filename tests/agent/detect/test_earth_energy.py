"""Which way the energy of a zero sequence flows, through networks solved from circuit theory, among
them lines that resonate with the cables behind or ahead of the bay.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.agent.detect import earth_scenarios
from tests.agent.detect.earthed import (
    ISOLATED,
    LOW,
    OMEGA,
    RESONANT,
    VOLTS,
    Array,
    Network,
    Story,
    behind,
    counts,
    waves,
)

RATE, WINDOW, AGE = 4000, 80, 120
ONSET_S = 0.14
CASES = pytest.mark.parametrize(
    ("network", "ohm"),
    [
        pytest.param(ISOLATED, 2.0, id="isolated-2-ohm"),
        pytest.param(ISOLATED, 3000.0, id="isolated-3-kilohm"),
        pytest.param(RESONANT, 2.0, id="resonant-2-ohm"),
        pytest.param(RESONANT, 1000.0, id="resonant-1-kilohm"),
        pytest.param(LOW, 2.0, id="low-resistance-2-ohm"),
        pytest.param(LOW, 1000.0, id="low-resistance-1-kilohm"),
    ],
)


def sampled(network: Network, story: Story, noise_db: float = 70.0) -> tuple[Any, ...]:
    """U0 and 3I0 up to one and a half cycles after the inception."""
    samples = counts(waves(network, story, RATE), noise_db)
    upto = round(ONSET_S * RATE) + AGE
    u0, i0 = ([int(x) for x in samples[row, :upto]] for row in (7, 3))
    return u0, i0, WINDOW, AGE


@CASES
@pytest.mark.parametrize("angle", [0.0, np.pi / 4, np.pi / 2])
def test_it_flows_towards_the_source_from_a_fault_ahead_and_away_from_it_else(
    network: Network, ohm: float, angle: float
) -> None:
    story = Story(ohm, True, 0, angle, ONSET_S, seconds=0.18)
    share, sigmas = earth_scenarios.flow(*sampled(network, story))
    assert (share < -0.9, sigmas > 10.0) == (True, True)
    if ohm == 2.0:
        share, sigmas = earth_scenarios.flow(*sampled(network, behind(story)))
        assert (share > 0.6, sigmas > 4.0) == (True, True)


def through_a_line(ohm: float, ahead: bool, tenth_orders: int) -> tuple[list[int], list[int]]:
    """The same of a bay at whose one side all capacitances lie at the end of a line, so that they
    resonate at this tenth of an order: the fault at the bay's other side, bolted by `ohm`.

    R i + L di/dt + u_c = u,  C du_c/dt = i,  u the voltage that the fault makes at the bay.
    """
    order, step_s, farad = tenth_orders / 10, 1e-5, 40.0 / (OMEGA * VOLTS)
    henry = 1 / (farad * (order * OMEGA) ** 2)
    damping = 0.15 * order * OMEGA * henry  # R / X of an overhead line at its resonance
    t = np.arange(round(0.18 / step_s)) * step_s
    emf = np.where(t >= ONSET_S, 2**0.5 * VOLTS * np.cos(OMEGA * (t - ONSET_S)), 0.0)
    current, charged = np.zeros_like(t), 0.0
    for k in range(1, t.size):
        # Implicit Euler; the source has the fault's resistance in series.
        known = henry / step_s * current[k - 1] + emf[k] - charged
        current[k] = known / (henry / step_s + damping + ohm + step_s / farad)
        charged += step_s / farad * current[k]
    volts = emf - ohm * current
    every = round(1 / RATE / step_s)
    smooth = [np.convolve(row, np.ones(every) / every, "same") for row in (volts, current)]
    rows: Array = np.stack([row[::every] for row in smooth])
    upto = round(ONSET_S * RATE) + AGE
    u0 = [round(x) for x in rows[0, :upto].tolist()]
    i0 = [round((-1000 if ahead else 1000) * x) for x in rows[1, :upto].tolist()]
    return u0, i0


@pytest.mark.parametrize("tenth_orders", [35, 60, 95, 140])
@pytest.mark.parametrize("ohm", [0.5, 20.0])
def test_a_line_that_resonates_with_cables_does_not_turn_the_energy(
    tenth_orders: int, ohm: float
) -> None:
    for ahead in (True, False):
        u0, i0 = through_a_line(ohm, ahead, tenth_orders)
        share, sigmas = earth_scenarios.flow(u0, i0, WINDOW, AGE)
        assert (-share if ahead else share) > 0.9
        assert sigmas > 100.0


@pytest.mark.parametrize("seed", range(6))
def test_noise_alone_stays_below_four_sigma(seed: int) -> None:
    samples = counts(np.zeros((8, 800)), 40.0, seed)
    u0, i0 = ([int(x) for x in samples[row]] for row in (7, 3))
    assert earth_scenarios.flow(u0, i0, WINDOW, AGE)[1] < 4.0


@pytest.mark.parametrize("degrees", [-3.0, 3.0])
def test_three_degrees_between_the_sensors_leave_the_side(degrees: float) -> None:
    for network in (ISOLATED, RESONANT):
        for story in (Story(20.0, True, 0, 1.0, ONSET_S, seconds=0.18), Story(20.0, False, 0, 1.0)):
            u0, i0, *more = sampled(network, story)
            at = np.arange(len(i0))
            turned = np.interp(at + degrees / 360 * WINDOW, at, np.array(i0))
            share, _ = earth_scenarios.flow(u0, [round(x) for x in turned.tolist()], *more)
            assert (-share if story.ahead else share) > 0.3


def test_the_board_finds_the_same(board: Any) -> None:
    arguments = sampled(RESONANT, Story(50.0, True, 2, 1.0, ONSET_S, seconds=0.18))
    answer = earth_scenarios.flow(*arguments)
    assert board([("tests.agent.detect.earth_scenarios", "flow", arguments)]) == [answer]
