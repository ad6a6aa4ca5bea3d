"""Detection of six bays of eight channels at 12.8 kHz: how many times faster than real time.

The reference is a plain C loop (windows.c), compiled here with `cc -O3`, that makes the same sums
over the same windows and the same comparisons, called once a block as ours is.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agent.detect.detector import Detector, Tap
from agent.detect.settings import defaults
from agent.detect.tables import SCALE, tuned
from agent.records import Block, Channel, Layout
from agent.site import Bay
from bench.table import Row, interleaved

Array = npt.NDArray[np.float64]

BAYS, RATE, BLOCK = 6, 12_800, 64  # a block of a quarter cycle
ROLES = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0")
BAY = Bay(
    name="bay",
    section="section",
    nominal_volts=10_000.0,
    frequency_hz=50,
    earthing="resonant",
    rating_amps=400.0,
    line={"r1_ohms_per_km": 0.27, "x1_ohms_per_km": 0.36, "length_km": 12.0},
)
EVENTS_A_DAY, DAY_S = 200, 86_400
AMPS_PER_COUNT, VOLTS_PER_COUNT = 0.25, 0.5


def rows(quick: bool) -> Iterator[Row]:
    """Quiet, and with every element awake."""
    seconds, runs = (1, 3) if quick else (4, 9)
    quiet = blocks(waves(seconds, load_amps=180.0))
    faulted = blocks(waves(seconds, load_amps=2500.0, unbalance=0.3, sag=0.6))
    loop = Reference()
    agent_s, c_s = interleaved(
        runs, lambda: took(detector().feed, quiet), lambda: took(loop.feed, quiet)
    )
    awake = detector()
    for block in faulted:
        awake.feed(block)
    (awake_s,) = interleaved(runs, lambda: took(detector().feed, faulted))
    yield Row(
        what="6 bays x 8 channels, 12.8 kHz, quiet",
        value=seconds / agent_s,
        unit="x real time",
        at_least=150,
    )
    yield Row(
        what="  the same windows and comparisons in C",
        value=agent_s / c_s,
        unit="x the time",
        reference="cc -O3, x real time",
        reference_value=seconds / c_s,
        at_most=6,
    )
    yield Row(
        what="  every element of every bay awake",
        value=seconds / awake_s,
        unit="x real time",
        at_least=40,
    )
    (metered_s,) = interleaved(runs, lambda: took(lambda _: awake.meters(), quiet[:20]) / 20)
    yield Row(
        what="  meters of 6 bays, twice a second",
        value=2e3 * metered_s,
        unit="ms/s",
    )
    yield from day_rows(quick)


def day_rows(quick: bool) -> Iterator[Row]:
    """A day with 200 faults, from a sample of its seconds, each weighted by how often a day has it.

    A second of the day is quiet, or one of the 200 in which a fault comes, is located and goes.
    """
    quiet_s, events = (4, 6) if quick else (60, 60)
    fed = detector()
    for block in blocks(waves(2, load_amps=180.0)):
        fed.feed(block)
    begin = 2 * RATE  # the stream goes on
    quiet = timed(fed.feed, blocks(waves(quiet_s, load_amps=180.0), begin))
    eventful = timed(fed.feed, blocks(with_faults(events), begin + quiet_s * RATE))
    share = EVENTS_A_DAY / DAY_S
    cpu_s = (1 - share) * quiet[0].sum() / quiet_s + share * eventful[0].sum() / events
    sampled = f"by {quiet_s} quiet seconds and {events} with a fault"
    yield Row(
        what=f"  a day with {EVENTS_A_DAY} faults, {sampled}",
        value=float(1 / cpu_s),
        unit="x real time",
        at_least=40,
    )
    weights = [(quiet[0], (1 - share) / quiet_s), (eventful[0], share / events)]
    block_s = BLOCK / RATE
    yield Row(
        what="  99.9th percentile of a block's CPU time, of its duration",
        value=100 * weighted_quantile(weights, 0.999) / block_s,
        unit="%",
        at_most=25,
    )
    yield Row(
        what="  the slowest block, wall time (a fault's)",
        value=1e3 * float(max(quiet[1].max(), eventful[1].max())),
        unit="ms",
    )


def with_faults(count: int) -> Array:
    """Counts of `count` seconds, in each of which one bay has a fault between B and C for 100 ms,
    and every bay its dip.
    """
    samples = waves(count, load_amps=180.0)
    t = np.arange(RATE // 10) / RATE
    for number in range(count):
        first = number * RATE + RATE // 3 + 17 * number  # at any angle
        span = slice(first, first + t.size)
        angle = 2 * np.pi * 50 * (t + first / RATE) - 1.9
        amps = 3000 * 2**0.5 * (np.cos(angle) - np.cos(angle[0]) * np.exp(-t / 0.03))
        row = number % BAYS * len(ROLES)
        samples[row + 1, span] += np.rint(amps / AMPS_PER_COUNT)
        samples[row + 2, span] -= np.rint(amps / AMPS_PER_COUNT)
        for bay in range(BAYS):
            volts = samples[bay * len(ROLES) + 5 : bay * len(ROLES) + 7, span]
            half = (volts[0] - volts[1]) / 2
            volts[0] -= np.rint(0.4 * half)
            volts[1] += np.rint(0.4 * half)
    return samples


def timed(feed: Callable[[Block], object], given: list[Block]) -> tuple[Array, Array]:
    """CPU and wall time of each block. [s]"""
    cpu, wall = [], []
    for block in given:
        cpu_began, began = time.process_time(), time.perf_counter()
        feed(block)
        cpu.append(time.process_time() - cpu_began)
        wall.append(time.perf_counter() - began)
    return np.array(cpu), np.array(wall)


def weighted_quantile(weights: list[tuple[Array, float]], share: float) -> float:
    """Of samples of which each array's count with a weight of their own."""
    values = np.concatenate([each for each, _ in weights])
    counts = np.concatenate([np.full(each.size, weight) for each, weight in weights])
    order = np.argsort(values)
    below = np.cumsum(counts[order]) / counts.sum()
    return float(values[order][np.searchsorted(below, share)])


def waves(seconds: int, load_amps: float, unbalance: float = 0.0, sag: float = 1.0) -> Array:
    """Counts of every channel, shape (48, n): load with harmonics and noise at 60 dB."""
    t = np.arange(seconds * RATE) / RATE
    chance = np.random.default_rng(1)
    channels: list[Array] = []
    for bay in range(BAYS):
        phases = [0.1 * bay - k * 2 * np.pi / 3 for k in range(3)]
        amps = [load_amps * (1 + unbalance * (k == 0)) for k in range(3)]
        currents = [_wave(t, a, shift - 0.4, 0.03) for a, shift in zip(amps, phases, strict=True)]
        volts = [_wave(t, 5773.5 * sag, shift, 0.015) for shift in phases]
        channels += [*currents, np.sum(currents, axis=0), *volts, np.mean(volts, axis=0)]
    scale = np.array([_scale(role) for _ in range(BAYS) for role in ROLES])[:, None]
    peak = np.abs(channels).max(axis=1, keepdims=True)
    noisy = np.array(channels) + chance.normal(0, 1, (len(channels), t.size)) * peak * 1e-3 / 2**0.5
    return np.asarray(np.rint(noisy / scale))


def _wave(t: Array, rms: float, shift: float, fifth: float) -> Array:
    angle = 2 * np.pi * 50 * t + shift
    return np.asarray(rms * 2**0.5 * (np.cos(angle) + fifth * np.cos(5 * angle)))


def _scale(role: str) -> float:
    return AMPS_PER_COUNT if role[0] == "i" else VOLTS_PER_COUNT


LAYOUT = Layout(
    "wire",
    tuple(Channel(f"{role}{bay}", "A") for bay in range(BAYS) for role in ROLES),
    Fraction(RATE),
)


def blocks(samples: Array, begin: int = 0) -> list[Block]:
    """As a driver delivers them; begin: index of the first sample."""
    return [
        Block(LAYOUT, begin + first, 0, np.ascontiguousarray(samples[:, first : first + BLOCK]))
        for first in range(0, samples.shape[1], BLOCK)
    ]


def detector() -> Detector:
    """Every element at its default."""
    wired = []
    for number in range(BAYS):
        taps = {role: Tap(number * len(ROLES) + k, _scale(role)) for k, role in enumerate(ROLES)}
        bay = replace(BAY, name=f"bay{number}")
        wired.append((bay, defaults(bay), taps))
    return Detector(LAYOUT, wired)


def took(feed: Callable[[Block], object], given: list[Block]) -> float:
    """Seconds for all of them."""
    begin = time.process_time()
    for block in given:
        feed(block)
    return time.process_time() - begin


class _State(ctypes.Structure):
    _pointers = ("cosine", "sine", "history", "re", "im", "total", "square", "change", "energy")
    _fields_ = (
        *[(name, ctypes.c_long) for name in ("channels", "window", "rows", "bays")],
        *[(name, ctypes.c_void_p) for name in _pointers],
        *[(name, ctypes.c_void_p) for name in ("mix", "low", "high", "floor_energy")],
        *[(name, ctypes.c_double) for name in ("leak", "reach", "scale")],
        *[(name, ctypes.c_long) for name in ("at", "block")],
    )


class Reference:
    """The C loop over the same samples, with as many rows to compare as ours."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "windows.so"
            source = Path(__file__).with_name("windows.c")
            command = ["cc", "-O3", "-shared", "-fPIC", "-o", str(library), str(source), "-lm"]
            subprocess.run(command, check=True)
            self._follow = ctypes.CDLL(str(library)).follow
        channels, window, compared = BAYS * len(ROLES), RATE // 50, BAYS * 10
        tuning = tuned(RATE, 1, 50_000)
        self._kept = {
            "cosine": np.array(tuning.cosine, dtype=np.float64),
            "sine": np.array(tuning.sine, dtype=np.float64),
            "history": np.zeros((channels, window)),
            **{name: np.zeros(channels) for name in ("re", "im", "total", "square", "change")},
            "energy": np.zeros((channels, 8)),
            "mix": np.random.default_rng(2).random((compared, channels)),
            "low": np.full(compared, -np.inf),
            "high": np.full(compared, np.inf),
            "floor_energy": np.full(channels, np.inf),
        }
        numbers = {"channels": channels, "window": window, "rows": compared, "bays": BAYS}
        pointers = {name: array.ctypes.data for name, array in self._kept.items()}
        scale = 2.0 / (SCALE * window)
        self._state = _State(**numbers, **pointers, leak=1.0, reach=0.1, scale=scale)

    def feed(self, block: Block) -> int:
        """Bays that moved."""
        moved: int = self._follow(
            ctypes.byref(self._state),
            ctypes.c_void_p(block.counts.ctypes.data),
            ctypes.c_long(block.counts.shape[1]),
        )
        return moved
