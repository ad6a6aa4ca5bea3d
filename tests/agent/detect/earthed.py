"""Earth faults in the zero sequence, from circuit theory, for the tests of detection.

One phase reaches earth through a resistance; the rest of the network is its capacitance to earth,
of which a part lies ahead of the bay, and what its neutral is earthed through:

    i_f + 3 C du0/dt + i_L + u0 / R_n = 0,    i_f = (e_p + u0) / R,    L di_L/dt + r i_L = u0

solved step by step by the trapezoidal rule. Nothing of the product's own simulator is used here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from agent.detect.detector import Detector, Tap
from agent.detect.settings import defaults
from agent.records import Block, Channel, Event, Layout
from agent.site import Bay

Array = npt.NDArray[np.float64]

VOLTS = 10_000.0 / 3**0.5
OMEGA = 2 * np.pi * 50
SHIFTS = (0.0, -2 * np.pi / 3, 2 * np.pi / 3)
ROLES = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0")
SCALES = {"ia": 0.05, "ib": 0.05, "ic": 0.05, "i0": 0.005} | dict.fromkeys(ROLES[4:], 0.5)
STEP_S = 4e-5


@dataclass(frozen=True)
class Network:
    """amps: capacitive current of a bolted fault while isolated; share: of it ahead of the bay.

    coil: its current by the capacitive one; 0: none. damping: of the coil by its reactance.
    neutral_ohm, neutral_reactance: of a low resistance and its earthing transformer; 0: none.
    loss: of the capacitive current.
    """

    amps: float = 20.0
    share: float = 0.2
    coil: float = 0.0
    damping: float = 0.03
    neutral_ohm: float = 0.0
    neutral_reactance: float = 0.0
    loss: float = 0.02

    @property
    def earthing(self) -> str:
        """As in a site file."""
        return "resonant" if self.coil else "low_resistance" if self.neutral_ohm else "isolated"


ISOLATED = Network()
RESONANT = Network(amps=40.0, coil=1.08)
LOW = Network(amps=80.0, neutral_ohm=10.0)


@dataclass(frozen=True)
class Story:
    """ohm: of the fault; angle: of the voltage of its phase when it begins, radians of a cosine.

    ahead: whether it lies ahead of the bay. strikes_s: instead of lasting, it burns at these times
    for a quarter of a cycle. cleared_s: None: it stands. load: amperes of each phase.
    """

    ohm: float
    ahead: bool
    phase: int = 0
    angle: float = 0.0
    onset_s: float = 0.14
    cleared_s: float | None = None
    seconds: float = 0.4
    strikes_s: tuple[float, ...] = ()
    load: float = 100.0


def waves(network: Network, story: Story, rate_hz: int, frequency_hz: float = 50.0) -> Array:
    """Samples of all ROLES, shape (8, n). [A, V primary]"""
    omega = 2 * np.pi * frequency_hz
    t = np.arange(round(story.seconds / STEP_S)) * STEP_S
    turned = story.angle - omega * story.onset_s - SHIFTS[story.phase]
    sources = [(2**0.5 * VOLTS * np.cos(omega * t + turned + shift)) for shift in SHIFTS]
    u0, fault = _solved(network, story, t, sources[story.phase])
    ahead = network.share * network.amps / (OMEGA * VOLTS) * np.gradient(u0, STEP_S)
    residual = ahead + (fault if story.ahead else 0.0)
    rows = []
    for k, shift in enumerate(SHIFTS):
        load = 2**0.5 * story.load * np.cos(omega * t + turned + shift - 0.4)
        own = fault if story.ahead and k == story.phase else 0.0
        rows.append(load + ahead / 3 + own)
    rows += [residual, *(source + u0 for source in sources), u0]
    # A filter before the converter, the same for all.
    kernel = np.hanning(max(3, round(0.6 / rate_hz / STEP_S * 2)))
    at = np.arange(round(story.seconds * rate_hz)) / rate_hz / STEP_S
    grid = np.arange(t.size)
    smooth = [np.convolve(row, kernel / kernel.sum(), "same") for row in rows]
    return np.stack([np.interp(at, grid, row) for row in smooth])


def _solved(network: Network, story: Story, t: Any, emf: Any) -> tuple[Array, Array]:
    """U0 and the fault's current."""
    farad = network.amps / (OMEGA * VOLTS)  # 3 C0
    lossy = network.loss * network.amps / VOLTS
    ohm_l = VOLTS / (network.coil * network.amps) if network.coil else 0.0
    series_ohm = network.damping * ohm_l
    if network.neutral_reactance:
        ohm_l, series_ohm = network.neutral_reactance, network.neutral_ohm
    elif network.neutral_ohm:
        lossy += 1 / network.neutral_ohm
    burning = _burning(story, t)
    u0, out, coil, u = np.zeros_like(t), np.zeros_like(t), 0.0, 0.0
    before, half = 0.0, STEP_S / 2
    henry, ohm = ohm_l / OMEGA, series_ohm
    for k in range(1, t.size):
        g = 1 / story.ohm if burning[k] else 0.0
        # Trapezoidal rule; the coil's new current is linear in the new u0.
        known, slope = 0.0, 0.0
        if henry:
            slope = half / (henry + half * ohm)
            known = ((henry - half * ohm) * coil + half * u) / (henry + half * ohm)
        share = farad + half * (g + lossy + slope)
        new = (farad * u - half * (before + g * emf[k] + known)) / share
        coil = known + slope * new if henry else 0.0
        before = g * (emf[k] + new) + lossy * new + coil
        u0[k], out[k], u = new, g * (emf[k] + new), new
    return u0, out


def _burning(story: Story, t: Array) -> npt.NDArray[np.bool_]:
    if story.strikes_s:
        strikes = [(t >= s) & (t < s + 0.005) for s in story.strikes_s]
        return np.asarray(np.logical_or.reduce(strikes), dtype=np.bool_)
    burning = t >= story.onset_s
    return burning if story.cleared_s is None else burning & (t < story.cleared_s)


def counts(rows: Array, noise_db: float = 70.0, seed: int = 1) -> Array:
    """What a converter makes of it, with noise below 200 A, 20 A and the phase voltage."""
    chance = np.random.default_rng(seed)
    rated = np.array([200.0] * 3 + [20.0] + [VOLTS] * 4)[:, None]
    noisy = rows + chance.normal(size=rows.shape) * rated * 10 ** (-noise_db / 20)
    scales = np.array([SCALES[role] for role in ROLES])[:, None]
    return np.asarray(np.rint(noisy / scales))


def bay(network: Network, frequency_hz: int = 50) -> Bay:
    """The bay in this network."""
    return Bay("feeder", "S1", 10_000.0, frequency_hz, network.earthing, 200.0)


def detect(
    samples: Array,
    rate_hz: int,
    at: Bay,
    *,
    without: tuple[str, ...] = (),
    block: int | None = None,
) -> list[Event]:
    """Events of these counts; without: roles that the bay has no sensor for."""
    kept = [k for k, role in enumerate(ROLES) if role not in without]
    channels = tuple(Channel(ROLES[k], _unit(ROLES[k]), SCALES[ROLES[k]]) for k in kept)
    taps = {ROLES[k]: Tap(place, SCALES[ROLES[k]]) for place, k in enumerate(kept)}
    wired = Layout("wire", channels, rate_hz)  # type: ignore[arg-type]  # an int is a Fraction too
    detector = Detector(wired, [(at, defaults(at), taps)])
    size = block or samples.shape[1]
    events: list[Event] = []
    for first in range(0, samples.shape[1], size):
        events += detector.feed(Block(wired, first, 0, samples[kept, first : first + size]))
    return events


def told(
    network: Network, story: Story, rate_hz: int = 4000, noise_db: float = 70.0
) -> list[Event]:
    """Events of 67N in this story."""
    samples = counts(waves(network, story, rate_hz), noise_db)
    events = detect(samples, rate_hz, bay(network))
    return [event for event in events if event.element == "67N"]


def behind(story: Story) -> Story:
    """The same fault elsewhere."""
    return replace(story, ahead=False)


def _unit(role: str) -> str:
    return "A" if role[0] == "i" else "V"
