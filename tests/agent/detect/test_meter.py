from __future__ import annotations

from agent.detect.meter import Meter, together

AMPS = Meter("head", 500, (10.0, 11.0, None), (None, None, None), 0.1, None, frequency_hz=50.01)
VOLTS = Meter("head", 700, (None, None, None), (5770.0, 5771.0, 5772.0), None, 12.0, 1e6, 2e5, 50.0)


def test_a_bay_whose_currents_and_voltages_come_from_two_sources_is_one() -> None:
    assert together([AMPS, VOLTS]) == Meter(
        "head",
        700,
        (10.0, 11.0, None),
        (5770.0, 5771.0, 5772.0),
        0.1,
        12.0,
        1e6,
        2e5,
        50.01,
    )


def test_a_single_source_is_taken_as_it_is() -> None:
    assert together([AMPS]) is AMPS
