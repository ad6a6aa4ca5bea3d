"""The quantities of a bay over a record, as a person looks at them: samples and their RMS.

For pictures only: detection has its own front end, exact in counts; here floats will do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agent.sensors import comtrade
from agent.sensors.channels import CURRENTS, LOAD_VOLTAGES, VOLTAGES, ChannelUse
from agent.site import Bay

Array = npt.NDArray[np.float64]

View = tuple[float, float]  # from, to [s]

_GAP = np.array([np.nan])


@dataclass(frozen=True, slots=True)
class Case:
    """A record, and what it is held against: the bay, and the channel for each of its roles."""

    record: comtrade.Record
    uses: Mapping[str, ChannelUse]
    bay: Bay


@dataclass(frozen=True, slots=True)
class Trace:
    """One quantity over time: instants [s], samples, RMS of their fundamental; NaN = a gap.

    name: the role, or what it is the sum of; channel: "" where it is a sum; part: "a", "b", "c"
    or, of all three phases, "0".
    """

    name: str
    channel: str
    part: str
    t: Array
    wave: Array
    rms: Array


class Panel(NamedTuple):
    """Traces that share an axis; unit: "A" or "V"."""

    title: str
    unit: str
    traces: list[Trace]


def panels(case: Case) -> list[Panel]:
    """Phase currents, 3I0, phase voltages, U0, load side: what there is of them, primary.

    3I0 and U0 are those of their own channel, else the sum and a third of the sum of the phases.
    """
    runs = list(_runs(case))
    found = [
        Panel("phase currents", "A", _traces(case, runs, CURRENTS[:3])),
        Panel("residual current", "A", _common(case, runs, "i0", "3I0", CURRENTS[:3], 1.0)),
        Panel("phase voltages", "V", _traces(case, runs, VOLTAGES[:3])),
        Panel("neutral voltage", "V", _common(case, runs, "u0", "U0", VOLTAGES[:3], 1 / 3)),
        Panel("load-side voltages", "V", _traces(case, runs, LOAD_VOLTAGES)),
    ]
    return [panel for panel in found if panel.traces]


class Edges(NamedTuple):
    """A status channel: the instants at which it changes, the first and the last [s]; its states
    from each on, 0 or 1.
    """

    name: str
    t: Array
    states: Array


class _Run(NamedTuple):
    """Samples without a gap: instants [s], samples in a cycle, values by role."""

    t: Array
    cycle: float
    values: dict[str, Array]


def _runs(case: Case) -> Iterator[_Run]:
    ratios = dict.fromkeys(CURRENTS, case.bay.ct_ratio)
    ratios |= dict.fromkeys((*VOLTAGES, *LOAD_VOLTAGES), case.bay.vt_ratio)
    used = {role: use for role, use in case.uses.items() if role in ratios}
    for stretch in case.record.stretches:
        rate_hz = float(stretch.layout.rate_hz or 1)
        for block in comtrade.blocks(stretch, max(1, stretch.counts.shape[1])):
            count = block.counts.shape[1]
            values = {}
            for role, use in used.items():
                channel = stretch.layout.channels[use.index]
                scale = channel.scale * use.factor * ratios[role]
                values[role] = (block.counts[use.index] + channel.offset) * scale
            t = block.start_us / 1e6 + (block.first + np.arange(count)) / rate_hz
            yield _Run(t, rate_hz / case.bay.frequency_hz, values)


def _traces(case: Case, runs: list[_Run], roles: Iterable[str]) -> list[Trace]:
    return [_of_channel(case, runs, role, role) for role in roles if role in case.uses and runs]


def _common(
    case: Case, runs: list[_Run], role: str, name: str, phases: Sequence[str], share: float
) -> list[Trace]:
    """The trace of what all three phases make: its own channel, else told by their sum."""
    if role in case.uses and runs:
        return [_of_channel(case, runs, role, name)]
    if not runs or any(phase not in case.uses for phase in phases):
        return []
    sums = [share * np.sum([r.values[phase] for phase in phases], axis=0) for r in runs]
    how = " + ".join(phases)
    return [
        _joined((f"{name} = {how}" if share == 1 else f"{name} = ({how}) / 3", "", "0"), runs, sums)
    ]


def _of_channel(case: Case, runs: list[_Run], role: str, name: str) -> Trace:
    use = case.uses[role]
    channel = case.record.layout.channels[use.index].name
    share = f" x {use.factor:.3g}" if use.factor != 1 else ""
    return _joined((name, channel + share, role[-1]), runs, [r.values[role] for r in runs])


def _joined(names: tuple[str, str, str], runs: list[_Run], waves: list[Array]) -> Trace:
    """Runs one after another, with a NaN between them that lifts the pen."""
    pieces: list[tuple[Array, ...]] = []
    for run, wave in zip(runs, waves, strict=True):
        pieces += [(run.t, wave, rms(wave, run.cycle)), (run.t[-1:], _GAP, _GAP)]
    t, wave, envelope = (np.concatenate(parts) for parts in zip(*pieces[:-1], strict=True))
    return Trace(*names, t, wave, envelope)


def rms(wave: Array, cycle: float) -> Array:
    """RMS of the fundamental over the cycle that ends at each sample; NaN while the first fills.

    cycle: samples in it, which need not be a whole number: the window then has the nearest one.
    Source: Fourier's coefficient over one period, a constant drops out of it.
    """
    window = max(2, round(cycle))
    envelope = np.full(wave.shape, np.nan)
    if wave.shape[0] >= window:
        turned = wave * np.exp(-2j * np.pi / cycle * np.arange(wave.shape[0]))
        total = np.cumsum(np.concatenate(([0], turned)))
        envelope[window - 1 :] = np.abs(total[window:] - total[:-window]) * 2**0.5 / window
    return envelope


def thinned(t: Array, values: Array, view: View, points: int) -> tuple[Array, Array]:
    """What lies in view; of many more samples than points, each group's least and largest."""
    begin, end = np.searchsorted(t, view[0], "left"), np.searchsorted(t, view[1], "right")
    t, values = t[begin:end], values[begin:end]
    group = len(t) // points
    if group < 4:  # pairs would save nothing worth having
        return t, values
    whole = len(t) - len(t) % group
    groups = values[:whole].reshape(-1, group)
    # fmin and fmax pass over a NaN among numbers; a gap as wide as a group stays one.
    pairs = np.stack((np.fmin.reduce(groups, axis=1), np.fmax.reduce(groups, axis=1)), axis=1)
    return (
        np.concatenate((np.repeat(t[:whole:group], 2), t[whole:])),
        np.concatenate((pairs.ravel(), values[whole:])),
    )


def edges(record: comtrade.Record, most: int) -> list[Edges]:
    """The status channels that change within the record, at most so many."""
    stretches = record.stretches
    moving = [
        k
        for k in range(len(record.status_names))
        if len({bool(v) for s in stretches for v in (s.statuses[k].min(), s.statuses[k].max())}) > 1
    ]
    t = np.concatenate(
        [s.begin_us / 1e6 + s.positions / float(s.layout.rate_hz or 1) for s in stretches]
    )
    found = []
    for k in moving[:most]:
        states = np.concatenate([s.statuses[k] for s in stretches])
        kept = np.flatnonzero(np.diff(states, prepend=~states[:1]))
        kept = np.append(kept, len(t) - 1)
        found.append(Edges(record.status_names[k], t[kept], states[kept].astype(np.float64)))
    return found
