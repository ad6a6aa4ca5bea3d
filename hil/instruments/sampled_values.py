"""Sampled values on an Ethernet interface: what a merging unit sends for a recording.

It sends from `async with` on (programme.py); a frame leaves at the instant of the last sample in
it. Whole seconds of CLOCK_MONOTONIC have smpCnt 0, and at first a play can begin a whole number of
lead-ins after one: every 40 ms at 50 Hz.

The neutrals are the recording's i0 and u0; where it has none, the phases' sum (current) or mean
(voltage), marked as derived. Contacts do not travel this way.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Self

import numpy as np

from hil.case import Counts, Recording
from hil.errors import BenchError
from hil.instruments.contract import Pacing
from hil.instruments.endless import Endless, at_rate
from hil.instruments.pacing import go_first, now_us
from hil.instruments.programme import SECOND_US, Programme, Turn
from hil.instruments.sv_frame import DERIVED, ROLES, SCALES, SvStream, Values

CHUNK_FRAMES = 8  # made at once: few enough to be made between two instants
LEAD_S = 0.05  # a play that is asked for later than this before its start begins too late
SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20  # linux/if_packet.h: no queue to wait in
FULL_SCALE = 2**31 - 1


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
        self._programme: Programme | None = None
        self._stop = threading.Event()

    async def __aenter__(self) -> Self:
        self._link = _socket(self._interface)
        self._programme = Programme(
            where=self._where,
            rate_hz=self.stream.rate_hz,
            origin_us=now_us() // SECOND_US * SECOND_US,
            idle=self._idle,
            prepare_s=LEAD_S,
        )
        self._thread = threading.Thread(
            target=self._send, args=(self._programme,), name=f"sv {self.terminal}", daemon=True
        )
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
        wave = self._idle
        if recording is not self._recording:
            wave = await asyncio.to_thread(self._prepared, recording)
        if self._programme is None or not self._thread.is_alive():
            raise BenchError(self._where, "is not open", "async with, and an interface that is up")
        turn, pacer = self._programme.begin(wave, start_us)
        await asyncio.wrap_future(turn.done)
        return pacer.pacing()

    def _prepared(self, recording: Recording) -> Endless:
        return Endless(at_rate(recording, self.stream.rate_hz))

    def _send(self, programme: Programme) -> None:
        """The unit's own life, in its thread: a frame at a time, each at its instant."""
        go_first()
        grid, asdus = programme.grid, self.stream.asdus
        elapsed = (now_us() - grid.start_us) * self.stream.rate_hz // SECOND_US
        place = -(-elapsed // asdus) * asdus
        told = "was closed in the middle of a play"
        try:
            while not self._stop.is_set():
                turn = programme.turn
                for frame in self._frames(turn, place):
                    due_us = programme.due_us(place + asdus - 1)
                    grid.wait(due_us)
                    self._link.send(frame)
                    place += asdus
                    turn.wrote(place, due_us)
        except OSError as error:
            told = f"{error.strerror}"
        programme.turn.fail(BenchError(self._where, told, "an interface that stays up to the end"))

    def _frames(self, turn: Turn, place: int) -> list[bytes]:
        counts = turn.counts(place, CHUNK_FRAMES * self.stream.asdus)
        values, qualities = data_set(turn.wave.recording, counts)
        return [row.tobytes() for row in self.stream.frames(values, qualities, place)]


def data_set(recording: Recording, counts: Counts) -> tuple[Values, Values]:
    """Counts of the data set, shape (8, n), and the quality of each of its channels, (8,).

    counts: of the recording's traces, shape (traces, n).
    """
    traces, count = recording.traces, counts.shape[1]
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
