"""Standard error that never fails, for the processes that have to live.

It may be a file on a disk that is full, or a pipe that nobody reads any more. A line that cannot be
written is then a line less, and no reason to end.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys

_FILE = 2


class _Unfailing(io.TextIOBase):
    """Writes at once, so that nothing waits in a buffer for an end that fails."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            os.write(_FILE, text.encode(errors="backslashreplace"))
        return len(text)

    def fileno(self) -> int:
        return _FILE


def make_unfailing() -> None:
    """From now on, in this process."""
    sys.stderr = _Unfailing()
