"""Scenes of minutes and days, put together: solved transients with steady stretches between them.

    reel = Reel([Played(first), Steady(20.0, load=day), Played(second)], "F1-head")
    recording = reel.recording(0.0, 60.0)

A steady stretch is phasors: the fundamental and the harmonics of every channel, as the transient
before it ended, drifting to how the next one begins, with noise of its own. Transients begin on
whole cycles, so that the waves go on; every joint is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hil.case import Case, Counts, Recording
from hil.errors import PlantError
from hil.plant.front_end import noise

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

ORDERS = np.arange(14)  # DC to the 13th: beyond, loads of 10 kV have less than the noise
FITTED_CYCLES = 3
# A joint may be as rough as this many times the roughest step of its neighbourhood.
_ROUGH = 1.5


@dataclass(frozen=True, slots=True)
class Played:
    """A solved case, whole."""

    case: Case


@dataclass(frozen=True, slots=True)
class Steady:
    """A stretch without events. load: (s, factor) on the currents, straight between, as a day's
    curve has them; it begins and ends at 1, where the transients beside it stand.
    """

    seconds: float
    load: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, slots=True)
class _Stretch:
    """`length` samples from `first` on; of a steady one, phasors of both ends (rows, orders)."""

    first: int
    length: int
    played: Counts | None = None
    begin: Complex | None = None
    end: Complex | None = None
    load: Sequence[tuple[float, float]] = ()


class Reel:
    """One terminal's samples over pieces in a row; the first and the last are transients."""

    def __init__(self, pieces: Sequence[Played | Steady], terminal: str) -> None:
        """Raises: PlantError when the pieces do not fit."""
        shown = [p.case.recordings[terminal] for p in pieces if isinstance(p, Played)]
        if not shown or isinstance(pieces[0], Steady) or isinstance(pieces[-1], Steady):
            raise PlantError("reel", "begins or ends steady", "a transient at either end")
        self._model, self.terminal = shown[0], terminal
        self._cycle = self._model.rate_hz // self._model.nominal_hz
        for recording in shown:
            self._refuse_another(recording)
        self._currents = np.array([trace.unit == "A" for trace in self._model.traces])
        self._noise = self._noise_of(shown[0])
        self._stretches = list(self._laid(pieces))
        for stretch in self._stretches[1:]:
            self._check_joint(stretch.first)

    @property
    def length(self) -> int:
        """Samples in all."""
        return self._stretches[-1].first + self._stretches[-1].length

    def counts(self, first: int, number: int) -> Counts:
        """Counts of these samples, shape (channels, number); a function of their index alone."""
        pieces = []
        for stretch in self._stretches:
            begin = max(first, stretch.first)
            end = min(first + number, stretch.first + stretch.length)
            if begin < end:
                pieces.append(self._of(stretch, begin, end))
        return np.concatenate(pieces, axis=1)

    def recording(self, since_s: float, until_s: float) -> Recording:
        """A part of it, to be played."""
        first = round(since_s * self._model.rate_hz)
        counts = self.counts(first, round(until_s * self._model.rate_hz) - first)
        return replace(self._model, counts=counts, contacts={})

    # --- how it is laid --------------------------------------------------------------------------

    def _refuse_another(self, recording: Recording) -> None:
        if (recording.rate_hz, recording.traces) != (self._model.rate_hz, self._model.traces):
            raise PlantError("reel", "transients of several front ends", "one rate, one scale")

    def _laid(self, pieces: Sequence[Played | Steady]) -> list[_Stretch]:
        """Every piece at its place; each but the last ends on a whole cycle."""
        laid: list[_Stretch] = []
        first = 0
        for k, piece in enumerate(pieces):
            if isinstance(piece, Played):
                counts = piece.case.recordings[self.terminal].counts
                length = counts.shape[1] // self._cycle * self._cycle
                laid.append(_Stretch(first, length, played=counts[:, :length]))
            else:
                length = round(piece.seconds * self._model.rate_hz / self._cycle) * self._cycle
                before, after = pieces[k - 1], pieces[k + 1]
                if not isinstance(before, Played) or not isinstance(after, Played):
                    raise PlantError("reel", "two steady stretches in a row", "one")
                laid.append(
                    _Stretch(
                        first,
                        length,
                        begin=self._fitted(before, at_end=True),
                        end=self._fitted(after, at_end=False),
                        load=piece.load,
                    )
                )
            first += length
        return laid

    def _fitted(self, piece: Played, *, at_end: bool) -> Complex:
        """Phasors, peak, of a transient's last or first cycles, on an axis of whole cycles."""
        counts = piece.case.recordings[self.terminal].counts
        span = FITTED_CYCLES * self._cycle
        whole = counts.shape[1] // self._cycle * self._cycle
        part = counts[:, whole - span : whole] if at_end else counts[:, :span]
        spectrum = np.fft.rfft(part, axis=1)[:, ORDERS * FITTED_CYCLES] / span
        return np.asarray(spectrum * np.where(ORDERS == 0, 1, 2))

    def _noise_of(self, recording: Recording) -> Array:
        """Standard deviation of each channel, in counts, from what the harmonics leave."""
        span = FITTED_CYCLES * self._cycle
        spectrum = np.fft.rfft(recording.counts[:, :span], axis=1)
        spectrum[:, ORDERS * FITTED_CYCLES] = 0
        left = np.fft.irfft(spectrum, span, axis=1)
        return np.asarray(left.std(axis=1))

    # --- what it consists of ----------------------------------------------------------------------

    def _of(self, stretch: _Stretch, begin: int, end: int) -> Counts:
        since, until = begin - stretch.first, end - stretch.first
        if stretch.played is not None:
            return stretch.played[:, since:until]
        return self._steady(stretch, begin, since, until)

    def _steady(self, stretch: _Stretch, begin: int, since: int, until: int) -> Counts:
        if stretch.begin is None or stretch.end is None:
            raise PlantError("reel", "a steady stretch without phasors")
        index = np.arange(since, until)
        share = index / stretch.length
        turn = np.exp(2j * np.pi * np.outer(ORDERS, index % self._cycle) / self._cycle)
        waves = (stretch.begin @ turn).real * (1 - share) + (stretch.end @ turn).real * share
        if stretch.load:
            t = index / self._model.rate_hz
            points = np.array(stretch.load)
            waves[self._currents] *= np.interp(t, points[:, 0], points[:, 1])
        waves += self._noise[:, None] * self._hiss(begin, until - since)
        return np.asarray(np.rint(waves), dtype=np.int32)

    def _hiss(self, first: int, number: int) -> Array:
        """Noise of these samples, drawn second by second: it does not depend on the call."""
        rate, rows = self._model.rate_hz, len(self._model.traces)
        seconds = range(first // rate, (first + number - 1) // rate + 1)
        drawn = [
            np.stack([noise((second << 8) + row, rate) for row in range(rows)])
            for second in seconds
        ]
        begin = first - seconds.start * rate
        return np.concatenate(drawn, axis=1)[:, begin : begin + number]

    def _check_joint(self, at: int) -> None:
        """The step across the joint is none that its neighbourhood does not have."""
        span = 2 * self._cycle
        around = self.counts(max(0, at - span), min(2 * span, self.length - at + span)).astype(
            float
        )
        steps = np.abs(np.diff(around, axis=1))
        middle = min(at, span) - 1
        elsewhere = np.delete(steps, middle, axis=1).max(axis=1)
        allowed = _ROUGH * elsewhere + 6 * self._noise + 2
        worst = int(np.argmax(steps[:, middle] - allowed))
        if steps[worst, middle] > allowed[worst]:
            name = self._model.traces[worst].name
            raise PlantError(
                f"reel, sample {at}",
                f"{name} jumps by {steps[worst, middle]:.0f} counts",
                f"at most {allowed[worst]:.0f}, as around it",
            )
