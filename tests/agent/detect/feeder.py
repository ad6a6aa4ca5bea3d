"""Currents and voltages of a short circuit from circuit theory, for the tests of detection.

A source behind R + jX short-circuited at t = 0: i(t) = ac(t) + (i(0-) - ac(0)) exp(-t/tau), since
the current of an inductance cannot jump. Nothing of the product's own simulator is used here.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from agent.detect.detector import Detector, Tap
from agent.detect.settings import Settings, defaults
from agent.records import Block, Channel, Event, Layout
from agent.site import Bay

Array = npt.NDArray[np.float64]

RATING = 400.0
BAY = Bay(
    name="feeder",
    section="S1",
    nominal_volts=10_000.0,
    frequency_hz=50,
    earthing="resonant",
    rating_amps=RATING,
)
PICKUP = defaults(BAY).phase_pickup_amps
ROLES = ("ia", "ib", "ic", "ua", "ub", "uc")
AMPS_PER_COUNT = 0.5
VOLTS_PER_COUNT = 0.5
TAPS = {
    role: Tap(index, AMPS_PER_COUNT if role[0] == "i" else VOLTS_PER_COUNT)
    for index, role in enumerate(ROLES)
}
ROOT2 = np.sqrt(2.0)
ANGLES_15 = [float(a) for a in np.radians(np.arange(0, 360, 15))]
SHIFTS = {"A": 0.0, "B": -2 * np.pi / 3, "C": 2 * np.pi / 3}


def layout(rate_hz: Fraction | int) -> Layout:
    """Three currents and three voltages of one feeder."""
    channels = tuple(
        Channel(role, "A" if role[0] == "i" else "V", TAPS[role].scale) for role in ROLES
    )
    return Layout("wire", channels, Fraction(rate_hz))


def times(rate_hz: float, seconds: float, onset_s: float) -> Array:
    """Sample instants with the inception at zero. [s]"""
    return np.arange(round(rate_hz * seconds)) / rate_hz - onset_s


def shorted(
    t: Array,
    amps: tuple[float, float, float],
    angles: tuple[float, float, float],
    tau_s: float,
    load: tuple[float, float] = (0.0, 0.0),
    frequency_hz: float = 50.0,
) -> Array:
    """Phase currents (3, n): a balanced load (amps, angle) until 0, then the fault's. [A]

    amps: RMS of the AC component of each phase; angles: its phase angle at inception. [rad]
    """
    omega = 2 * np.pi * frequency_hz
    rows = []
    for shift, rms, angle in zip(SHIFTS.values(), amps, angles, strict=True):
        before = ROOT2 * load[0] * np.cos(omega * t + load[1] + shift)
        jump = ROOT2 * (load[0] * np.cos(load[1] + shift) - rms * np.cos(angle))
        offset = jump * np.exp(-np.maximum(t, 0) / tau_s)
        rows.append(np.where(t < 0, before, ROOT2 * rms * np.cos(omega * t + angle) + offset))
    return np.stack(rows)


def three_phase(
    t: Array, amps: float, angle: float, tau_s: float, load: tuple[float, float] = (0.0, 0.0)
) -> Array:
    """A bolted three-phase fault of `amps` RMS. [A]"""
    angles = (angle + SHIFTS["A"], angle + SHIFTS["B"], angle + SHIFTS["C"])
    return shorted(t, (amps, amps, amps), angles, tau_s, load)


def two_phase(
    t: Array, amps: float, angle: float, tau_s: float, load: tuple[float, float] = (0.0, 0.0)
) -> Array:
    """A bolted fault between B and C over a load that keeps A's current and takes half of it back
    in each of B and C, so that nothing flows to earth. [A]
    """
    kept = load[0] * np.exp(1j * load[1])
    short = amps * np.exp(1j * angle)
    phasors = (kept, short - kept / 2, -short - kept / 2)
    sizes = tuple(float(abs(p)) for p in phasors)
    angles = tuple(float(np.angle(p)) for p in phasors)
    return shorted(t, sizes, angles, tau_s, load)  # type: ignore[arg-type]  # three of each


def healthy_volts(t: Array, angle: float = 0.0) -> Array:
    """Nominal phase voltages (3, n), phase A's at `angle` at t = 0 [rad]. [V]"""
    peak = ROOT2 * BAY.nominal_volts / np.sqrt(3.0)
    omega = 2 * np.pi * 50
    return np.stack([peak * np.cos(omega * t + angle + shift) for shift in SHIFTS.values()])


def driving_volts(t: Array, short: object, angle: float, x_over_r: float) -> Array:
    """Voltages (3, n) that drive a fault's currents at `angle` forward through such an impedance,
    of an infinitely strong source. short: `three_phase` or `two_phase`. [V]
    """
    ahead = np.arctan(x_over_r) + (np.pi / 2 if short is two_phase else 0.0)
    return healthy_volts(t, angle + ahead)


def counts(currents: Array, volts: Array) -> Array:
    """What a converter makes of it: whole counts."""
    return np.concatenate((np.rint(currents / AMPS_PER_COUNT), np.rint(volts / VOLTS_PER_COUNT)))


def detect(
    samples: Array,
    rate_hz: Fraction | int,
    block: int | None = None,
    settings: Settings | None = None,
    bay: Bay = BAY,
) -> list[Event]:
    """Events of these counts, fed in blocks of `block` samples (all at once if None)."""
    wired = layout(rate_hz)
    detector = Detector(wired, [(bay, settings or defaults(bay), TAPS)])
    size = block or samples.shape[1]
    events: list[Event] = []
    for first in range(0, samples.shape[1], size):
        events += detector.feed(Block(wired, first, 0, samples[:, first : first + size]))
    return events
