"""A recording without ends: its first whole cycles before it, its last whole cycles after it.

So that an instrument can be switched on, and idle, without an event on the feeder.
"""

from __future__ import annotations

import numpy as np

from hil.case import Counts, Recording
from hil.errors import CaseError

CYCLES = 2  # that are repeated; with a network off its nominal frequency the wave steps at each end


class Endless:
    """Samples by their index since the recording's first one, of any index.

    Raises: CaseError when the recording has no two cycles to repeat.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._repeated = round(CYCLES * recording.rate_hz / recording.nominal_hz)
        if recording.length < self._repeated:
            where, told = f"terminal {recording.terminal}", f"{recording.length} samples"
            raise CaseError(where, told, f"at least {self._repeated}: {CYCLES} cycles")

    def rows(self, first: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Which samples of the recording stand at these places."""
        asked, length = np.arange(first, first + count), self.recording.length
        before = asked % self._repeated
        after = length - self._repeated + (asked - length) % self._repeated
        return np.where(asked < 0, before, np.where(asked < length, asked, after))

    def counts(self, first: int, count: int) -> Counts:
        """Shape (channels, count)."""
        return np.asarray(self.recording.counts[:, self.rows(first, count)])
