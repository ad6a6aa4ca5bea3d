"""A sound card through ALSA's own programs: aplay for what is played, arecord for what is heard.

Samples here are shares of the card's full scale, -1 to 1, shape (channels, n). No binding of ALSA
is needed, and a card that misbehaves ends a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from hil.errors import BenchError

Array = npt.NDArray[np.float64]

FULL = 2**31 - 1  # of S32_LE, which ALSA's plug layer fits to the card's own format
# Of the card: what is written sounds so much later, and a machine that is busy for less time than
# that is not heard.
BUFFER_US, PERIOD_US = 200_000, 10_000
INSTALLED = "Debian's alsa-utils"
LAST_WORDS_S = 5.0  # for a program to end once its input or its time is over


@dataclass(frozen=True, slots=True)
class Card:
    """playback, capture: ALSA's names (`aplay -L`), e.g. "plughw:CARD=USB". "" captures nothing.

    settings: a file beside ALSA's own that defines names, as ~/.asoundrc does.
    """

    playback: str
    capture: str = ""
    channels: int = 8
    rate_hz: int = 48_000
    settings: Path | None = None

    def words(self, program: str, device: str) -> list[str]:
        """The command line."""
        form = ["-t", "raw", "-f", "S32_LE", "-c", str(self.channels), "-r", str(self.rate_hz)]
        times = ["--buffer-time", str(BUFFER_US), "--period-time", str(PERIOD_US)]
        return [program, "-q", "-D", device, *form, *times]

    def environment(self) -> dict[str, str]:
        """Of the programs."""
        if self.settings is None:
            return dict(os.environ)
        known = f"/usr/share/alsa/alsa.conf:{self.settings}"
        return {**os.environ, "ALSA_CONFIG_PATH": known}


class Speaker:
    """What is written is played once the card's buffer is full; at the end it is played out."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await _started(self._card, "aplay", self._card.playback)
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        """Raises: BenchError when the card had failed and nobody knew."""
        process = self._process
        assert process is not None and process.stdin is not None  # noqa: S101, PT018  # __aenter__
        with contextlib.suppress(OSError):
            process.stdin.close()
        told = await _told(process)
        if process.returncode and kind is None:
            raise BenchError(f"aplay -D {self._card.playback}", told)

    async def write(self, samples: Array) -> None:
        """The next samples; beyond full scale is full scale. Raises: BenchError."""
        process = self._process
        assert process is not None and process.stdin is not None  # noqa: S101, PT018  # __aenter__
        words = np.rint(np.clip(samples, -1.0, 1.0) * FULL).astype("<i4")
        try:
            process.stdin.write(words.T.tobytes())
            await process.stdin.drain()
        except OSError as error:
            raise BenchError(f"aplay -D {self._card.playback}", await _told(process)) from error


async def heard(card: Card, samples: int) -> Array:
    """So many samples from now on. Raises: BenchError."""
    process = await _started(card, "arecord", card.capture, "-s", str(samples))
    try:
        data, told = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    words = np.frombuffer(data[: samples * card.channels * 4], dtype="<i4")
    if words.size < samples * card.channels:
        last_words = _one_line(told) or f"{words.size} values came"
        raise BenchError(f"arecord -D {card.capture}", last_words, f"{samples} samples")
    return np.asarray(words.reshape(-1, card.channels).T / FULL)


async def _started(card: Card, program: str, device: str, *more: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    try:
        return await asyncio.create_subprocess_exec(
            *card.words(program, device),
            *more,
            stdin=pipe,
            stdout=pipe if program == "arecord" else asyncio.subprocess.DEVNULL,
            stderr=pipe,
            env=card.environment(),
        )
    except OSError as error:
        raise BenchError(program, f"{error.strerror}", INSTALLED) from error


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Once it has played what it has, or has had its time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS_S):
            await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()


async def _told(process: asyncio.subprocess.Process) -> str:
    """Its last words."""
    await _ended(process)
    told = await process.stderr.read() if process.stderr else b""
    return _one_line(told) or f"ended: {process.returncode}"


def _one_line(told: bytes) -> str:
    return " ".join(told.decode(errors="replace").split())
