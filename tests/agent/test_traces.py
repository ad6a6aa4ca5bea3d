"""Traces against the formulas of the waves that they show."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.records import Channel, Layout
from agent.sensors import channels, comtrade
from agent.site import Bay
from agent.traces import Case, Panel, panels, rms
from tests.agent.sensors.recordings import Written, ramp

BAY = Bay(
    name="main",
    section="S1",
    nominal_volts=10_000.0,
    frequency_hz=50,
    earthing="resonant",
    rating_amps=400.0,
)


def case(record: comtrade.Record, bay: Bay = BAY, names: str = "ia ib ic ua ub uc") -> Case:
    """A record whose channels are called by their roles."""
    renamed = tuple(
        Channel(name, {"i": "A", "u": "V"}.get(name.lstrip("3")[0].lower(), ""), c.scale, c.offset)
        for name, c in zip(names.split(), record.layout.channels, strict=True)
    )
    layout = Layout("x", renamed, record.layout.rate_hz)
    others = tuple(replace(o, layout=Layout("x", renamed, o.layout.rate_hz)) for o in record.others)
    record = replace(record, layout=layout, others=others)
    return Case(record, channels.derive(layout).uses, bay)


def by_title(found: list[Panel]) -> dict[str, Panel]:
    return {panel.title: panel for panel in found}


@given(
    st.floats(0.1, 1e4),
    st.floats(0, 6.3),
    st.floats(-100, 100),
    st.sampled_from([800.0, 1600.0, 7678.36, 12800.0]),
)
def test_the_envelope_of_a_sine_is_its_rms_once_a_cycle_is_full(
    amps: float, angle: float, constant: float, rate_hz: float
) -> None:
    cycle = rate_hz / 50
    k = np.arange(int(3 * cycle))
    third = 0.3 * amps * np.sin(3 * 2 * np.pi * k / cycle)
    wave = 2**0.5 * amps * np.sin(2 * np.pi * k / cycle + angle) + third

    envelope = rms(wave + constant, cycle)

    assert np.isnan(envelope[: round(cycle) - 1]).all()
    # A window of the nearest whole number of samples is off by at most half of one.
    off = abs(round(cycle) / cycle - 1) * 4
    full = envelope[round(cycle) - 1 :]
    np.testing.assert_allclose(full, amps, rtol=1e-6 + off, atol=off * 2 * abs(constant) + 1e-9)


def test_a_wave_shorter_than_a_cycle_has_no_envelope() -> None:
    assert np.isnan(rms(np.ones(10), 32.0)).all()


def test_every_quantity_is_primary_and_sums_stand_for_absent_sensors() -> None:
    record = Written(ramp(6), scales=["0.5"] * 6, offsets=["1"] * 6).parsed()
    values = 0.5 * ramp(6) + 1

    found = by_title(panels(case(record, replace(BAY, ct_ratio=120.0, vt_ratio=100.0))))

    assert list(found) == [
        "phase currents",
        "residual current",
        "phase voltages",
        "neutral voltage",
    ]
    for title, rows in (("phase currents", values[:3] * 120), ("phase voltages", values[3:] * 100)):
        np.testing.assert_allclose([t.wave for t in found[title].traces], rows)
    (residual,), (neutral,) = found["residual current"].traces, found["neutral voltage"].traces
    np.testing.assert_allclose(residual.wave, values[:3].sum(axis=0) * 120)
    np.testing.assert_allclose(neutral.wave, values[3:].sum(axis=0) * 100 / 3)
    assert (residual.name, neutral.name) == ("3I0 = ia + ib + ic", "U0 = (ua + ub + uc) / 3")


def test_own_sensors_come_before_sums_and_threefold_voltage_is_divided() -> None:
    record = Written(ramp(5), scales=["1"] * 5).parsed()

    found = by_title(panels(case(record, names="ia ib ic 3I0 3U0")))

    (residual,), (neutral,) = found["residual current"].traces, found["neutral voltage"].traces
    np.testing.assert_array_equal(residual.wave, ramp(5)[3])
    np.testing.assert_allclose(neutral.wave, ramp(5)[4] / 3)
    assert (residual.name, residual.channel) == ("3I0", "3I0")
    assert (neutral.name, neutral.channel) == ("U0", "3U0 x 0.333")
    assert "phase voltages" not in found


@pytest.mark.parametrize(("names", "titles"), [("ia ib f1", ["phase currents"]), ("f1 f2 f3", [])])
def test_what_is_not_measured_is_not_drawn(names: str, titles: list[str]) -> None:
    assert list(by_title(panels(case(Written(ramp(3)).parsed(), names=names)))) == titles


def test_a_gap_lifts_the_pen_and_starts_the_envelope_anew() -> None:
    values = ramp(3, 100)
    values[0, 50] = -32768

    trace = panels(case(Written(values).parsed(), names="ia ib ic"))[0].traces[1]

    assert np.flatnonzero(np.isnan(trace.wave)).tolist() == [50]
    assert np.flatnonzero(~np.isnan(trace.rms)).tolist() == [*range(31, 50), *range(82, 100)]
    np.testing.assert_allclose(np.delete(trace.t, 50), np.delete(np.arange(100) / 1600, 50))


def test_stretches_of_several_rates_stand_on_one_axis() -> None:
    record = Written(ramp(3), sections=[("1000", 10), ("4000", 40)]).parsed()

    trace = panels(case(record, names="ia ib ic"))[0].traces[0]

    assert record.layout.rate_hz == Fraction(4000)
    expected = [*(k / 1000 for k in range(10)), *(0.00925 + k / 4000 for k in range(30))]
    np.testing.assert_allclose(trace.t[~np.isnan(trace.wave)], expected, atol=1e-6)
