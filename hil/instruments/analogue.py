"""Waves as voltages: a recording on a sound card's outputs, for a board with its own converter.

It plays from `async with` on (programme.py), at the card's rate. The card's own clock and buffer
decide when a sample sounds: some 10 ms around its instant. So what counts is measured on the card
itself: what its inputs heard during a play is in `captured`, and `onset` says where in it a played
sample is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from hil.case import Recording
from hil.errors import BenchError
from hil.instruments.contract import Pacing
from hil.instruments.endless import Endless, at_rate
from hil.instruments.loopback import Array, Calibration, lag
from hil.instruments.pacing import Pacer, now_us
from hil.instruments.programme import Programme
from hil.instruments.sound_card import BUFFER_US, Card, Speaker, heard

BLOCK_S = 0.01
LEAD_S = 0.4  # a play that is asked for later than this before its start begins too late
LISTEN_S = 0.5  # after the last sample, for a contact that comes late


@dataclass(frozen=True, slots=True)
class Wire:
    """An output, in the order of the card's channels. role: the recording's channel on it.

    full_scale: primary value [A or V] at which the output is full, or, with a calibration, at which
        its own input would be: the output's volts are 1.41 times its RMS range, then the ratios of
        amplifier, transformer and board follow.
    """

    role: str
    full_scale: float


class Analogue:
    """The instrument.

    No device reads the table of `sensor` yet: a board's converter is `iio`, whose driver comes
    later. recording: what it will play. wires: at most as many as the card has channels.
    """

    def __init__(
        self,
        recording: Recording,
        card: Card,
        wires: Sequence[Wire],
        *,
        calibration: Calibration | None = None,
    ) -> None:
        self._where = f"sound card {card.playback}"
        if len(wires) > card.channels:
            raise BenchError(self._where, f"{len(wires)} wires", f"at most {card.channels}")
        if calibration and len(calibration.channels) < len(wires):
            told = f"a calibration of {len(calibration.channels)} channels"
            raise BenchError(self._where, told, f"{len(wires)}, as there are wires")
        self.terminal, self._recording = recording.terminal, recording
        self._card, self._wires, self._calibration = card, tuple(wires), calibration
        self._idle = self._prepared(recording)
        self._programme: Programme | None = None
        self.captured: Array | None = None  # of the last play, shape (channels, n)
        self.played: Array | None = None  # of the last play, shape (channels, n), from its start

    async def __aenter__(self) -> Self:
        self._open = contextlib.AsyncExitStack()
        self._speaker = await self._open.enter_async_context(Speaker(self._card))
        self._programme = Programme(
            where=self._where,
            rate_hz=self._card.rate_hz,
            origin_us=now_us() + BUFFER_US,
            idle=self._idle,
            prepare_s=LEAD_S,
        )
        playing = self._stream(self._programme)
        self._playing = asyncio.create_task(playing, name=f"analogue {self.terminal}")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._playing.cancel()
        await asyncio.gather(self._playing, return_exceptions=True)
        await self._open.aclose()

    def sensor(self) -> str:
        """The [[sensor]] table of a board that reads its own converter; no driver reads it yet."""
        return f'[[sensor]]\nname = "{self.terminal}"\ndriver = "iio"\n'

    def channels(self) -> str:
        """Lines of [bay.channels]."""
        return "".join(f'{w.role} = "{self.terminal}.{w.role}"\n' for w in self._wires)

    async def play(self, recording: Recording, start_us: int) -> Pacing:
        """Until its last sample is written and the inputs have listened on for LISTEN_S.

        Raises: BenchError, also for a recording that is larger than the outputs.
        """
        wave = self._idle
        if recording is not self._recording:
            wave = await asyncio.to_thread(self._prepared, recording)
        if self._programme is None or self._playing.done():
            raise BenchError(self._where, "is not open", "async with, and a card that plays")
        turn, pacer = self._programme.begin(wave, start_us)
        await asyncio.gather(asyncio.wrap_future(turn.done), self._listen(wave, pacer))
        return pacer.pacing()

    def onset(self, sample: float) -> float:
        """Where in `captured` a sample of the last play was heard; sample: by the card's rate.

        Found with the first wire's own input, on which its output must be looped back.
        """
        if self.captured is None or self.played is None:
            raise BenchError(self._where, "nothing was captured", "a play with a capture device")
        return lag(self.played[0], self.captured[0]) + sample

    async def _listen(self, wave: Endless, pacer: Pacer) -> None:
        recording = wave.recording
        self.captured = None
        if self._card.capture:
            ahead_s = (pacer.start_us - now_us()) / 1e6
            samples = round((ahead_s + LISTEN_S) * self._card.rate_hz) + recording.length
            self.captured = await heard(self._card, samples)
        self.played = await asyncio.to_thread(self._levels, recording.counts, wave)

    async def _stream(self, programme: Programme) -> None:
        """Block by block, each so early that it sounds at its instant."""
        place, size = 0, round(BLOCK_S * self._card.rate_hz)
        try:
            while True:
                turn = programme.turn
                due_us = programme.due_us(place) - BUFFER_US
                await programme.grid.until(due_us)
                await self._speaker.write(self._levels(turn.counts(place, size), turn.wave))
                place += size
                turn.wrote(place, due_us)
        except BenchError as error:
            programme.turn.fail(error)

    def _prepared(self, recording: Recording) -> Endless:
        """At the card's rate, each channel as much later as its output is faster than the slowest.

        Raises: BenchError when an output could not hold it.
        """
        calibration, delays = self._calibration, [0.0] * len(recording.traces)
        if calibration:
            slowest = max(channel.delay_s for channel in calibration.channels)
            for wire, channel in zip(self._wires, calibration.channels, strict=False):
                for row, trace in enumerate(recording.traces):
                    if trace.name == wire.role:
                        delays[row] = slowest - channel.delay_s
        wave = Endless(at_rate(recording, self._card.rate_hz, delays))
        peaks = np.abs(self._levels(wave.recording.counts, wave)).max(axis=1)
        for wire, peak in zip(self._wires, peaks, strict=False):
            if peak > 1.0:
                told = f"{wire.role} reaches {peak:.0%} of what the output holds"
                raise BenchError(self._where, told, "a larger full_scale for that wire")
        return wave

    def _levels(
        self, counts: np.ndarray[tuple[int, ...], np.dtype[np.int32]], wave: Endless
    ) -> Array:
        """Shares of the card's full scale, shape (channels, n)."""
        levels = np.zeros((self._card.channels, counts.shape[1]))
        rows = {trace.name: k for k, trace in enumerate(wave.recording.traces)}
        for k, wire in enumerate(self._wires):
            if wire.role in rows:
                row = rows[wire.role]
                gain = self._calibration.channels[k].gain if self._calibration else 1.0
                scale = wave.recording.traces[row].scale / (wire.full_scale * gain)
                levels[k] = counts[row] * scale
        return levels
