"""Guard's part in sending waveforms: orders in, records of lane w out, a little each second.

The records writer's thread reads and packs (record_writer.py); here the parts of one record after
the other are appended, so that they stand in the lane without anything between them. What the log
refuses is begun anew later. An order goes when its record is on disk in the lane; stopped before,
guard does it again, which a consumer notices by the digest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.clock import Stamp
from agent.errors import StoreError
from agent.store import cbor, wave_orders
from agent.store.journal import Journal
from agent.store.record_files import IN_LANE, NOT_SENT

if TYPE_CHECKING:
    from agent.record_writer import RecordWriter

LANE = "w"
# So many parts are appended each second. They are flushed together with the next alarm, which must
# not wait for more than 64 kB (record_files.py); an ordinary record has ten or twenty.
AT_ONCE = 32
# After the log has refused: its disk is full, or gone.
PAUSE_STEPS = 30


class WaveLane:
    """Brings ordered records into lane w.

    folder: of the orders. parts: the entries of a packed record, in order. tell: takes an audit,
    what and detail.
    """

    def __init__(
        self,
        journal: Journal,
        folder: Path,
        *,
        parts: Callable[[str, bytes, Stamp], Any],
        tell: Callable[[str, str], None],
    ) -> None:
        self._journal = journal
        self._folder = folder
        self._parts = parts
        self._tell = tell
        self._asked: str | None = None  # of the thread
        self._rows: deque[bytes] = deque()
        self._packed: tuple[str, bytes] = ("", b"")
        self._first = 0
        self._finished: str | None = None
        self._pause = 0

    def step(self, keeper: Callable[[], RecordWriter | None], stamp: Stamp) -> bool:
        """Once a second, before the flush; whether the lane has grown.

        keeper: the writer of records, made if there is none yet.
        """
        if self._pause:
            self._pause -= 1
            return False
        try:
            if self._asked is None and not self._rows and self._finished is None:
                self._ask(keeper)
            elif self._asked is not None:
                self._fetch(keeper, stamp)
            return self._append()
        except StoreError:
            self.refused()
            return False

    def flushed(self) -> None:
        """Everything that was appended is on disk."""
        if self._finished is not None:
            wave_orders.done(self._folder, self._finished)
            self._finished = None

    def refused(self) -> None:
        """It is not: begun anew as a whole, later, for the parts must stand without a hole."""
        self._pause, self._finished = PAUSE_STEPS, None
        self._rows.clear()

    def _ask(self, keeper: Callable[[], RecordWriter | None]) -> None:
        names = wave_orders.waiting(self._folder)
        writer = keeper() if names else None
        if writer is not None and writer.pack(names[0]):
            self._asked = names[0]

    def _fetch(self, keeper: Callable[[], RecordWriter | None], stamp: Stamp) -> None:
        writer = keeper()
        packed = None if writer is None else writer.packed()
        if packed is None:
            return
        self._asked = None
        name, data, why = packed
        if why:
            self._tell(NOT_SENT, f"{name}: {why}")
            self._finished = name
            return
        self._packed = name, data
        self._rows = deque(cbor.dumps(each) for each in self._parts(name, data, stamp))
        self._first = self._journal.next_seq(LANE)

    def _append(self) -> bool:
        grew = False
        for _ in range(min(AT_ONCE, len(self._rows))):
            seq = self._journal.append(LANE, self._rows[0], sync=False)
            self._rows.popleft()
            grew = True
            if not self._rows:
                name, data = self._packed
                self._tell(IN_LANE, f"{name}: w:{self._first} to w:{seq}; {len(data)} bytes")
                self._packed, self._finished = ("", b""), name
        return grew
