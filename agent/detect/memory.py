"""The last samples of every channel of a source, in one piece of memory.

Samples are appended at the end; when the end of the memory is reached, what must be kept moves to
its beginning. A stretch of the past is then always one slice, without a copy.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Room for so many times what is kept: what is kept is then moved once for that many samples.
ROOM = 3


class Memory:
    """At least the last `kept` samples of `channels` channels, as counts.

    next: index in the stream of the sample to come; held: samples there are since the last gap.
    """

    def __init__(self, channels: int, kept: int) -> None:
        self.kept = kept
        self.held = 0
        self.next = 0
        self._samples = np.zeros((channels, ROOM * kept))
        self._end = 0

    def restart(self, first: int) -> None:
        """Forget everything; the next sample has the index `first`."""
        self.next = first
        self.held = self._end = 0

    def append(self, samples: Array) -> None:
        """Take the samples, shape (channels, n), n at most `kept`."""
        count = samples.shape[1]
        if self._end + count > self._samples.shape[1]:
            keep = min(self.held, self.kept)
            self._samples[:, :keep] = self._samples[:, self._end - keep : self._end].copy()
            self._end = keep
        self._samples[:, self._end : self._end + count] = samples
        self._end += count
        self.next += count
        self.held = min(self.held + count, self._end)

    def last(self, count: int, before: int = 0) -> Array:
        """The `count` samples that end `before` samples ago; a view, shape (channels, count).

        Fewer where there are fewer since the last gap.
        """
        end = self._end - before
        return self._samples[:, max(self._end - self.held, end - count) : max(0, end)]
