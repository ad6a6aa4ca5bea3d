"""Sampled values over a real pair of virtual interfaces."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from hil.case import Recording
from hil.errors import BenchError
from hil.instruments.contract import Pacing
from hil.instruments.endless import Endless, at_rate
from hil.instruments.pacing import now_us
from hil.instruments.sampled_values import SampledValues, data_set
from hil.instruments.sv_frame import ETHERTYPE, SvStream
from hil.instruments.veth import VethPair
from tests.hil.waves import AMPS, feeder, recording


@pytest.fixture
def cable() -> Iterator[VethPair]:
    pair = VethPair()
    try:
        pair.__enter__()
    except BenchError as error:
        pytest.skip(f"no virtual interfaces here: {error}")
    yield pair
    pair.__exit__()


def heard(link: socket.socket) -> list[bytes]:
    """All frames that have arrived."""
    frames = []
    while True:
        try:
            frames.append(link.recv(2048))
        except BlockingIOError:
            return frames


def played(cable: VethPair, case: Recording, stream: SvStream) -> tuple[list[bytes], Pacing, int]:
    """What arrived at the far end, from shortly before to shortly after."""

    async def scenario() -> tuple[Pacing, int]:
        async with SampledValues(case, cable.near, stream=stream) as unit:
            start_us = now_us() + 400_000
            pacing = await unit.play(case, start_us)
            await asyncio.sleep(0.02)
        return pacing, start_us

    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE)) as link:
        link.bind((cable.far, 0))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        link.setblocking(False)
        pacing, start_us = asyncio.run(scenario())
        return heard(link), pacing, start_us


def numbers(frame: bytes, stream: SvStream) -> list[int]:
    """smpCnt of each ASDU."""
    mark = stream.sv_id.encode() + b"\x82\x02"
    return [int.from_bytes(part[:2], "big") for part in frame.split(mark)[1:]]


@pytest.mark.parametrize(("rate_hz", "asdus"), [(4000, 1), (4800, 2), (12_800, 8)])
def test_every_sample_arrives_once_in_order_with_its_cycles_before_and_after(
    cable: VethPair, rate_hz: int, asdus: int
) -> None:
    waves = feeder(seconds=0.3)
    waves["ia"][600:900] *= 4
    case = recording(waves)
    stream = SvStream("FTU1MU01", rate_hz, asdus)
    frames, pacing, asked_us = played(cable, case, stream)

    counts = [count for frame in frames for count in numbers(frame, stream)]
    assert all(b == (a + 1) % rate_hz for a, b in pairwise(counts))
    assert asked_us <= pacing.start_us < asked_us + 40_001
    begin = round(pacing.start_us % 1_000_000 * rate_hz / 1e6)  # smpCnt of the first sample
    first = counts.index(begin)
    length = round(0.3 * rate_hz)
    assert first > 0.03 * rate_hz  # it was on before
    assert len(counts) > first + length  # and stays on
    wave = Endless(at_rate(case, rate_hz))
    values, qualities = data_set(wave.recording, wave.counts(-first, len(counts)))
    expected = stream.frames(values, qualities, counts[0])
    assert frames == [row.tobytes() for row in expected]
    assert pacing.writes == pytest.approx(length / asdus, abs=1)
    assert 0 <= pacing.mean_us <= pacing.max_us


def test_a_second_play_follows_the_first(cable: VethPair) -> None:
    case = recording(feeder(seconds=0.1))

    async def scenario() -> list[Pacing]:
        async with SampledValues(case, cable.near) as unit:
            return [await unit.play(case, now_us() + 400_000) for _ in range(2)]

    assert [pacing.writes for pacing in asyncio.run(scenario())] == [400, 400]


def test_an_interface_that_goes_away_ends_the_play_with_one_line(cable: VethPair) -> None:
    case = recording(feeder(seconds=5.0))

    async def scenario() -> None:
        async with SampledValues(case, cable.near) as unit:
            playing = asyncio.create_task(unit.play(case, now_us() + 400_000))
            await asyncio.sleep(0.5)
            cable.__exit__()
            try:
                async with asyncio.timeout(3):
                    await playing
            finally:
                cable.__enter__()

    with pytest.raises(BenchError, match=r"sampled values ftu1MU01: .*; expected an interface"):
        asyncio.run(scenario())


def test_a_play_that_cannot_be_in_time_is_refused(cable: VethPair) -> None:
    case = recording(feeder(seconds=0.1))

    async def scenario() -> None:
        unit = SampledValues(case, cable.near)
        with pytest.raises(BenchError, match="is not open"):
            await unit.play(case, now_us() + 400_000)
        async with unit:
            with pytest.raises(BenchError, match=r"is over or too near; expected 0\.05 s"):
                await unit.play(case, now_us())

    asyncio.run(scenario())


def test_an_interface_that_is_not_there_is_told() -> None:
    case = recording(feeder(seconds=0.1))

    async def scenario() -> None:
        async with SampledValues(case, "nonesuch0"):
            pass

    with pytest.raises(BenchError, match=r"interface nonesuch0: .* expected an interface"):
        asyncio.run(scenario())


def test_values_are_primary_milliamperes_and_hundredths_of_volts() -> None:
    waves = feeder(seconds=0.1)
    waves["ib"] = waves["ib"] * 0
    del waves["i0"], waves["u0"]
    case = recording(waves)
    values, qualities = data_set(case, case.counts)

    assert np.sqrt(np.mean(values[0].astype(float) ** 2)) == pytest.approx(AMPS * 1e3, rel=1e-3)
    assert np.max(np.abs(values[4] * 0.01 - waves["ua"])) < 0.06
    assert np.max(np.abs(values[3] * 1e-3 - waves["ia"] - waves["ic"])) < 0.02
    assert list(qualities) == [0, 0, 0, 0x2000, 0, 0, 0, 0x2000]


def test_the_table_is_the_contract_s() -> None:
    unit = SampledValues(recording(feeder(seconds=0.1)), "veth0", listens="veth1")

    assert unit.sensor() == (
        '[[sensor]]\nname = "ftu1"\ndriver = "sampled_values"\n'
        'interface = "veth1"\nsv_id = "ftu1MU01"\n'
    )
    assert unit.channels().splitlines()[0] == 'ia = "ftu1.ia"'
