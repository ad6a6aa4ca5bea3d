"""Sources that measure by themselves: what their values become, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agent.detect.detector import Detector
from agent.detect.settings import defaults
from agent.detect.sight import Tap
from agent.records import Channel, Layout, Reading
from tests.agent.detect.feeder import BAY, PICKUP

NAMES = ("ia", "ib", "ic", "ua", "ub", "uc", "p", "q", "f")
METER = Layout("meter", tuple(Channel(name, "") for name in NAMES))
HEALTHY = (100.0, 101.0, 99.0, 5770.0, 5775.0, 5772.0, 1.6e6, 3e5, 50.02)


def wired(scale: float = 1.0) -> Detector:
    taps = {name: Tap(k, scale if name[0] == "i" else 1.0) for k, name in enumerate(NAMES[:6])}
    return Detector(METER, [(BAY, defaults(BAY), taps)])


def test_power_and_frequency_are_those_of_the_meter() -> None:
    detector = wired(scale=1.2)
    assert detector.feed(Reading(METER, 1000, HEALTHY)) == []
    (meter,) = detector.meters()

    assert meter.currents == pytest.approx((120.0, 121.2, 118.8))
    assert (meter.active_watts, meter.reactive_vars) == pytest.approx((1.2 * 1.6e6, 1.2 * 3e5))
    assert meter.frequency_hz == 50.02
    assert meter.negative_amps is None


def test_a_value_that_the_meter_does_not_have_stays_open() -> None:
    detector = wired()
    detector.feed(Reading(METER, 1000, (100.0, None, 99.0, *HEALTHY[3:6], None, None, None)))
    (meter,) = detector.meters()

    assert meter.currents == (100.0, None, 99.0)
    assert (meter.active_watts, meter.reactive_vars, meter.frequency_hz) == (None, None, None)


def test_a_current_of_a_fault_is_a_fault() -> None:
    detector = wired()
    detector.feed(Reading(METER, 0, HEALTHY))
    shorted = (100.0, 3 * PICKUP, 3 * PICKUP, *HEALTHY[3:])
    (fault,) = [e for e in detector.feed(Reading(METER, 200_000, shorted)) if e.event == "fault"]

    assert (fault.kind, fault.onset_us) == ("BC", None)


def test_a_terminal_that_only_polls_meters_does_not_load_numpy() -> None:
    program = (
        "import sys\n"
        "from agent import guard\n"
        "from agent.detect.detector import Detector, Tap\n"
        "from agent.detect.settings import defaults\n"
        "from agent.records import Channel, Layout, Reading\n"
        "from agent.site import Bay\n"
        "bay = Bay('b', 's', 10000.0, 50, 'resonant', 400.0)\n"
        "layout = Layout('m', (Channel('ia', 'A'),))\n"
        "detector = Detector(layout, [(bay, defaults(bay), {'ia': Tap(0, 1.0)})])\n"
        "detector.feed(Reading(layout, 0, (5000.0,)))\n"
        "print('numpy' in sys.modules)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False\n", "")
