"""A recording without ends, by sample index: as it was before its first sample and after its last.

What is repeated there is steady.py's choice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from hil.case import Counts, Recording
from hil.errors import CaseError
from hil.instruments import steady
from hil.instruments.resample import resampled


class Endless:
    """Samples of any index, 0 being the recording's first.

    Raises: CaseError when the recording is too short to repeat its ends.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        least = steady.nominal_length(recording)
        if recording.length < least:
            where, told = f"terminal {recording.terminal}", f"{recording.length} samples"
            raise CaseError(where, told, f"at least {least}: {steady.CYCLES} cycles")
        self.lead = steady.lead_in(recording)
        self._out = steady.run_out(recording)

    def counts(self, first: int, count: int, *, repeating: bool = False) -> Counts:
        """Shape (channels, count). repeating: the lead-in goes on for ever, nothing happens."""
        indices = np.arange(first, first + count)
        if repeating:
            indices = indices % self.lead - self.lead
        at = steady.places(indices, self.recording.length, self.lead, self._out)
        return np.asarray(self.recording.counts[:, at])


def at_rate(recording: Recording, rate_hz: int, delays_s: Sequence[float] = ()) -> Recording:
    """The same recording sampled at another rate, band-limited; contacts by the nearest sample.

    delays_s: by how much each channel comes later, less than a tenth of a second; none: not at all.
    """
    if rate_hz == recording.rate_hz and not any(delays_s):
        return recording
    # Its ends go on beyond it while it is resampled: they come out as they went in. Two tenths of a
    # second fall on a sample at both rates.
    margin, begin = recording.rate_hz // 5, rate_hz // 5
    long = Endless(recording).counts(-margin, recording.length + 2 * margin)
    length = recording.length * rate_hz // recording.rate_hz
    delays = delays_s or [0.0] * len(long)
    rows = [
        resampled(row.astype(float), recording.rate_hz, rate_hz, delay_s)
        for row, delay_s in zip(long, delays, strict=True)
    ]
    counts = np.array([np.rint(row[begin : begin + length]) for row in rows], dtype=np.int32)
    nearest = np.rint(np.arange(length) * recording.rate_hz / rate_hz).astype(int)
    nearest = np.minimum(nearest, recording.length - 1)
    contacts = {name: states[nearest] for name, states in recording.contacts.items()}
    return dataclasses.replace(recording, rate_hz=rate_hz, counts=counts, contacts=contacts)
