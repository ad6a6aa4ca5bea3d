"""The real meters' register maps, held against registers laid out by hand from their documents.

Every word stands here by its address as the document counts it, never by a key of the profile; an
address that is not in the table is refused, as the meter would refuse it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.records import Quality, Reading
from agent.sensors import profile
from agent.sensors.modbus import Modbus
from agent.sensors.modbus_bus import Bus
from agent.sensors.modbus_line import SerialLine
from hil.instruments.serial_bridge import registers, with_crc, words_reply
from tests.fast_bridge import FastBridge
from tests.fast_loop import FastLoop, run_fast

PHASES = {"ia": 5.0, "ib": 6.0, "ic": 7.0, "ua": 230.0, "ub": 231.0, "uc": 229.0}
RUNNING = {**PHASES, "p": 1000.0, "q": -250.0, "f": 50.0}


@dataclass(frozen=True)
class Meter:
    """Runs of registers, `address: words in hex`, and what the document says they mean.

    `first` is how the document counts the register that is 0 on the wire. IEEE 754 by hand:
    230 = 4366 0000, 231 = 4367 0000, 229 = 4365 0000, 5 = 40A0 0000, 6 = 40C0 0000, 7 = 40E0 0000,
    1000 = 447A 0000, -250 = C37A 0000, 50 = 4248 0000; 4120 0000 is a value that nobody asks for.
    """

    function: int
    first: int
    runs: str
    values: Mapping[str, float | None]

    def words(self) -> dict[int, int]:
        """By the address on the wire."""
        found = {}
        for line in self.runs.split("\n"):
            address, _, words = line.partition(":")
            for k, word in enumerate(words.split()):
                found[int(address, 0) - self.first + k] = int(word, 16)
        return found


METERS = {
    # Offsets 1 to 68 of the table.
    "siemens-pac3200": Meter(
        3,
        0,
        """1: 4366 0000 4367 0000 4365 0000  4120 0000 4120 0000 4120 0000
        13: 40A0 0000 40C0 0000 40E0 0000
        55: 4248 0000  4120 0000 4120 0000 4120 0000 4120 0000  447A 0000  C37A 0000""",
        RUNNING,
    ),
    # 2300 = 450F C000, 2310 = 4510 6000, 2290 = 450F 2000 are tenths of volts; 5000 = 459C 4000,
    # 6000 = 45BB 8000, 7000 = 45DA C000 milliamperes; 10000 = 461C 4000, -2500 = C51C 4000.
    "chint-dtsu666": Meter(
        3,
        0,
        """0x2006: 450F C000 4510 6000 450F 2000  459C 4000 45BB 8000 45DA C000
        0x2012: 461C 4000  4120 0000 4120 0000 4120 0000  C51C 4000
        0x2044: 459C 4000""",
        RUNNING,
    ),
    # A43/A44 manual, page 170: "00 00 00 65 ; L1 current = 1.01 A" and so on, but for a voltage
    # without data, and the reactive power of L2 in the place of the total's, for its sign.
    "abb-b23": Meter(
        3,
        0,
        """0x5B00: 0000 08FB 0000 0905 FFFF FFFF  0000 0FCA 0000 0FCA 0000 0FC0
        0x5B0C: 0000 0065 0000 00C9 0000 012E 0000 0086
        0x5B14: 0001 E8E4 0000 5AE2 0000 B097 0000 DD6B
        0x5B1C: FFFF D04A 0000 001C FFFF D04A 0000 A4DB
        0x5B24: 0002 25C3 0000 5AE2 0000 B6DF 0001 1402
        0x5B2C: 1383""",
        {"ia": 1.01, "ib": 2.01, "ic": 3.02, "i0": 1.34}
        | {"ua": 229.9, "ub": 230.9, "uc": None}
        | {"p": 1251.56, "q": -122.14, "f": 49.95},
    ),
    # INT32 with the low word first: 230.0 V = 2300 = 08FC 0000; -250.0 var = -2500 = F63C FFFF.
    "carlo-gavazzi-em340": Meter(
        3,
        0,
        """0x00: 08FC 0000 0906 0000 08F2 0000  0F9C 0000 0F9C 0000 0F9C 0000
        0x0C: 1388 0000 1770 0000 1B58 0000
        0x28: 2710 0000  2710 0000  F63C FFFF  03E8 03E8 03E8 03E8  0000  01F4""",
        RUNNING,
    ),
    # Registers count from 1; 1.0 kW = 3F80 0000, -2.5 kVAR = C020 0000.
    "schneider-iem3000": Meter(
        3,
        1,
        """3000: 40A0 0000 40C0 0000 40E0 0000
        3028: 4366 0000 4367 0000 4365 0000
        3060: 3F80 0000  4120 0000 4120 0000 4120 0000  C020 0000
        3110: 4248 0000""",
        {**RUNNING, "q": -2500.0},
    ),
    # Input registers 30001 on.
    "eastron-sdm630": Meter(
        4,
        30_001,
        """30001: 4366 0000 4367 0000 4365 0000  40A0 0000 40C0 0000 40E0 0000
        30053: 447A 0000  4120 0000 4120 0000 4120 0000  C37A 0000
        30063: 4120 0000 4120 0000 4120 0000 4120 0000  4248 0000""",
        RUNNING,
    ),
}


def read_out(name: str) -> Reading:
    """What the driver makes of this meter on a serial line."""
    document = METERS[name]
    words = document.words()

    async def respond(request: bytes) -> bytes:
        first, count = registers(request)
        asked = range(first, first + count)
        if request[1] != document.function or not all(address in words for address in asked):
            return with_crc(bytes((request[0], request[1] | 0x80, 2)))
        return words_reply(request, [words[address] for address in asked])

    async def scenario() -> Reading:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FastLoop)
        async with FastBridge(respond) as bridge:
            meter = Modbus(
                name="meter",
                bus=Bus(SerialLine(bridge.path, baud=9600, parity="even", stop_bits=1)),
                unit=1,
                profile=profile.load(name),
                period_ms=500,
                timeout_ms=500,
                now_us=loop.now_us,
            )
            async with asyncio.timeout(60), contextlib.aclosing(meter.stream()) as stream:
                async for item in stream:
                    if isinstance(item, Reading):
                        return item
        raise AssertionError("a stream does not end")

    return run_fast(scenario())


@pytest.mark.parametrize("name", METERS)
def test_a_meter_s_registers_are_the_values_that_its_document_gives_them(name: str) -> None:
    reading = read_out(name)
    seen = dict(zip((c.name for c in reading.layout.channels), reading.values, strict=True))
    expected = METERS[name].values
    assert seen.keys() == expected.keys()
    for point, value in expected.items():
        assert seen[point] == (None if value is None else pytest.approx(value, rel=1e-9)), point
    assert reading.quality is Quality.GOOD


def test_every_shipped_profile_of_a_real_meter_is_held_against_its_document() -> None:
    shipped = {path.stem for path in Path(profile.__file__).with_name("profiles").glob("*.toml")}
    assert shipped - {"generic"} == set(METERS)


@pytest.mark.parametrize("name", METERS)
def test_a_profile_cites_its_document_and_names_what_a_bay_looks_for(name: str) -> None:
    chart = profile.load(name)
    assert len(chart.source) > 80
    names = {channel.name for channel in chart.channels()}
    assert {"ia", "ib", "ic", "ua", "ub", "uc", "p", "q", "f"} <= names
    units = {channel.name: channel.unit for channel in chart.channels()}
    assert (units["p"], units["q"], units["f"]) == ("W", "var", "Hz")
