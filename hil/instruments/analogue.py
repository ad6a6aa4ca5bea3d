"""Waves as voltages: a recording on a sound card's outputs, for a board with its own converter.

It plays from `async with` on: the lead-in of its recording until a play begins, after one its
run-out (steady.py), at the card's rate. A `start_us` that is a multiple of the lead-in's length
from its first sample on is kept, any other is put off to the next, since the network must not jump
in phase: `Pacing.start_us` says which it was. The card's own clock and buffer decide when a sample
sounds: some 10 ms around that instant. So what counts is measured on the card itself: what its
inputs heard during a play is in `captured`, and `onset` says where in it a played sample is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Self

import numpy as np

from hil.case import Recording
from hil.errors import BenchError
from hil.instruments.contract import Pacing
from hil.instruments.endless import Endless, at_rate
from hil.instruments.loopback import Array, Calibration, lag
from hil.instruments.pacing import Pacer, now_us
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


@dataclass(slots=True)
class _Play:
    """A wave on the grid: `begin` is the place of its first sample. pacer None: nothing happens."""

    wave: Endless
    begin: int
    pacer: Pacer | None
    done: Future[None]


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
        self._play: _Play | None = None
        self.captured: Array | None = None  # of the last play, shape (channels, n)
        self.played: Array | None = None  # of the last play, shape (channels, n), from its start

    async def __aenter__(self) -> Self:
        self._open = contextlib.AsyncExitStack()
        self._speaker = await self._open.enter_async_context(Speaker(self._card))
        self._origin_us = now_us() + BUFFER_US
        self._play = _Play(self._idle, 0, None, Future())
        self._playing = asyncio.create_task(self._stream(), name=f"analogue {self.terminal}")
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
        rate, wave = self._card.rate_hz, self._idle
        if recording is not self._recording:
            wave = await asyncio.to_thread(self._prepared, recording)
        shown = self._play
        if shown is None or self._playing.done():
            raise BenchError(self._where, "is not open", "async with, and a card that plays")
        if shown.pacer and not shown.done.done():
            raise BenchError(self._where, "it plays already", "one at a time")
        if start_us < now_us() + LEAD_S * 1e6:
            late = f"start {start_us} is over or too near"
            raise BenchError(self._where, late, f"{LEAD_S} s to prepare")
        wanted = -((self._origin_us - start_us) * rate // 1_000_000)
        begin = wanted + (shown.begin - wanted) % wave.lead
        pacer = Pacer(self._origin_us + begin * 1_000_000 // rate)
        self._play = play = _Play(wave, begin, pacer, Future())
        await asyncio.gather(asyncio.wrap_future(play.done), self._listen(play))
        return pacer.pacing()

    def onset(self, sample: float) -> float:
        """Where in `captured` a sample of the last play was heard; sample: by the card's rate.

        Found with the first wire's own input, on which its output must be looped back.
        """
        if self.captured is None or self.played is None:
            raise BenchError(self._where, "nothing was captured", "a play with a capture device")
        return lag(self.played[0], self.captured[0]) + sample

    async def _listen(self, play: _Play) -> None:
        assert play.pacer is not None  # noqa: S101  # play
        length, rate = play.wave.recording.length, self._card.rate_hz
        self.captured = None
        if self._card.capture:
            ahead_us = play.pacer.start_us - now_us()
            samples = round((ahead_us / 1e6 + LISTEN_S) * rate) + length
            self.captured = await heard(self._card, samples)
        self.played = await asyncio.to_thread(self._levels, play.wave.recording.counts, play.wave)

    async def _stream(self) -> None:
        """Block by block, each so early that it sounds at its instant."""
        rate, size = self._card.rate_hz, round(BLOCK_S * self._card.rate_hz)
        grid, place = Pacer(self._origin_us), 0
        try:
            while True:
                play = self._play
                assert play is not None  # noqa: S101  # __aenter__
                counts = play.wave.counts(place - play.begin, size, repeating=play.pacer is None)
                due_us = grid.due_us(place, rate) - BUFFER_US
                await grid.until(due_us)
                await self._speaker.write(self._levels(counts, play.wave))
                place += size
                self._told(play, place, due_us)
        except BenchError as error:
            if self._play and not self._play.done.done():
                self._play.done.set_exception(error)

    def _told(self, play: _Play, place: int, due_us: int) -> None:
        """All before this place is written."""
        if play.pacer is None or play.done.done() or place <= play.begin:
            return
        play.pacer.wrote(due_us)
        if place - play.begin >= play.wave.recording.length:
            play.done.set_result(None)

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
