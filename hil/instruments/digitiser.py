"""A digitiser board: frames of docs/digitiser.md on a pseudo terminal, sample by sample in time.

It speaks from `async with` on. Until a play begins it shows the lead-in of its recording (two
cycles, repeated: steady.py), after one the run-out of what it played. Its samples lie on a grid
that holds every multiple of the lead-in's length on CLOCK_MONOTONIC: a `start_us` that is one (40
ms at 50 Hz) is kept to the microsecond, any other is put off to the next, since the network must
not jump in phase; `Pacing.start_us` says which it was. A second recording begins its lead-in when
`play` is called, which the device sees as a step of the network unless the two are alike there.

The line is a USB adapter's: a frame is written whole when its last sample has been taken, or with
`paced` when its last byte would have left a UART. What nobody takes is lost, as on a wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import threading
import tty
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from agent.sensors import digitiser_frame as frames
from hil.case import Recording
from hil.errors import BenchError
from hil.instruments import steady
from hil.instruments.contract import Pacing
from hil.instruments.line_faults import Fault, faultless
from hil.instruments.pacing import Pacer, go_first, now_us

ANNOUNCE_S = 0.25  # docs/digitiser.md recommends it
CHARACTER_BITS = 10  # a start bit, eight of data, a stop bit
FULL_SCALE = 32767
LARGEST = (1 << 32) - 1  # of a ratio's numbers in an announcement
LEAD_S = 0.05  # a play that is asked for later than this before its start begins too late


@dataclass(slots=True)
class Play:
    """A recording of `length` samples that is being played, and how its time is kept."""

    length: int
    pacer: Pacer
    done: Future[None]

    def wrote(self, due_us: int) -> None:
        """A frame with samples of the recording is out, which was due then."""
        if not self.done.done():
            self.pacer.wrote(due_us)

    def end(self, error: BenchError | None = None) -> None:
        """Its last sample is out, or never will be; nobody may be waiting any more."""
        with contextlib.suppress(InvalidStateError):
            if error is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(error)


@dataclass(slots=True)
class Count:
    """Where the board is: sets that it has sampled, the stream and its frames."""

    index: int = 0
    stream: int = 1
    stream_began: int = 0
    number: int = 0
    announce_at: int = 0

    def begin_stream(self) -> None:
        """As a board does that starts anew."""
        self.stream = self.stream % 0xFFFF + 1
        self.stream_began = self.announce_at = self.index
        self.number = 0


class Digitiser:
    """One board, measuring what `recording`'s terminal does.

    baud: what the device is told to listen at. frame_ms: samples of so long make a frame.
    paced: bytes take their time on the line. fault: what the line does to frames.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        baud: int = 921_600,
        frame_ms: float = 2.0,
        paced: bool = False,
        fault: Fault = faultless,
    ) -> None:
        self.terminal = recording.terminal
        self.fault = fault
        self.unheard_bytes = 0  # there was nobody to take them
        self._rate_hz, self._traces = recording.rate_hz, recording.traces
        self._contacts = tuple(recording.contacts)
        self._baud = baud
        self._wire_us = 0
        self._sets = max(1, min(round(recording.rate_hz * frame_ms / 1000), self._most_sets()))
        self._wire_us = self._transmission_us() if paced else 0
        self._waves = [Waves(recording)]
        self._play: Play | None = None
        self._begin = 0  # of what shows now
        self._playing = False
        self._broken: BenchError | None = None
        self._count, self._restart = Count(), False
        self._master = self._slave = -1
        self._lock = threading.Lock()
        self._stop = threading.Event()

    async def __aenter__(self) -> Self:
        """Raises: BenchError when this machine has no pseudo terminal left."""
        self._folder = Path(tempfile.mkdtemp(prefix="digitiser-"))
        self.path = self._folder / self.terminal
        self.plug()
        lead_us = self._waves[0].lead * 1_000_000 // self._rate_hz
        self._origin_us = (now_us() // lead_us + 1) * lead_us
        self._thread = threading.Thread(target=self._live, name=f"digitiser {self.terminal}")
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.to_thread(self._thread.join)
        self.unplug()
        shutil.rmtree(self._folder, ignore_errors=True)

    def sensor(self) -> str:
        """The [[sensor]] table, TOML text."""
        return (
            f'[[sensor]]\nname = "{self.terminal}"\ndriver = "digitiser"\n'
            f'port = "{self.path}"\nbaud = {self._baud}\n'
        )

    def channels(self) -> str:
        """The lines of [bay.channels]: each trace by its role, and the switch if there is one."""
        names = [trace.name for trace in self._traces]
        names += [name for name in self._contacts if name == "switch"]
        return "".join(f'{name} = "{self.terminal}.{name}"\n' for name in names)

    async def play(self, recording: Recording, start_us: int) -> Pacing:
        """Until the last sample is out; see above for `start_us`. Raises: BenchError."""
        alike = recording.traces == self._traces and tuple(recording.contacts) == self._contacts
        if not alike or recording.rate_hz != self._rate_hz:
            what = f"a recording of {recording.terminal} with other channels or another rate"
            raise BenchError(f"digitiser {self.terminal}", what, "the channels it was made for")
        if self._playing:
            raise BenchError(f"digitiser {self.terminal}", "it plays already", "one at a time")
        if start_us < now_us() + LEAD_S * 1e6:
            late = f"start {start_us} is over or too near"
            raise BenchError(f"digitiser {self.terminal}", late, f"{LEAD_S} s to prepare")
        waves = Waves(recording)
        wanted = -((self._origin_us - start_us) * self._rate_hz // 1_000_000)
        begin = wanted + (self._begin - wanted) % waves.lead
        done: Future[None] = Future()
        pacer = Pacer(self._origin_us + begin * 1_000_000 // self._rate_hz)
        self._playing = True
        try:
            with self._lock:
                self._waves.append(waves)
                self._begin = begin
                self._play = Play(recording.length, pacer, done)
            if self._broken is not None:
                raise self._broken
            await asyncio.wrap_future(done)
        finally:
            self._playing = False
        return pacer.pacing()

    def restart(self) -> None:
        """As after a reset of the board: a new stream whose indices begin at 0."""
        self._restart = True

    def unplug(self) -> None:
        """The port is gone until `plug`."""
        with self._lock:
            if self._master >= 0:
                self.path.unlink(missing_ok=True)
                os.close(self._master)
                os.close(self._slave)
            self._master = self._slave = -1

    def plug(self) -> None:
        """A port under the same path, if there is none. Raises: BenchError."""
        if self._master >= 0:
            return
        try:
            master, slave = os.openpty()
        except OSError as error:
            raise BenchError("pseudo terminal", str(error), "one that is free") from error
        tty.setraw(slave)
        os.set_blocking(master, False)
        with self._lock:
            self._master, self._slave = master, slave
            self.path.symlink_to(os.ttyname(slave))

    def _most_sets(self) -> int:
        room = frames.MOST_BYTES - frames.HEAD_BYTES - 4
        return room // self._announcement().set_bytes

    def _transmission_us(self) -> int:
        """Of a frame on the line. Raises: BenchError when there is no time for all of them."""
        size = len(frames.samples_frame(0, 0, 0, 0, bytes([1]) * self._set_bytes() * self._sets))
        wire_us = size * CHARACTER_BITS * 1_000_000 // self._baud + 1
        if wire_us * self._rate_hz >= self._sets * 1_000_000:
            needed = size * CHARACTER_BITS * self._rate_hz // self._sets
            raise BenchError(f"{self._baud} baud", "too slow", f"at least {needed}")
        return wire_us

    def _set_bytes(self) -> int:
        return self._announcement().set_bytes

    def _announcement(self, stream: int = 0) -> frames.Announcement:
        channels = [(t.name, t.unit, t.phase, ratio(t.scale)) for t in self._traces]
        return frames.Announcement(
            stream, (self._rate_hz, 1), channels, self._contacts, self.terminal[:32], self._wire_us
        )

    def _live(self) -> None:
        """The board's own thread. What breaks it, a fault of ours too, breaks the play."""
        try:
            go_first()
            self._speak()
        except Exception as error:  # noqa: BLE001  # told to whoever waits
            self._broken = BenchError(f"digitiser {self.terminal}", repr(error), "to go on")
            with self._lock:
                play = self._play
            if play is not None:
                play.end(self._broken)

    def _speak(self) -> None:
        """A frame at a time, each at its instant."""
        grid, frame, free_us = Pacer(self._origin_us), 0, 0
        while not self._stop.is_set():
            with self._lock:
                play, waves, begin = self._play, self._waves[-1], self._begin
                del self._waves[:-1]
            at = self._count.index - begin
            wire = self._next_frame(*waves.sets(at, self._sets, repeating=play is None))
            due_us = grid.due_us(self._count.index - 1, self._rate_hz) + self._wire_us
            for wait_s, part in self.fault(frame, wire):
                # Behind a frame that is held up the others wait: their instants are the line's.
                due_us = free_us = max(due_us + round(wait_s * 1e6), free_us)
                grid.wait(due_us)
                self._write(part)
                if play is not None and at + self._sets > 0:
                    play.wrote(due_us)
            frame += 1
            if play is not None and at + self._sets >= play.length:
                play.end()

    def _next_frame(self, data: bytes, flags: int) -> bytes:
        """These sets on the wire, the announcement before them when it is due."""
        count, parts = self._count, []
        if self._restart:
            self._restart = False
            count.begin_stream()
        if count.index >= count.announce_at:
            parts.append(frames.announcement_frame(self._announcement(count.stream)))
            count.announce_at = count.index + round(ANNOUNCE_S * self._rate_hz)
        first = count.index - count.stream_began
        parts.append(frames.samples_frame(count.stream, count.number, first, flags, data))
        count.index += self._sets
        count.number = (count.number + 1) % frames.NUMBERS
        return b"".join(parts)

    def _write(self, part: bytes) -> None:
        """What the kernel does not take is lost: a wire does not wait."""
        with self._lock:
            taken = 0
            if self._master >= 0:
                with contextlib.suppress(OSError):
                    taken = os.write(self._master, part)
        self.unheard_bytes += len(part) - taken


class Waves:
    """A recording as sets of samples, before, within and after it."""

    def __init__(self, recording: Recording) -> None:
        self.lead = steady.lead_in(recording)
        self._out = steady.run_out(recording)
        self._length = recording.length
        n, contacts = recording.length, recording.contacts
        octets = -(-len(contacts) // 8)
        self._table = np.zeros(
            n, dtype=[("counts", "<i2", (len(recording.traces),)), ("contacts", "u1", (octets,))]
        )
        self._table["counts"] = np.clip(recording.counts, -FULL_SCALE - 1, FULL_SCALE).T
        if contacts:
            states = np.stack(list(contacts.values())).T
            self._table["contacts"] = np.packbits(states, axis=1, bitorder="little")
        self._stops = np.abs(recording.counts).max(axis=0) >= FULL_SCALE

    def sets(self, first: int, count: int, *, repeating: bool) -> tuple[bytes, int]:
        """Bytes and flags of so many sets from an index on, 0 being the recording's first.

        repeating: the lead-in goes on past 0, since no play was asked for.
        """
        indices = np.arange(first, first + count)
        if repeating:
            indices = indices % self.lead - self.lead
        at = steady.places(indices, self._length, self.lead, self._out)
        rows = self._table[at]
        # A contact does not bounce along with the cycles that are repeated.
        held: npt.NDArray[np.int64] = np.clip(indices, 0, self._length - 1)
        rows["contacts"] = self._table["contacts"][held]
        flags = frames.OVERRANGE if self._stops[at].any() else 0
        return rows.tobytes(), flags


def ratio(scale: float) -> tuple[int, int]:
    """The nearest ratio of two numbers of 32 bits. Raises: BenchError where there is none."""
    exact = Fraction(scale)
    most = LARGEST if exact <= 1 else int(LARGEST / exact)
    near = exact.limit_denominator(max(1, most))
    if not 0 < near.numerator <= LARGEST:
        raise BenchError(f"scale {scale!r}", "no ratio of two 32-bit numbers", "1e-9 to 4e9")
    return near.numerator, near.denominator
