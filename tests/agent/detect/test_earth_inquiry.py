"""Where an earth fault lies and which phase it is on, from samples of networks whose waves are
solved from circuit theory (earthed.py), under CPython and on the board.
"""

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

RATE, WINDOW = 4000, 80
AGE = 120  # samples: one and a half cycles
NETWORKS = pytest.mark.parametrize(
    "network",
    [
        pytest.param(ISOLATED, id="isolated"),
        pytest.param(RESONANT, id="resonant"),
        pytest.param(replace(RESONANT, coil=0.93), id="under-compensated"),
        pytest.param(LOW, id="low-resistance"),
        pytest.param(
            replace(LOW, neutral_ohm=6.0, neutral_reactance=3.1), id="earthing-transformer"
        ),
    ],
)
OHMS = pytest.mark.parametrize("ohm", [2.0, 300.0, 3000.0])
# The cosine's angle: 0 is the voltage's peak, 90 degrees its zero.
ANGLES = [0.3, np.pi / 2]


def rows(samples: Array, upto: int) -> dict[str, list[int]]:
    return {role: [int(x) for x in samples[k, :upto]] for k, role in enumerate(ROLES)}


def asked(network: Network, story: Story, noise_db: float = 70.0) -> tuple[Any, ...]:
    """What is handed to an inquiry, one and a half cycles after the inception."""
    short = replace(story, seconds=story.onset_s + 0.04)
    samples = counts(waves(network, short, RATE), noise_db)
    upto = round(story.onset_s * RATE) + AGE
    return rows(samples, upto), SCALES, WINDOW, AGE, network.earthing


@NETWORKS
@OHMS
@pytest.mark.parametrize("ahead", [True, False], ids=["ahead", "elsewhere"])
def test_the_side_is_right_at_any_angle_of_the_voltage(
    network: Network, ohm: float, ahead: bool
) -> None:
    for angle in ANGLES:
        story = Story(ohm, ahead, phase=1, angle=angle)
        direction, confidence, *_ = earth_scenarios.inquire(*asked(network, story))
        if ahead or ohm <= 1000.0 or network.earthing == "isolated":
            assert direction == ("forward" if ahead else "reverse")
            assert confidence > 0.7
        else:  # little is there to be seen of a far fault of 3 kilohm
            assert direction != "forward"


@NETWORKS
@OHMS
@pytest.mark.parametrize("phase", [0, 1, 2])
def test_ahead_the_phase_is_right_and_so_is_the_conductance(
    network: Network, ohm: float, phase: int
) -> None:
    for angle in ANGLES:
        found = earth_scenarios.inquire(*asked(network, Story(ohm, True, phase, angle)))
        assert found[2] == "ABC"[phase]
        if ohm >= 200.0:
            assert found[6] == pytest.approx(1 / ohm, rel=network.share)


@pytest.mark.parametrize(
    ("network", "story"),
    [
        pytest.param(ISOLATED, Story(500.0, True), id="isolated"),
        pytest.param(RESONANT, Story(50.0, False, 2, 1.0), id="resonant"),
        pytest.param(LOW, Story(1000.0, True, 1, 2.0), id="low-resistance"),
    ],
)
def test_the_board_finds_the_same(board: Any, network: Network, story: Story) -> None:
    arguments = asked(network, story)
    answer = earth_scenarios.inquire(*arguments)
    assert board([("tests.agent.detect.earth_scenarios", "inquire", arguments)]) == [answer]
    assert answer[0] == ("forward" if story.ahead else "reverse")


@NETWORKS
@pytest.mark.parametrize("degrees", [-2.0, 2.0])
def test_errors_of_the_sensors_angle_do_not_turn_the_side(network: Network, degrees: float) -> None:
    """A class 1 transformer errs by a degree, a core-balance one at low current by two or more."""
    for ohm in (2.0, 1000.0):
        for ahead in (True, False):
            samples = counts(waves(network, Story(ohm, ahead, 0, 1.0, seconds=0.18), RATE))
            at = np.arange(samples.shape[1])
            residual = samples[3]
            samples[3] = np.rint(np.interp(at + degrees / 360 * WINDOW, at, residual))
            handed = rows(samples, round(0.14 * RATE) + AGE)
            found = earth_scenarios.inquire(handed, SCALES, WINDOW, AGE, network.earthing)
            assert found[0] == ("forward" if ahead else "reverse")


@NETWORKS
def test_noise_alone_has_no_direction(network: Network) -> None:
    for seed in range(8):
        quiet = np.zeros((8, 800))
        samples = counts(quiet, 40.0, seed)
        handed = rows(samples, 800)
        found = earth_scenarios.inquire(handed, SCALES, WINDOW, AGE, network.earthing)
        assert found[0] == "unknown"


def test_scaling_both_channels_changes_nothing_but_the_sizes() -> None:
    handed = asked(ISOLATED, Story(300.0, True, 0, 0.7))
    found = earth_scenarios.inquire(*handed)
    ratio = {role: 4.0 * scale for role, scale in SCALES.items()}
    scaled = earth_scenarios.inquire(handed[0], ratio, *handed[2:])
    assert scaled[:4] == found[:4]
    assert scaled[4:6] == [4.0 * size for size in found[4:6]]


@pytest.mark.parametrize("ahead", [True, False], ids=["ahead", "elsewhere"])
def test_reversing_all_currents_reverses_the_side_and_3i0_alone_is_overruled(ahead: bool) -> None:
    handed = asked(ISOLATED, Story(300.0, ahead, 0, 0.7))
    alone = handed[0] | {"i0": [-x for x in handed[0]["i0"]]}
    turned = {role: [-x for x in handed[0][role]] for role in ("ia", "ib", "ic", "i0")}
    all_turned = earth_scenarios.inquire(handed[0] | turned, *handed[1:])
    one_turned = earth_scenarios.inquire(alone, *handed[1:])
    assert all_turned[0] == ("reverse" if ahead else "forward")
    assert one_turned[0] == ("forward" if ahead else "reverse")


@NETWORKS
@pytest.mark.parametrize("ohm", [2.0, 1000.0])
def test_the_inception_is_dated_to_within_two_milliseconds(network: Network, ohm: float) -> None:
    for angle in ANGLES:
        story = Story(ohm, True, 0, angle)
        samples = counts(waves(network, replace(story, seconds=0.18), RATE))
        age = 3 * WINDOW // 2
        dated = earth_scenarios.date(rows(samples, round(0.14 * RATE) + age), WINDOW)
        assert abs(dated - age) <= 8


def test_a_record_that_begins_just_before_the_fault_is_used_as_far_as_it_goes() -> None:
    story = Story(300.0, True, 0, 0.7, onset_s=0.03)
    found = earth_scenarios.inquire(*asked(ISOLATED, story))
    assert found[0] == "forward"


def test_a_record_that_begins_with_the_fault_tells_nothing() -> None:
    story = Story(300.0, True, 0, 0.7, onset_s=0.004)
    assert earth_scenarios.inquire(*asked(ISOLATED, story)) is None


def test_a_bay_that_only_charges_what_lies_ahead_shows_no_fault_current_of_its_own() -> None:
    for ohm in (2.0, 500.0):
        ahead, elsewhere = (
            earth_scenarios.inquire(*asked(ISOLATED, story))
            for story in (Story(ohm, True, 2), behind(Story(ohm, True, 2)))
        )
        assert ahead[3] is True
        assert elsewhere[3] is False
        assert elsewhere[4] > 0.3 * VOLTS  # though U0 is large
