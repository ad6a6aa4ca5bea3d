"""An event loop whose clock jumps: waiting costs nothing, and time goes as the test says."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# A moment for other processes and the kernel; who writes to a pty waits for the arrival itself.
GRACE_S = 0.001
# Nothing to come and nothing to wait for: the test hangs, and is told instead of hanging.
DEADLOCK_S = 5.0


class FastLoop(asyncio.SelectorEventLoop):
    """Time stands still while anything happens, and jumps to the next timer when nothing does."""

    def __init__(self) -> None:
        self.now_s = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now_s

    def now_us(self) -> int:
        """The same clock in microseconds, as drivers take it."""
        return round(self.now_s * 1e6)


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: FastLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            ready = super().select(DEADLOCK_S)
            if not ready:
                raise RuntimeError("the loop waits for nothing")
            return ready
        ready = super().select(min(timeout, GRACE_S))
        if not ready:
            self._loop.now_s += timeout
        return ready


def run_fast(work: Coroutine[Any, Any, T]) -> T:
    """asyncio.run on a FastLoop."""
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        return runner.run(work)
