"""Amplitude and phase of an analogue player, from a loop-back record: each output to its own input.

Every channel plays tones of its own at once, so that a cable on the wrong socket shows. Gain and
delay are the least squares over the tones; all delays are known but for one that they have in
common, since record and play do not start together. What is found is kept as TOML.
"""

from __future__ import annotations

import asyncio
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hil.errors import BenchError, CaseError
from hil.instruments.sound_card import Card, Speaker, heard

Array = npt.NDArray[np.float64]

# Whole hertz, so that a second of them is whole cycles; the next channel's are 3 Hz higher.
TONES_HZ, NEXT_HZ = (45, 215, 605, 1205, 1805), 3
TONE_PEAK = 0.15  # of full scale, each: five of them stay below it
QUIET_S, SOUND_S, WINDOW_S, SETTLED_S = 0.3, 1.6, 1.0, 0.3
LATEST_S = 0.5  # that the tones may come after the record's begin
SILENT_GAIN = 1e-3
WORST_RESIDUAL = 0.05  # of what was heard: above it something else than our tones is on the line


@dataclass(frozen=True, slots=True)
class Channel:
    """heard = gain * played, later by delay_s than the fastest channel; residual: RMS share that
    this does not explain.
    """

    gain: float
    delay_s: float
    residual: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """source: what it was found from, in words."""

    rate_hz: int
    source: str
    channels: tuple[Channel, ...]

    def toml(self) -> str:
        """As `load` reads it."""
        head = f'# Loop-back calibration of an analogue player.\nsource = "{self.source}"\n'
        rows = (
            f"\n[[channel]]\ngain = {c.gain!r}\ndelay_us = {c.delay_s * 1e6!r}\n"
            f"residual = {c.residual!r}\n"
            for c in self.channels
        )
        return f"{head}rate_hz = {self.rate_hz}\n{''.join(rows)}"


def load(path: Path) -> Calibration:
    """Raises: CaseError."""
    try:
        told = tomllib.loads(path.read_text())
        channels = tuple(
            Channel(float(c["gain"]), float(c["delay_us"]) / 1e6, float(c["residual"]))
            for c in told["channel"]
        )
        return Calibration(int(told["rate_hz"]), str(told["source"]), channels)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CaseError(str(path), f"{error!r}", "a calibration that the rig wrote") from error


def tones(channels: int, rate_hz: int) -> Array:
    """What is played, shape (channels, n): silence, tones, silence."""
    t = np.arange(round(SOUND_S * rate_hz)) / rate_hz
    quiet = np.zeros(round(QUIET_S * rate_hz))
    # Phases by a quadratic rule (Schroeder) keep the peaks of the sum apart.
    rows = [
        sum(
            TONE_PEAK * np.sin(2 * np.pi * (hz + NEXT_HZ * k) * t + np.pi * m * m / len(TONES_HZ))
            for m, hz in enumerate(TONES_HZ)
        )
        for k in range(channels)
    ]
    return np.array([np.concatenate((quiet, row, quiet)) for row in rows])


async def calibrated(card: Card) -> Calibration:
    """Plays the tones and listens. Takes some seconds. Raises: BenchError."""
    sound = tones(card.channels, card.rate_hz)
    listening = asyncio.create_task(heard(card, sound.shape[1] + round(LATEST_S * card.rate_hz)))
    try:
        async with Speaker(card) as speaker:
            await speaker.write(sound)
        captured = await listening
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    source = f"{card.playback} to {card.capture}, tones of {TONES_HZ[0]} to {TONES_HZ[-1]} Hz"
    return solved(sound, captured, card.rate_hz, source)


def solved(played: Array, captured: Array, rate_hz: int, source: str) -> Calibration:
    """Gain and delay of every channel. Raises: BenchError that names the first that is wrong."""
    found = [_channel(k, row, captured[k], rate_hz) for k, row in enumerate(played)]
    fastest = min(channel.delay_s for channel in found)
    channels = [Channel(c.gain, c.delay_s - fastest, c.residual) for c in found]
    return Calibration(rate_hz, source, tuple(channels))


def _channel(k: int, played: Array, captured: Array, rate_hz: int) -> Channel:
    late = lag(played, captured)
    begin, n = round((QUIET_S + SETTLED_S) * rate_hz), round(WINDOW_S * rate_hz)
    hz = np.array(TONES_HZ) + NEXT_HZ * k
    out = _tones_in(played[begin : begin + n], hz, rate_hz)
    window = captured[max(0, begin + late) :][:n]
    where = f"loop-back of channel {k + 1}"
    if window.size < n:
        raise BenchError(where, "its tones do not lie within the record", "output to its own input")
    back = _tones_in(window, hz, rate_hz)
    gain = float(np.abs(back) @ np.abs(out) / (np.abs(out) @ np.abs(out)))
    if gain < SILENT_GAIN:
        raise BenchError(where, f"gain {gain:.1e}", "the output's own tones at its own input")
    phase = np.angle(back / out)
    inside_s = -float(hz @ phase / (2 * np.pi * (hz @ hz)))
    t = np.arange(n) / rate_hz
    model = sum(
        np.real(2 * gain * tone * np.exp(2j * np.pi * f * (t - inside_s)))
        for f, tone in zip(hz, out, strict=True)
    )
    rest = window - window.mean() - model
    residual = float(np.sqrt(np.mean(rest**2) / np.mean((window - window.mean()) ** 2)))
    if residual > WORST_RESIDUAL:
        told = f"{residual:.0%} of what is heard is none of its tones"
        raise BenchError(
            where, told, f"at most {WORST_RESIDUAL:.0%}: cable, polarity, level, clipping?"
        )
    return Channel(gain, late / rate_hz + inside_s, residual)


def _tones_in(window: Array, hz: npt.NDArray[np.int64], rate_hz: int) -> npt.NDArray[np.complex128]:
    """Half the complex amplitude of each tone: least squares, as they are whole cycles here."""
    turns = np.exp(-2j * np.pi * np.outer(hz, np.arange(window.size)) / rate_hz)
    return np.asarray(turns @ window / window.size)


def lag(played: Array, captured: Array) -> int:
    """By how many samples what was played came later in what was captured; it may be negative."""
    size = 1 << int(np.ceil(np.log2(played.size + captured.size)))
    spectrum = np.fft.rfft(captured - captured.mean(), size) * np.conj(np.fft.rfft(played, size))
    best = int(np.argmax(np.abs(np.fft.irfft(spectrum, size))))
    return best if best < captured.size else best - size
