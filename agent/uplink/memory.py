"""What the uplink keeps on disk: marks, and the number of its connections."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agent.clock import Clock
from agent.errors import StoreError
from agent.store.cursors import Cursors
from agent.uplink.session import Session

# Where `sent` stands among the consumers' marks: no consumer may have this name.
SENT = "+sent"


class Memory:
    """The files below `folder`, which is made when absent. A disk that refuses costs resends only.

    epoch: of the log that the marks belong to. tell: takes a line about what the disk refuses.
    """

    def __init__(self, folder: Path, epoch: int, clock: Clock, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._epoch = epoch
        self._clock = clock
        self._tell = tell
        self._cursors: Cursors | None = None
        self.connections = 0

    def restore(self, session: Session, lanes: str) -> None:
        """Go on where the last process stopped."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._cursors = Cursors(self._folder / "cursors", epoch=self._epoch)
            if self._cursors.found == "damaged":
                self._tell("the marks are damaged: everything in the log is sent again")
        except (OSError, StoreError) as error:
            # Without marks everything is sent again, which consumers notice by the keys.
            self._tell(f"{error}; going on without marks")
        for lane in lanes:
            if self._cursors is not None:
                marks = {name: self._cursors.mark(name, lane) for name in session.consumers}
                session.restore(lane, self._cursors.mark(SENT, lane), marks)

    def save(self, session: Session, lanes: str) -> None:
        """Bring the marks to disk; without a disk they stay in memory."""
        if self._cursors is None:
            return
        try:
            for lane in lanes:
                self._cursors.advance(SENT, lane, session.sent(lane))
                for name, mark in session.marks(lane).items():
                    self._cursors.advance(name, lane, mark)
            self._cursors.save()
        except StoreError as error:
            self._tell(str(error))

    def count_connection(self) -> int:
        """The number of the connection to be tried now; on disk before anyone can hear of it."""
        try:
            # Its epoch never changes: unlike marks, this outlives a log that is made anew.
            file = Cursors(self._folder / "connections", epoch=0)
            number = max(self.connections, file.mark("connections", "all")) + 1
            if file.found == "damaged":
                # Whatever it was, it counted connections and not seconds.
                number = max(number, self._clock.stamp(self._clock.now_us()).utc_us // 1_000_000)
            file.advance("connections", "all", number)
            file.save()
        except StoreError as error:
            self._tell(str(error))
            number = self.connections + 1
        self.connections = number
        return number
