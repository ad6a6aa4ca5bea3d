"""The meter's display against the formulas of the waves that it measures."""

from __future__ import annotations

import numpy as np
import pytest

from hil.errors import CaseError
from hil.instruments.phasor_meter import shown
from tests.hil.waves import AMPS, VOLTS, feeder, recording


@pytest.mark.parametrize("hz", [45.2, 49.7, 50.0, 50.3, 54.6])
@pytest.mark.parametrize("rate_hz", [4000, 12_800])
def test_a_steady_load_is_shown_as_it_is_at_any_frequency(hz: float, rate_hz: int) -> None:
    showing = shown(recording(feeder(hz=hz, rate_hz=rate_hz), rate_hz=rate_hz))

    last = showing.at(showing.length)
    power = 3 * AMPS * VOLTS
    assert last["ia"] == pytest.approx(AMPS, rel=2e-3)
    assert last["uc"] == pytest.approx(VOLTS, rel=2e-3)
    assert last["p"] == pytest.approx(power * np.cos(0.4), rel=4e-3)
    assert last["q"] == pytest.approx(power * np.sin(0.4), abs=0.01 * power)
    assert last["f"] == pytest.approx(hz, abs=0.005)
    assert last["i0"] == 0.0


def test_harmonics_are_part_of_the_rms_and_none_of_the_frequency() -> None:
    waves = feeder()
    t = np.arange(waves["ia"].size) / 4000
    for name in ("ua", "ub", "uc"):
        waves[name] = waves[name] + 0.1 * VOLTS * 2**0.5 * np.cos(2 * np.pi * 250 * t)

    last = shown(recording(waves)).at(10**6)

    assert last["ua"] == pytest.approx(VOLTS * 1.01**0.5, rel=1e-4)
    assert last["f"] == pytest.approx(50.0, abs=1e-3)


def test_power_that_flows_back_is_negative() -> None:
    last = shown(recording(feeder(lag=np.pi - 0.2))).at(10**6)

    assert last["p"] == pytest.approx(-3 * AMPS * VOLTS * np.cos(0.2), rel=1e-3)


def test_a_change_shows_at_the_first_refresh_and_in_full_one_window_later() -> None:
    waves = feeder(seconds=0.6)
    waves["ia"][1200:] *= 5  # at 0.3 s
    showing = shown(recording(waves), every_s=0.02)

    amps = showing.values["ia"]
    instants = (showing.first_us + showing.every_us * np.arange(showing.length)) / 1e6
    assert amps[instants < 0.3] == pytest.approx(AMPS, rel=1e-3)
    assert amps[instants > 0.3205] == pytest.approx(5 * AMPS, rel=1e-3)
    (between,) = amps[(instants > 0.3) & (instants < 0.3205)]
    assert AMPS < between < 5 * AMPS


def test_a_dead_line_has_no_frequency_and_its_switch_is_shown() -> None:
    waves = feeder(seconds=1.0)
    closed = np.arange(4000) < 2000
    for name in ("ia", "ib", "ic", "ua", "ub", "uc"):
        waves[name] = waves[name] * closed
    showing = shown(recording(waves, contacts={"switch": closed}), every_s=0.1)

    assert showing.at(0)["f"] == pytest.approx(50.0, abs=1e-3)
    assert showing.at(0)["switch"] == 1.0
    last = showing.at(showing.length)
    assert (last["f"], last["ua"], last["p"], last["switch"]) == (0.0, 0.0, 0.0, 0.0)


def test_without_voltages_there_are_currents_and_their_frequency() -> None:
    waves = {name: wave for name, wave in feeder(hz=50.2).items() if name[0] == "i"}

    last = shown(recording(waves)).at(10**6)

    assert set(last) == {"ia", "ib", "ic", "i0", "f"}
    assert last["f"] == pytest.approx(50.2, abs=0.005)


def test_a_recording_shorter_than_the_window_is_refused_in_one_line() -> None:
    with pytest.raises(CaseError, match=r"terminal ftu1: 0.020 s are shorter .* expected at least"):
        shown(recording(feeder(seconds=0.02)))
