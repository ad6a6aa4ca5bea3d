"""Sampled values on an Ethernet interface: what a merging unit sends for a recording.

It sends from `async with` on: the lead-in of its recording until a play begins, after one its
run-out (steady.py). A frame leaves at the instant of the last sample in it. Samples lie on a grid
whose whole seconds of CLOCK_MONOTONIC have smpCnt 0; a `start_us` that is a multiple of the
lead-in's length after a second (40 ms at 50 Hz) is kept, any other is put off to the next, since
the network must not jump in phase: `Pacing.start_us` says which it was. A second recording begins
its lead-in when `play` is called.

The neutrals are the recording's i0 and u0; where it has none, the phases' sum (current) or mean
(voltage), marked as derived. Contacts do not travel this way.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Self

import numpy as np

from hil.case import Recording
from hil.errors import BenchError
from hil.instruments.contract import Pacing
from hil.instruments.endless import Endless, at_rate
from hil.instruments.pacing import Pacer, go_first, now_us
from hil.instruments.sv_frame import DERIVED, ROLES, SCALES, SvStream, Values

CHUNK_FRAMES = 8  # made at once: few enough to be made between two instants
SECOND_US = 1_000_000
LEAD_S = 0.05  # a play that is asked for later than this before its start begins too late
SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20  # linux/if_packet.h: no queue to wait in
FULL_SCALE = 2**31 - 1


@dataclass(slots=True)
class _Play:
    """A wave on the grid: `begin` is the place of its first sample. pacer None: nothing happens."""

    wave: Endless
    begin: int
    pacer: Pacer | None
    done: Future[None]


class SampledValues:
    """The instrument.

    No device reads it yet: `sensor` states the table of the contract, whose driver comes later.
    recording: what it will play; its terminal is the sensor's name.
    interface: where frames leave; `listens`: where the device takes them, else the same.
    stream: identity and rates; by default 9-2LE's for protection, svID "<terminal>MU01".
    """

    def __init__(
        self,
        recording: Recording,
        interface: str,
        *,
        listens: str = "",
        stream: SvStream | None = None,
    ) -> None:
        self.terminal = recording.terminal
        self.stream = stream or SvStream(f"{recording.terminal}MU01")
        self._where = f"sampled values {self.stream.sv_id}"
        self._interface, self._listens = interface, listens or interface
        self._recording, self._idle = recording, self._prepared(recording)
        self._play: _Play | None = None
        self._stop = threading.Event()

    async def __aenter__(self) -> Self:
        self._link = _socket(self._interface)
        self._origin_us = now_us() // SECOND_US * SECOND_US
        self._play = _Play(self._idle, 0, None, Future())
        self._thread = threading.Thread(target=self._send, name=f"sv {self.terminal}", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.to_thread(self._thread.join)
        self._link.close()

    def sensor(self) -> str:
        """The [[sensor]] table; no device reads it yet."""
        return (
            f'[[sensor]]\nname = "{self.terminal}"\ndriver = "sampled_values"\n'
            f'interface = "{self._listens}"\nsv_id = "{self.stream.sv_id}"\n'
        )

    def channels(self) -> str:
        """Lines of [bay.channels]."""
        return "".join(f'{role} = "{self.terminal}.{role}"\n' for role in ROLES)

    async def play(self, recording: Recording, start_us: int) -> Pacing:
        """Until its last frame is out; see above for `start_us`. Raises: BenchError."""
        rate = self.stream.rate_hz
        wave = self._idle
        if recording is not self._recording:
            wave = await asyncio.to_thread(self._prepared, recording)
        shown = self._play
        if shown is None or not self._thread.is_alive():
            raise BenchError(self._where, "is not open", "async with, and an interface that is up")
        if shown.pacer and not shown.done.done():
            raise BenchError(self._where, "it plays already", "one at a time")
        if start_us < now_us() + LEAD_S * 1e6:
            late = f"start {start_us} is over or too near"
            raise BenchError(self._where, late, f"{LEAD_S} s to prepare")
        wanted = -((self._origin_us - start_us) * rate // SECOND_US)
        begin = wanted + (shown.begin - wanted) % wave.lead
        pacer = Pacer(self._origin_us + begin * SECOND_US // rate)
        self._play = play = _Play(wave, begin, pacer, Future())
        await asyncio.wrap_future(play.done)
        return pacer.pacing()

    def _prepared(self, recording: Recording) -> Endless:
        return Endless(at_rate(recording, self.stream.rate_hz))

    def _send(self) -> None:
        """The unit's own life, in its thread: a frame at a time, each at its instant."""
        go_first()
        grid, asdus = Pacer(self._origin_us), self.stream.asdus
        elapsed = (now_us() - self._origin_us) * self.stream.rate_hz // SECOND_US
        place = -(-elapsed // asdus) * asdus
        try:
            while not self._stop.is_set():
                play = self._play
                assert play is not None  # noqa: S101  # __aenter__
                for frame in self._frames(play, place):
                    due_us = grid.due_us(place + asdus - 1, self.stream.rate_hz)
                    grid.wait(due_us)
                    self._link.send(frame)
                    place += asdus
                    self._told(play, place, due_us)
            self._fail("was closed in the middle of a play")
        except OSError as error:
            self._fail(f"{error.strerror}")

    def _told(self, play: _Play, place: int, due_us: int) -> None:
        """All before this place is out."""
        if play.pacer is None or play.done.done() or place <= play.begin:
            return
        play.pacer.wrote(due_us)
        if place - play.begin >= play.wave.recording.length:
            with contextlib.suppress(Exception):  # nobody waits any more
                play.done.set_result(None)

    def _fail(self, told: str) -> None:
        play = self._play
        if play is not None and not play.done.done():
            with contextlib.suppress(Exception):
                play.done.set_exception(
                    BenchError(self._where, told, "an interface that stays up to the end")
                )

    def _frames(self, play: _Play, place: int) -> list[bytes]:
        count = CHUNK_FRAMES * self.stream.asdus
        first, repeating = place - play.begin, play.pacer is None
        values, qualities = data_set(play.wave, first, count, repeating=repeating)
        return [row.tobytes() for row in self.stream.frames(values, qualities, place)]


def data_set(
    wave: Endless, first: int, count: int, *, repeating: bool = False
) -> tuple[Values, Values]:
    """Counts of the data set, shape (8, count), and the quality of each of its channels, (8,)."""
    traces = wave.recording.traces
    counts = wave.counts(first, count, repeating=repeating)
    primary = {trace.name: counts[k] * trace.scale for k, trace in enumerate(traces)}
    qualities = np.zeros(len(ROLES), dtype=np.int32)
    for k, (neutral, share) in ((3, ("i0", 1.0)), (7, ("u0", 1 / 3))):
        if neutral not in primary:
            phases = [primary.get(f"{neutral[0]}{x}", np.zeros(count)) for x in "abc"]
            primary[neutral] = np.sum(phases, axis=0) * share
            qualities[k] = DERIVED
    rows = np.array([primary.get(role, np.zeros(count)) for role in ROLES]) / SCALES[:, np.newaxis]
    return np.clip(np.rint(rows), -FULL_SCALE, FULL_SCALE).astype(np.int32), qualities


def _socket(interface: str) -> socket.socket:
    """Raises: BenchError."""
    where, expected = f"interface {interface}", "an interface that is there, and root"
    try:
        link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: it hears nothing
    except OSError as error:
        raise BenchError(where, f"no raw frames here ({error.strerror})", expected) from error
    try:
        link.bind((interface, 0))
        link.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    except OSError as error:
        link.close()
        raise BenchError(where, f"{error.strerror}", expected) from error
    return link
