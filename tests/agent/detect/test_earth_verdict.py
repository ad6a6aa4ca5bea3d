"""What is told of an inquiry, by a table."""

from __future__ import annotations

from typing import Any

import pytest

from agent.detect.earth_inquiry import Inquiry
from agent.detect.earth_verdict import Limits, proven, word


def found(**values: Any) -> Inquiry:
    """A clear fault ahead, but for these."""
    inquiry = Inquiry()
    told = {
        "neutral_volts": 2000.0,
        "neutral_noise": 5.0,
        "residual_amps": 5.0,
        "lasting_amps": 5.0,
        "residual_noise": 0.01,
        "phase_amps": 5.0,
        "u0_after": 2000.0,
        "direction": "forward",
        "confidence": 0.95,
        "phase": "B",
    }
    for name, value in (told | values).items():
        setattr(inquiry, name, value)
    return inquiry


SMALL = {"neutral_volts": 100.0, "u0_after": 100.0}
NOBODY = {"direction": "unknown", "confidence": 0.0, "phase": "", "residual_amps": 0.01}
GONE = {"residual_amps": 3.0, "lasting_amps": 0.01}


@pytest.mark.parametrize(
    ("values", "first", "last"),
    [
        pytest.param({}, "forward", "forward", id="a-clear-fault-at-once"),
        pytest.param({"confidence": 0.75}, "", "forward", id="a-fair-one-at-the-second-look"),
        pytest.param({"confidence": 0.6}, "", "unknown", id="a-weak-one-without-direction"),
        pytest.param(NOBODY, "", "unknown", id="neither-side-nor-phase-of-a-plain-displacement"),
        pytest.param(
            NOBODY | {"neutral_volts": 350.0}, "", "", id="a-neutral-that-swings-after-switching"
        ),
        pytest.param(NOBODY | {"dead": True}, "", "", id="a-neutral-that-swings-behind-a-breaker"),
        pytest.param(
            NOBODY | {"dead": True, "phase": "C"}, "", "unknown", id="a-phase-that-is-down-is-told"
        ),
        pytest.param({"direction": "reverse"}, "reverse", "reverse", id="elsewhere"),
        pytest.param(SMALL, "", "forward", id="little-u0-is-looked-at-twice"),
        pytest.param(SMALL | GONE, "", "", id="poles-apart-are-over-by-then"),
        pytest.param(
            SMALL | {"phase_amps": 40.0}, "", "", id="little-u0-while-load-changed-is-its-leak"
        ),
        pytest.param(
            {"neutral_volts": 250.0, "phase_amps": 100.0, "residual_amps": 0.3},
            "",
            "",
            id="a-torn-wire-unbalances-the-capacitances-while-its-load-goes",
        ),
        pytest.param(GONE, "forward", "forward", id="an-arc-that-went-out-after-a-third-of-u0"),
        pytest.param(GONE | {"neutral_volts": 300.0}, "", "unknown", id="switching-beside-a-coil"),
        pytest.param(
            GONE | {"neutral_volts": 50.0, "struck_volts": 2500.0},
            "forward",
            "forward",
            id="an-arc-of-half-a-cycle-that-leaves-a-charge",
        ),
        pytest.param(
            GONE | {"neutral_volts": 50.0, "struck_volts": 1000.0}, "", "", id="poles-5-ms-apart"
        ),
        pytest.param(
            {"line_volts": 3000.0, "residual_amps": 0.01}, "", "", id="a-blown-fuse-of-the-vt"
        ),
        pytest.param(
            {"u0_before": 4000.0, "u0_after": 2000.0}, "", "", id="a-fault-that-goes-is-none"
        ),
        pytest.param(
            {"neutral_volts": 5.0, "residual_amps": 40.0, "lasting_amps": 40.0, "summed": True},
            "",
            "",
            id="40-ampere-that-displace-nothing-are-an-open-ct",
        ),
        pytest.param(
            {"neutral_volts": 30.0, "residual_amps": 0.02, "lasting_amps": 0.02},
            "",
            "",
            id="below-both-starts",
        ),
        pytest.param(
            {"neutral_volts": 200.0, "neutral_noise": 60.0, "residual_amps": 0.02},
            "",
            "",
            id="within-the-noise",
        ),
        pytest.param(
            SMALL | {"summed": True, "phase_amps": 20.0}, "", "", id="what-three-cts-may-feign"
        ),
        pytest.param(
            {"direction": "reverse", "neutral_volts": 60.0, "residual_amps": 0.25},
            "",
            "",
            id="a-little-of-elsewhere-is-not-worth-a-word",
        ),
    ],
)
def test_the_verdict(values: dict[str, Any], first: str, last: str) -> None:
    limits = Limits(5773.5, 57.7, 0.2, "resonant")
    inquiry = found(**values)
    assert [word(inquiry, limits, False), word(inquiry, limits, True)] == [first, last]


def test_a_solid_earth_is_not_asked_for_its_resistance() -> None:
    values = {"neutral_volts": 5.0, "residual_amps": 40.0, "lasting_amps": 40.0}
    limits = Limits(5773.5, 57.7, 0.2, "solid")
    assert word(found(**values), limits, True) == "forward"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"phase": "C", "neutral_volts": 5.0}, True, id="it-stands-out-in-one-phase"),
        pytest.param({"phase": "", "neutral_volts": 200.0}, True, id="the-neutral-is-displaced"),
        pytest.param({"phase": "", "neutral_volts": 50.0}, False, id="neither"),
        pytest.param({"phase": "", "neutral_volts": 50.0, "struck_volts": 2e3}, True, id="it-was"),
    ],
)
def test_what_proves_that_something_is_to_earth(values: dict[str, Any], expected: bool) -> None:
    assert proven(found(**values), Limits(5773.5, 57.7, 0.2, "isolated")) is expected
