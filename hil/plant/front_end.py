"""What a terminal makes of the network's waves: transformers with their errors, the filter before
the converter, its resolution, noise.

Every number comes from the terminal's seed by whole-number arithmetic, so that a case is the same
samples anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hil.case import Bay, Counts, Recording, States, Trace
from hil.plant.network import PHASE_VOLTS
from hil.plant.spice import STEP_S

Array = npt.NDArray[np.float64]

CURRENTS, VOLTAGES = ("ia", "ib", "ic"), ("ua", "ub", "uc")
LOAD_SIDE = ("u_load_a", "u_load_b", "u_load_c")
# Corner of the filter before the converter by its rate; four poles then leave under 1 % at half of
# it, and a delay of a quarter of a millisecond at 4 kHz.
CORNER = 0.37
SETTLED_S = 0.004  # of the filter, cut off at the beginning
_OMEGA = 2 * math.pi * 50


@dataclass(frozen=True, slots=True)
class CurrentTransformer:
    """Of one phase. Its secondary is taken back to the primary side.

    ratio: error of it; minutes: of the angle. limit: multiple of the rating's peak that its flux
    can carry, symmetrical (ten of a 5P10 at its full burden, more below). remanence: of that flux.
    decay_s: of its flux, unsaturated; saturated_s: beyond the knee.
    Source: IEC 61869-2; simplified core of two straight lines, as in IEEE PSRC's CT model.
    """

    ratio: float = 0.0
    minutes: float = 0.0
    limit: float = 40.0
    remanence: float = 0.0
    decay_s: float = 1.0
    saturated_s: float = 3e-4


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """A terminal's measuring.

    rating_amps: of the current transformers; residual: "core_balance" or "summed"; residual_amps:
    rating of the core-balance sensor; noise_db: below each channel's rating; bits: of the
    converter; span: full scale of the phase currents by their rating; seed: of the noise.
    leak: what the core-balance sensor takes of each phase. From trouble_s on: blown, VT phases
    without fuse; open_ct, a phase. swapped: two phases of the currents that changed places.
    """

    rating_amps: float
    residual: str = "core_balance"
    residual_amps: float = 20.0
    rate_hz: int = 12_800
    noise_db: float = 60.0
    bits: int = 16
    span: float = 20.0
    seed: int = 1
    transformers: tuple[CurrentTransformer, CurrentTransformer, CurrentTransformer] = (
        CurrentTransformer(),
        CurrentTransformer(),
        CurrentTransformer(),
    )
    volt_ratios: tuple[float, float, float] = (0.0, 0.0, 0.0)
    volt_minutes: tuple[float, float, float] = (0.0, 0.0, 0.0)
    leak: tuple[float, float, float] = (0.0, 0.0, 0.0)
    blown: str = ""
    open_ct: str = ""
    trouble_s: float = 0.0
    swapped: str = ""


def measured(
    terminal: str,
    bay: Bay,
    end: FrontEnd,
    waves: Mapping[str, Array],
    seconds: float,
    contacts: Mapping[str, States] | None = None,
) -> Recording:
    """What the terminal records.

    Args:
        waves: ia ib ic, ua ub uc, u_load_a u_load_b u_load_c: primary values on the grid of
            STEP_S, beginning SETTLED_S before the recording. [A, V]
        seconds: Length of the recording. [s]
    """
    currents = _currents(end, np.stack([waves[name] for name in CURRENTS]))
    volts = _volts(end, np.stack([waves[name] for name in VOLTAGES]))
    rows: dict[str, Array] = dict(zip(CURRENTS, currents, strict=True))
    if end.residual == "core_balance":
        rows["i0"] = _residual(end, np.stack([waves[name] for name in CURRENTS]))
    rows |= dict(zip(VOLTAGES, volts, strict=True))
    rows["u0"] = volts.sum(axis=0) / 3
    rows |= dict(zip(LOAD_SIDE, _load_side(end, waves), strict=True))
    traces = tuple(Trace(name, _unit(name), _scale(end, name), _phase(name)) for name in rows)
    count = math.floor(seconds * end.rate_hz + 1e-9)
    table = np.stack(list(rows.values()))
    return Recording(
        terminal=terminal,
        bay=bay,
        rate_hz=end.rate_hz,
        nominal_hz=50,
        traces=traces,
        counts=_converted(end, traces, _filtered(table, end.rate_hz, count)),
        contacts=contacts or {},
    )


# --- transformers --------------------------------------------------------------------------------


def _currents(end: FrontEnd, primary: Array) -> Array:
    """Through the three current transformers, and wired as they are."""
    knee = np.array([c.limit * math.sqrt(2) * end.rating_amps / _OMEGA for c in end.transformers])
    rest = np.array([c.remanence for c in end.transformers]) * knee
    decay = np.array([c.decay_s for c in end.transformers])
    leak = np.array([c.saturated_s for c in end.transformers])
    out = _saturated(primary, knee, rest, decay, leak)
    errors = [(c.ratio, c.minutes) for c in end.transformers]
    out = np.stack([_erring(row, *error) for row, error in zip(out, errors, strict=True)])
    if end.open_ct:
        since = _since(end)
        out["abc".index(end.open_ct), since:] = 0.0
    if end.swapped:
        one, other = ("abc".index(phase) for phase in end.swapped)
        out[[one, other]] = out[[other, one]]
    return out


def _saturated(primary: Array, knee: Array, rest: Array, decay: Array, leak: Array) -> Array:
    """Secondary currents: what the flux's rise, the burden's voltage, makes of them."""
    flux, out = rest.copy(), np.empty_like(primary)
    # A flux that never comes near its knee needs no step by step.
    bound = np.abs(rest) + np.abs(np.cumsum(primary, axis=1) * STEP_S).max(axis=1) * 2
    if (bound < knee).all():
        return primary.copy()
    ease = 1 + STEP_S / decay
    steep = STEP_S / leak
    for k in range(primary.shape[1]):
        free = (flux + STEP_S * primary[:, k]) / ease
        beyond = np.abs(free) > knee
        held = (free * ease + steep * np.sign(free) * knee) / (ease + steep)
        after = np.where(beyond, held, free)
        out[:, k] = (after - flux) / STEP_S
        flux = after
    return out


def _erring(row: Array, ratio: float, minutes: float) -> Array:
    """With an error of ratio, and of angle as a shift in time."""
    shift = math.radians(minutes / 60) / _OMEGA / STEP_S
    at = np.arange(row.size, dtype=np.float64)
    return np.asarray((1 + ratio) * np.interp(at + shift, at, row))


def _residual(end: FrontEnd, primary: Array) -> Array:
    """A core around all three: their sum, and a little of each, for they do not lie alike in it."""
    weights = 1 + np.array(end.leak)[:, None]
    return np.asarray((primary * weights).sum(axis=0))


def _volts(end: FrontEnd, primary: Array) -> Array:
    errors = zip(primary, end.volt_ratios, end.volt_minutes, strict=True)
    out = np.stack([_erring(row, ratio, minutes) for row, ratio, minutes in errors])
    for phase in end.blown:
        row, since = "abc".index(phase), _since(end)
        # What the winding still gets from its neighbours over the open fuse.
        out[row, since:] = 0.06 * (out[row - 1, since:] + out[row - 2, since:])
    return out


def _load_side(end: FrontEnd, waves: Mapping[str, Array]) -> list[Array]:
    """Through transformers of their own, which err as those of the other side's other phases."""
    errors = list(zip(end.volt_ratios, end.volt_minutes, strict=True))
    turned = errors[1:] + errors[:1]
    return [_erring(waves[name], *error) for name, error in zip(LOAD_SIDE, turned, strict=True)]


def _since(end: FrontEnd) -> int:
    return round((end.trouble_s + SETTLED_S) / STEP_S)


# --- filter and converter -------------------------------------------------------------------------


def _filtered(table: Array, rate_hz: int, count: int) -> Array:
    """Through four poles after Butterworth, at the converter's instants, shape (rows, count)."""
    kernel = _butterworth(CORNER * rate_hz)
    t = (np.arange(count) / rate_hz + SETTLED_S) / STEP_S
    grid = np.arange(table.shape[1], dtype=np.float64)
    return np.stack([np.interp(t, grid, np.convolve(row, kernel)[: row.size]) for row in table])


def _butterworth(corner_hz: float) -> Array:
    """Impulse response of four poles on the grid, its sum 1."""
    corner = 2 * math.pi * corner_hz
    poles = [corner * np.exp(1j * math.pi * (2 * k + 5) / 8) for k in range(4)]
    t = np.arange(round(SETTLED_S / 2 / STEP_S)) * STEP_S
    response = np.zeros(t.size)
    for pole in poles:
        others = np.prod([pole - other for other in poles if other != pole])
        response += (corner**4 / others * np.exp(pole * t)).real
    return np.asarray(response / response.sum())


def _converted(end: FrontEnd, traces: tuple[Trace, ...], table: Array) -> Counts:
    """Counts: noise added, rounded, clipped."""
    top = 2 ** (end.bits - 1) - 1
    rows = []
    for k, (trace, row) in enumerate(zip(traces, table, strict=True)):
        sigma = _rated(end, trace.name) * 10 ** (-end.noise_db / 20)
        noisy = row + sigma * noise(end.seed * 64 + k, row.size)
        rows.append(np.clip(np.rint(noisy / trace.scale), -top, top))
    return np.stack(rows).astype(np.int32)


def noise(seed: int, count: int) -> Array:
    """Nearly normal, variance 1, from the raw words of Philox, whose sequence is fixed for good.

    Each is the sum of twelve whole numbers of 16 bits, as whole numbers: the same everywhere.
    """
    words = np.random.Philox(key=seed).random_raw(3 * count).reshape(3, count)
    total = np.zeros(count, dtype=np.int64)
    for shift in (0, 16, 32, 48):
        total += ((words >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64).sum(axis=0)
    return np.asarray((total - 6 * 65_535) / 65_536.0)


def _rated(end: FrontEnd, name: str) -> float:
    if name in CURRENTS:
        return end.rating_amps
    return end.residual_amps if name == "i0" else PHASE_VOLTS


def _scale(end: FrontEnd, name: str) -> float:
    """Primary units a count, to seven digits: a file states them, and says the same."""
    full = _rated(end, name) * math.sqrt(2) * (end.span if name in CURRENTS else 0.0)
    if name == "i0":
        full = end.residual_amps * math.sqrt(2) * 10
    elif name not in CURRENTS:
        full = PHASE_VOLTS * math.sqrt(2) * 2.4
    return float(f"{full / (2 ** (end.bits - 1)):.7g}")


def _unit(name: str) -> str:
    return "A" if name[0] == "i" else "V"


def _phase(name: str) -> str:
    return "N" if name[-1] == "0" else name[-1].upper()
