"""The plant against circuit theory: the numbers on the right are formulas, not earlier runs."""

from __future__ import annotations

import cmath
import math

import numpy as np
import numpy.typing as npt
import pytest

from hil.plant import network as networks
from hil.plant import spice
from hil.plant.circuit import OMEGA
from hil.plant.equipment import Transformer
from hil.plant.faults import Fault
from hil.plant.grid import Earthing, Grid, Happening, Load, Supply
from hil.plant.network import PHASE_VOLTS, Network, Section

Array = npt.NDArray[np.float64]
ONSET_S, END_S = 0.3, 0.5
CYCLE = round(0.02 / spice.STEP_S)
CLEAN = Supply(volts=1.0, fifth=0.0, seventh=0.0)


def solve(
    network: Network, earthing: Earthing, *happenings: Happening, load: float = 0.0, **more: object
) -> spice.Waves:
    loads = {f.name: Load(level=load, fifth=0.0, seventh=0.0) for f in network.feeders}
    grid = Grid(network, earthing, CLEAN, loads=loads, happenings=happenings, **more)  # type: ignore[arg-type]
    return spice.solve(grid.circuit.text(), grid.circuit.saved, 0.16, END_S)


def phasor(row: Array, at_s: float) -> complex:
    first = round((at_s - 0.16) / spice.STEP_S)
    turn = np.exp(-2j * np.pi * np.arange(first, first + CYCLE) / CYCLE)
    return complex((row[first : first + CYCLE] * turn).sum() * math.sqrt(2) / CYCLE)


def residual(waves: spice.Waves, section: str) -> Array:
    return np.asarray(np.sum([waves.rows[f"i(v{section}_{p})"] for p in "abc"], axis=0))


def loop(network: Network, section: str, part: float) -> complex:
    """Positive-sequence impedance from the EMF to a point of the line. [ohm]"""
    r, henry = network.source()
    total = complex(r, OMEGA * henry)
    path = network.path(section)
    for each in path:
        r, henry = each.z1(part if each is path[-1] else 1.0)
        total += complex(r, OMEGA * henry)
    return total


@pytest.mark.parametrize("name", networks.NAMES)
@pytest.mark.parametrize(("kind", "factor"), [("abc", 1.0), ("bc", math.sqrt(3) / 2)])
def test_a_short_circuit_is_what_the_impedances_let_through(
    name: str, kind: str, factor: float
) -> None:
    network = networks.load(name)
    fault = Fault("s12_f", kind, [(ONSET_S, None)], ohm=0.0)

    waves = solve(network, Earthing("isolated"), fault, taps={"s12": 0.5})

    # A pole is 5 milliohm, the leg 1; between two phases half of the voltage drives each.
    expected = factor * PHASE_VOLTS / abs(loop(network, "s12", 0.5) + 0.006)
    measured = abs(phasor(waves.rows[f"i(vs11_{kind[0]})"], 0.46))
    assert measured == pytest.approx(expected, rel=0.01)


def test_the_dc_of_a_short_circuit_decays_as_its_loop_does() -> None:
    network = networks.load("urban")
    z = loop(network, "s12", 0.5) + 0.006
    # At the voltage's zero the current of an inductive loop is offset fully.
    onset_s = 0.305  # phase A's cosine is at its zero
    fault = Fault("s12_f", "abc", [(onset_s, None)], ohm=0.0)

    waves = solve(network, Earthing("isolated"), fault, taps={"s12": 0.5})

    t = np.arange(0.0, 0.1, spice.STEP_S)
    lag = cmath.phase(z)
    peak = math.sqrt(2) * PHASE_VOLTS / abs(z)
    angle = OMEGA * onset_s - lag
    decay = np.exp(-t * z.real / (z.imag / OMEGA))
    expected = peak * (np.cos(OMEGA * t + angle) - np.cos(angle) * decay)
    first = round((onset_s - 0.16) / spice.STEP_S)
    measured = waves.rows["i(vs11_a)"][first : first + t.size]
    # What the pole needs to close, and the line's own capacitance, shift the first steps.
    assert np.abs(measured - expected)[50:].max() < 0.01 * 2 * peak


def others(network: Network) -> list[Section]:
    return [s for s in network.sections() if network.feeder_of(s.name).name != "F1"]


@pytest.mark.parametrize("name", networks.NAMES)
def test_an_earth_fault_of_an_isolated_network_draws_its_capacitance(name: str) -> None:
    network = networks.load(name)
    fault = Fault("s11_f", "a", [(ONSET_S, None)], ohm=0.0, earth_ohm=0.1)

    waves = solve(network, Earthing("isolated"), fault, taps={"s11": 0.01})

    # What comes back into the faulted feeder is of all the others: 3 w C0 U.
    expected = 3 * OMEGA * sum(s.c0() for s in others(network)) * PHASE_VOLTS
    measured = abs(phasor(residual(waves, "s11"), 0.46))
    assert measured == pytest.approx(expected, rel=0.02)
    # And the healthy feeder's own, the other way round.
    own = 3 * OMEGA * sum(network.section(n).c0() for n in ("s21", "s22")) * PHASE_VOLTS
    turned = phasor(residual(waves, "s21"), 0.46) / phasor(residual(waves, "s11"), 0.46)
    assert abs(turned) * measured == pytest.approx(own, rel=0.02)
    assert math.degrees(abs(cmath.phase(turned))) == pytest.approx(180, abs=3)


def neutral_admittance(network: Network, earthing: Earthing) -> complex:
    """Of the coil with its transformer and its resistor, against U0. [S]"""
    reactance = OMEGA * Grid(network, earthing, CLEAN).coil_henry()
    coil = complex(earthing.coil_r * reactance, reactance)
    resistor = reactance / earthing.damping
    return 1 / (complex(0.5, 2.0) + 1 / (1 / coil + 1 / resistor))


def capacitive(sections: list[Section]) -> complex:
    return sum(3 * OMEGA * s.c0() * complex(s.line.loss, 1) for s in sections)


def test_a_coil_leaves_the_residual_that_its_tuning_says() -> None:
    network, earthing = networks.load("mixed"), Earthing("resonant", over=1.08)
    fault = Fault("s11_f", "a", [(0.2, None)], ohm=0.0, earth_ohm=1.0)

    waves = solve(network, earthing, fault, taps={"s11": 0.01})

    volts = np.sum([waves.rows[f"v(bus.{p})"] for p in "abc"], axis=0) / 3
    admittance = neutral_admittance(network, earthing) + capacitive(others(network))
    expected = -phasor(volts, 0.46) * admittance  # the line's direction is away from the bus
    assert phasor(residual(waves, "s11"), 0.46) == pytest.approx(expected, rel=0.05)


def test_behind_a_coil_the_neutral_voltage_dies_away_slowly() -> None:
    network, earthing = networks.load("mixed"), Earthing("resonant", over=1.08)
    fault = Fault("s11_f", "a", [(0.2, 0.25)], ohm=0.0, earth_ohm=1.0)

    waves = solve(network, earthing, fault, taps={"s11": 0.01})

    volts = np.sum([waves.rows[f"v(bus.{p})"] for p in "abc"], axis=0) / 3
    admittance = neutral_admittance(network, earthing) + capacitive(list(network.sections()))
    farad = 3 * network.earth_farad()
    tau_s = 2 * farad / admittance.real
    hertz = 50 * math.sqrt(earthing.over)
    first = round((0.28 - 0.16) / spice.STEP_S)
    t = np.arange(volts.size - first) * spice.STEP_S
    # Least squares over the two parts of a decaying wave, at the frequency that theory says.
    waveforms = np.exp(-t / tau_s) * np.stack(
        [np.cos(2 * np.pi * hertz * t), np.sin(2 * np.pi * hertz * t)]
    )
    parts, *_ = np.linalg.lstsq(waveforms.T, volts[first:], rcond=None)
    left = volts[first:] - parts @ waveforms
    assert np.hypot(*parts) > 0.5 * PHASE_VOLTS
    assert np.sqrt(np.mean(left**2)) < 0.12 * np.sqrt(np.mean(volts[first:] ** 2))


def second_harmonic(row: Array, at_s: float) -> float:
    first = round((at_s - 0.16) / spice.STEP_S)
    spectrum = np.abs(np.fft.rfft(row[first : first + CYCLE]))
    return float(spectrum[2] / spectrum[1])


@pytest.mark.parametrize(
    ("load", "low", "high"),
    [
        pytest.param(0.0, 0.27, 0.75, id="a-bank-alone"),
        pytest.param(0.7, 0.12, 0.29, id="a-loaded-feeder"),
    ],
)
@pytest.mark.parametrize("residual_flux", [0.0, 0.6])
def test_an_inrush_has_the_second_harmonic_that_is_measured_in_the_field(
    load: float, low: float, high: float, residual_flux: float
) -> None:
    flux = (residual_flux, -residual_flux / 2, -residual_flux / 2)
    bank = Transformer("s12", 4_000, (), residual=flux)

    waves = solve(
        networks.load("mixed"),
        Earthing("isolated"),
        bank,
        load=load,
        switches={"F1-head": [(0.0, False), (ONSET_S, True)]},
    )

    rows = [waves.rows[f"i(vs11_{p})"] for p in "abc"]
    largest = max(rows, key=lambda row: float(np.abs(row).max()))
    assert low <= second_harmonic(largest, ONSET_S + 0.001) <= high
