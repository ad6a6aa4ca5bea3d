"""When a sensor of 3I0 is not believed, by a table, and what a driven one does to a direction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.agent.detect import earth_scenarios
from tests.agent.detect.earthed import (
    ISOLATED,
    LOW,
    RESONANT,
    ROLES,
    SCALES,
    VOLTS,
    Array,
    Network,
    Story,
    behind,
    counts,
    waves,
)

RATE, WINDOW, AGE = 4000, 80, 120
HEAVY = replace(LOW, amps=200.0)


@pytest.mark.parametrize(
    ("sensor", "total", "noise", "changes", "driven"),
    [
        pytest.param((10.0, 0.0), (10.3, 0.2), 0.1, (10.0, 0.1, 0.1), False, id="both-agree"),
        pytest.param(
            (9.0, 1.2), (10.3, 0.0), 0.1, (10.0, 0.1, 0.1), False, id="a-sensor-that-errs"
        ),
        pytest.param((3.0, 0.0), (10.0, 0.0), 0.1, (10.0, 0.1, 0.1), True, id="a-third-of-it"),
        pytest.param((4.0, 6.0), (10.0, 0.0), 0.1, (10.0, 0.1, 0.1), True, id="pulses-too-early"),
        pytest.param((3.0, 0.0), (10.0, 0.0), 2.0, (10.0, 0.1, 0.1), False, id="noise-of-the-sum"),
        pytest.param(
            (0.1, 0.0), (3.0, 0.0), 0.1, (90.0, 50.0, 45.0), False, id="load-that-changed"
        ),
    ],
)
def test_the_sensor_is_what_errs_where_the_sum_is_sure(
    board: Any, sensor: Any, total: Any, noise: float, changes: Any, driven: bool
) -> None:
    arguments = sensor, total, noise, [(each, 0.0) for each in changes]
    assert earth_scenarios.driven(*arguments) is driven
    call = ("tests.agent.detect.earth_scenarios", "driven", arguments)
    assert board([call]) == [driven]


def saturated(current: Array, flux: float) -> Array:
    """Secondary current of a core, which follows while its flux, the current's integral, is within
    `flux` either way. [the current's unit by samples]
    """
    out, held = np.zeros_like(current), 0.0
    for k, each in enumerate(current):
        after = min(flux, max(-flux, held + each))
        out[k], held = after - held, after
    return out


@pytest.mark.parametrize("network", [ISOLATED, RESONANT, HEAVY], ids=["isolated", "coil", "low"])
@pytest.mark.parametrize("limit", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("ahead", [True, False], ids=["ahead", "elsewhere"])
def test_a_sensor_at_its_end_points_nowhere_wrong_with_confidence(
    network: Network, limit: float, ahead: bool
) -> None:
    """Cut flat by a converter, or pulses of a core that carries that much of the flux."""
    story = Story(20.0, ahead, 1, 1.0, seconds=0.18)
    rows = waves(replace(network, amps=2 * network.amps), story, RATE)
    samples = counts(rows, 60.0)
    most = np.abs(samples[3]).max()
    if limit == 0.0:
        samples[3] = np.clip(samples[3], -0.2 * most, 0.2 * most)
    else:
        samples[3] = np.rint(saturated(samples[3], limit * most * WINDOW / (2 * np.pi)))
    upto = round(0.14 * RATE) + AGE
    handed = {role: [int(x) for x in samples[k, :upto]] for k, role in enumerate(ROLES)}
    direction, confidence, *_ = earth_scenarios.inquire(
        handed, SCALES, WINDOW, AGE, network.earthing
    )
    wanted = "forward" if ahead else "reverse"
    assert direction == wanted or confidence < 0.8


def test_a_phase_transformer_that_opens_does_not_stand_for_the_sensor() -> None:
    """100 A fewer in one phase are a sum of 100 A, which displace nothing."""
    samples = counts(waves(ISOLATED, replace(behind(Story(1e9, True)), seconds=0.18), RATE))
    since = round(0.14 * RATE)
    samples[1, since:] = 0
    handed = {role: [int(x) for x in samples[k, : since + AGE]] for k, role in enumerate(ROLES)}
    direction, confidence, _, _, volts, amps, _ = earth_scenarios.inquire(
        handed, SCALES, WINDOW, AGE, "isolated"
    )
    assert (volts < 0.001 * VOLTS, amps) == (True, pytest.approx(100.0, rel=0.02))
    assert direction == "unknown" or confidence < 0.9
