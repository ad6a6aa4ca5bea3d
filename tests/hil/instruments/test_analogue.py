"""The analogue player through ALSA's file plug-in: what reaches the card, and what it hears."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from hil.case import Recording
from hil.errors import BenchError
from hil.instruments.alarm_contact import contact_latency
from hil.instruments.analogue import Analogue, Wire
from hil.instruments.contract import Pacing
from hil.instruments.loopback import Calibration, Channel
from hil.instruments.pacing import now_us
from hil.instruments.resample import resampled
from tests.hil.instruments.alsa import (
    Array,
    card,
    played,
    skip_without_alsa,
    through_a_cable,
    to_be_heard,
)
from tests.hil.waves import AMPS, feeder, recording

RATE_HZ = 48_000
ROLES = ("ia", "ib", "ic", "ua", "ub", "uc")
WIRES = [Wire(role, 2000.0 if role[0] == "i" else 12_000.0) for role in ROLES]
ONSET_S = 0.2
EDGE = 600  # samples at which it shows that `expected` begins and ends in nothing


def struck() -> Recording:
    waves = feeder(seconds=0.4)
    waves["ia"][round(ONSET_S * 4000) :] *= 3
    return recording(waves)


def expected() -> Array:
    """What the wires should carry, shares of full scale, while the recording lasts."""
    waves = feeder(seconds=0.4)
    waves["ia"][round(ONSET_S * 4000) :] *= 3
    full = {wire.role: wire.full_scale for wire in WIRES}
    return np.array([resampled(waves[role], 4000, RATE_HZ) / full[role] for role in ROLES])


async def once(player: Analogue, case: Recording) -> Pacing:
    async with player:
        return await player.play(case, now_us() + 900_000)


def place_of(wave: Array, line: Array) -> int:
    """Where in the line the wave begins: by least squares over what is around the onset."""
    begin = round((ONSET_S - 0.02) * RATE_HZ)
    part = wave[begin : begin + 2000]
    energy = np.concatenate(([0.0], np.cumsum(line**2)))
    within = energy[part.size :] - energy[: -part.size]
    return int(np.argmin(within - 2 * np.correlate(line, part, mode="valid"))) - begin


def test_a_recording_reaches_the_outputs_between_its_steady_ends(tmp_path: Path) -> None:
    skip_without_alsa()
    case = struck()

    async def scenario() -> Pacing:
        async with Analogue(case, card(tmp_path, capture=False), WIRES) as player:
            pacing = await player.play(case, now_us() + 900_000)
            ended = played(tmp_path).shape[1]
            async with asyncio.timeout(10):
                while played(tmp_path).shape[1] < ended + RATE_HZ // 10:  # noqa: ASYNC110  # a file
                    await asyncio.sleep(0.01)
        return pacing

    pacing = asyncio.run(scenario())

    lines, wave = played(tmp_path), expected()
    at = place_of(wave[0], lines[0])
    middle = slice(at + EDGE, at + wave.shape[1] - EDGE)
    for line, row in zip(lines, wave, strict=False):
        assert np.max(np.abs(line[middle] - row[EDGE:-EDGE])) < 1e-4
    assert np.all(lines[6:] == 0.0)
    cycle = RATE_HZ // 50
    before, after = lines[0, at - 5 * cycle : at - cycle], lines[0, at + 20 * cycle :]
    t = np.arange(4 * cycle) / RATE_HZ
    calm = AMPS * 2**0.5 / 2000 * np.cos(2 * np.pi * 50 * t - 0.4)
    assert np.max(np.abs(before - calm)) < 1e-4
    assert np.max(np.abs(after[: 4 * cycle] - 3 * calm)) < 1e-3
    assert pacing.writes == pytest.approx(41, abs=1)


def test_a_calibration_makes_all_channels_alike_behind_their_cables(tmp_path: Path) -> None:
    skip_without_alsa()
    case = struck()
    channels = [Channel(0.95 - 0.03 * k, 50e-6 * (k % 3), 0.0) for k in range(8)]
    calibration = Calibration(RATE_HZ, "test", tuple(channels))
    player = Analogue(case, card(tmp_path, capture=False), WIRES, calibration=calibration)

    asyncio.run(once(player, case))

    lines = played(tmp_path)
    heard = np.array(
        [through_a_cable(line, c.gain, c.delay_s) for line, c in zip(lines, channels, strict=True)]
    )
    # All come as late as the slowest channel does: seen at the start of that much later a wave.
    wave = expected()
    late = np.array([through_a_cable(row, 1.0, 100e-6) for row in wave])
    at = place_of(wave[0], through_a_cable(heard[0], 1.0, -100e-6))
    for line, row in zip(heard, late, strict=False):
        assert np.max(np.abs(line[at + EDGE : at + 18_000] - row[EDGE:18_000])) < 5e-4


def test_the_contact_s_latency_is_measured_on_the_card_s_own_clock(tmp_path: Path) -> None:
    skip_without_alsa()
    case = struck()
    wave, offset = expected(), 31_234
    inputs = 1e-4 * np.random.default_rng(2).standard_normal((8, 4 * RATE_HZ))
    inputs[0, offset : offset + wave.shape[1]] += 0.9 * wave[0]
    onset = offset + ONSET_S * RATE_HZ
    closed = round(onset + 0.0173 * RATE_HZ)
    inputs[7, closed:] += 0.5
    inputs[7, closed + 40 : closed + 70] -= 0.5
    to_be_heard(tmp_path, inputs)
    player = Analogue(case, card(tmp_path), WIRES)

    asyncio.run(once(player, case))

    found = player.onset(ONSET_S * RATE_HZ)
    assert found == pytest.approx(onset, abs=1.0)
    assert player.captured is not None
    assert contact_latency(player.captured[7], found) == pytest.approx(17.3, abs=0.05)


def test_what_an_output_cannot_hold_is_refused_before_anything_sounds(tmp_path: Path) -> None:
    small = [Wire("ia", 300.0)]
    with pytest.raises(BenchError, match=r"ia reaches 2\d\d% .* expected a larger full_scale"):
        Analogue(struck(), card(tmp_path), small)
    with pytest.raises(BenchError, match="9 wires; expected at most 8"):
        Analogue(struck(), card(tmp_path), [Wire("ia", 1e5)] * 9)


def test_a_card_that_is_taken_away_ends_the_play_with_one_line(tmp_path: Path) -> None:
    skip_without_alsa()
    case = recording(feeder(seconds=3.0))

    async def scenario() -> None:
        player = Analogue(case, card(tmp_path, capture=False), WIRES)
        async with player:
            playing = asyncio.create_task(player.play(case, now_us() + 900_000))
            await asyncio.sleep(0.2)
            process = player._speaker._process
            assert process is not None
            process.kill()
            async with asyncio.timeout(5):
                await playing

    with pytest.raises(BenchError, match=r"^aplay -D player: ended: -9"):
        asyncio.run(scenario())


def test_a_play_that_cannot_be_in_time_is_refused(tmp_path: Path) -> None:
    skip_without_alsa()
    case = struck()

    async def scenario() -> None:
        player = Analogue(case, card(tmp_path, capture=False), WIRES)
        with pytest.raises(BenchError, match="is not open"):
            await player.play(case, now_us() + 900_000)
        async with player:
            with pytest.raises(BenchError, match="too near"):
                await player.play(case, now_us())
        with pytest.raises(BenchError, match="nothing was captured"):
            player.onset(0)

    asyncio.run(scenario())
