"""Guard's end of the shadow: other settings that decide on the same samples, in another process.

Guard hands every block and every event of its own to the shadow's process (shadow_judge.py) through
a socket that never waits: what the process does not take in time is dropped and counted. The
process runs at the lowest priority, so that it gets what nobody else wants of the processor.
What it answers, a disagreement, guard tells in lane h. See docs/decisions/0034.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.records import Block, Event, Quality

if TYPE_CHECKING:  # what only a guard with a shadow pays for
    import subprocess

    from agent.detect.detector import Detector
    from agent.detect.settings import Settings

# A second of six bays at 12.8 kHz is 2.5 MB: so much may wait here while the machine is busy.
BUFFER_BYTES = 4 << 20
# First sample's index, instant of index 0, number of the source, quality, channels, samples.
HEAD = struct.Struct("<qqHHII")
SAMPLES, WORDS = b"S", b"W"
# A message of blocks as any driver makes them; a larger one is cut.
LARGEST_BYTES = 128 * 1024
# After so many deaths in a row it is left alone until its settings change.
MOST_STARTS = 3

DISAGREES, BLIND, ENDED = "shadow_disagrees", "shadow_blind", "shadow_ended"


class Told(NamedTuple):
    """Word of the shadow, as an audit of lane h says it; t_us: None is now."""

    what: str
    detail: str
    t_us: int | None = None


Look = Callable[[], "Mapping[str, Settings] | None"]


class Shadow:
    """look: the settings of each bay that are to run beside those in force; None: none are.

    The same object as long as they are the same. dropped: blocks that the process did not take.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._settings: Mapping[str, Settings] | None = None
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._sources: dict[str, tuple[int, Detector]] = {}
        self._starts = 0
        self._told: list[Told] = []
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._losing = False
        self.dropped = self._told_dropped = 0

    def feed(self, detector: Detector, block: Block, events: Sequence[Event]) -> None:
        """What guard has just decided on, and what it said of it. Never waits."""
        if self._socket is None:
            return
        sensor = block.layout.sensor
        known = self._sources.get(sensor)
        if known is None or known[1] is not detector:
            number = len(self._sources) if known is None else known[0]
            known = self._sources[sensor] = (number, detector)
            self._send(WORDS + json.dumps(self._source(number, detector)).encode())
        self._send_block(known[0], block)
        if events:
            from agent.record_notes import event_table

            told = {"events": [event_table(event) for event in events]}
            self._send(WORDS + json.dumps(told).encode())

    def follow(self) -> list[Told]:
        """To be called every second: starts and ends the process; what it has said since."""
        settings = self._look()
        if settings is not self._settings:
            self._settings = settings
            self._starts = 0
            self.stop()
        self._hear()
        if self._process is not None and self._process.poll() is not None:
            self._say(ENDED, f"its process ended (status {self._process.returncode})")
            self.stop()
        if self._settings is not None and self._process is None and self._starts < MOST_STARTS:
            self._start()
        if self.dropped > self._told_dropped:
            self._say(BLIND, f"{self.dropped - self._told_dropped} blocks were not taken in time")
            self._told_dropped = self.dropped
        told, self._told = self._told, []
        return told

    def stop(self) -> None:
        """Its process sees the end of its socket and ends by itself."""
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
        self._socket = self._process = None
        self._sources = {}
        self._waiting.clear()
        self._waiting_bytes, self._losing = 0, False

    def _start(self) -> None:
        import subprocess

        self._starts += 1
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        os.set_inheritable(theirs.fileno(), True)
        command = [sys.executable, "-m", "agent.shadow_judge", str(theirs.fileno())]
        try:
            self._process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        except OSError as error:
            self._say(ENDED, f"cannot be started ({error.strerror})")
            ours.close()
        else:
            self._socket = ours
        finally:
            theirs.close()

    def _source(self, number: int, detector: Detector) -> dict[str, Any]:
        from agent.record_notes import layout_table, wired_table

        settings = self._settings or {}
        wired = [(bay, settings.get(bay.name, own), taps) for bay, own, taps in detector.wired]
        layout = layout_table(detector.layout)
        return {"source": number, "layout": layout, "wired": wired_table(wired)}

    def _send_block(self, source: int, block: Block) -> None:
        counts = block.counts.astype("<i4")
        channels, count = counts.shape
        step = max(1, LARGEST_BYTES // (4 * channels))
        for begin in range(0, count, step):
            some = counts[:, begin : begin + step]
            quality = block.quality if not begin else block.quality & ~Quality.GAP
            head = HEAD.pack(
                *(block.first + begin, block.start_us, source, int(quality)),
                *(channels, some.shape[1]),
            )
            self._send(SAMPLES + head + some.tobytes())

    def _send(self, message: bytes) -> None:
        """Behind what waits already. Once there is too much, nothing is kept until all is gone:
        the process then sees one gap, and never samples without their events.
        """
        fits = self._waiting_bytes + len(message) <= BUFFER_BYTES
        if self._losing or not fits:
            self._losing = True
            self.dropped += message[:1] == SAMPLES
        else:
            self._waiting.append(message)
            self._waiting_bytes += len(message)
        while self._waiting and self._socket is not None:
            try:
                self._socket.send(self._waiting[0])
            except OSError:  # it is behind, or gone
                return
            self._waiting_bytes -= len(self._waiting.popleft())
        self._losing = False

    def _hear(self) -> None:
        while self._socket is not None:
            try:
                message = self._socket.recv(LARGEST_BYTES)
                if not message:
                    return
                told = json.loads(message)
                self._say(DISAGREES, str(told["detail"]), int(told["t_us"]))
            except (OSError, ValueError, KeyError, TypeError):
                return

    def _say(self, what: str, detail: str, t_us: int | None = None) -> None:
        self._told.append(Told(what, detail, t_us))
