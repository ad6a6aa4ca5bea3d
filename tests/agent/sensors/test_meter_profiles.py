"""The real meters' register maps, held against registers laid out by hand from their documents.

Every word stands here by its address as the document counts it, never by a key of the profile; an
address that is not in the table is refused, as the meter would refuse it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.records import Quality, Reading
from agent.sensors import profile
from agent.sensors.modbus import Modbus
from agent.sensors.modbus_bus import Bus
from agent.sensors.modbus_line import SerialLine
from tests.fast_loop import FastLoop, run_fast
from tests.serial_bridge import Bridge, registers, with_crc, words_reply

# IEEE 754 single precision, by hand: value -> the two words, high word first.
F230, F231, F229 = (0x4366, 0x0000), (0x4367, 0x0000), (0x4365, 0x0000)
F2300, F2310, F2290 = (0x450F, 0xC000), (0x4510, 0x6000), (0x450F, 0x2000)
F5, F6, F7 = (0x40A0, 0x0000), (0x40C0, 0x0000), (0x40E0, 0x0000)
F5000, F6000, F7000 = (0x459C, 0x4000), (0x45BB, 0x8000), (0x45DA, 0xC000)
F50 = (0x4248, 0x0000)
F1, M2_5 = (0x3F80, 0x0000), (0xC020, 0x0000)  # 1.0, -2.5
F1000, M250 = (0x447A, 0x0000), (0xC37A, 0x0000)  # 1000.0, -250.0
OTHER = (0x4120, 0x0000)  # a value in between that nobody asks for

PHASES = {"ia": 5.0, "ib": 6.0, "ic": 7.0, "ua": 230.0, "ub": 231.0, "uc": 229.0}
RUNNING = {**PHASES, "p": 1000.0, "q": -250.0, "f": 50.0}

# By the document's own addresses; `less` is what the wire's are smaller by.
METERS: dict[str, tuple[int, int, Mapping[int, tuple[int, ...]], Mapping[str, float | None]]] = {
    # Function 03, offsets 1 to 68; the rest of the table stands between.
    "siemens-pac3200": (
        3,
        0,
        {
            **{offset: OTHER for offset in (7, 9, 11, 57, 59, 61, 63)},
            **{1: F230, 3: F231, 5: F229, 13: F5, 15: F6, 17: F7},
            **{55: F50, 65: F1000, 67: M250},
        },
        RUNNING,
    ),
    "chint-dtsu666": (
        3,
        0,
        {
            **{0x2006: F2300, 0x2008: F2310, 0x200A: F2290},
            **{0x200C: F5000, 0x200E: F6000, 0x2010: F7000},
            **{0x2014: OTHER, 0x2016: OTHER, 0x2018: OTHER},
            **{0x2012: (0x461C, 0x4000), 0x201A: (0xC51C, 0x4000)},  # 10000, -2500
            0x2044: (0x459C, 0x4000),  # 5000 -> 50 Hz
        },
        RUNNING,
    ),
    # A43/A44 manual, page 170: "00 00 00 65 ; L1 current = 1.01 A" and so on.
    "abb-b23": (
        3,
        0,
        {
            **{0x5B00: (0, 0x08FB), 0x5B02: (0, 0x0905), 0x5B04: (0xFFFF, 0xFFFF)},
            **{0x5B06: (0, 0x0FCA), 0x5B08: (0, 0x0FCA), 0x5B0A: (0, 0x0FC0)},
            **{0x5B0C: (0, 0x65), 0x5B0E: (0, 0xC9), 0x5B10: (0, 0x012E), 0x5B12: (0, 0x86)},
            **{0x5B14: (0x0001, 0xE8E4), 0x5B16: (0, 0x5AE2), 0x5B18: (0, 0xB097)},
            **{0x5B1A: (0, 0xDD6B), 0x5B1C: (0xFFFF, 0xD04A), 0x5B1E: (0, 0x1C)},
            **{0x5B20: (0xFFFF, 0xD04A), 0x5B22: (0, 0xA4DB), 0x5B24: (2, 0x25C3)},
            **{0x5B26: (0, 0x5AE2), 0x5B28: (0, 0xB6DF), 0x5B2A: (1, 0x1402), 0x5B2C: (0x1383,)},
        },
        {
            **{"ia": 1.01, "ib": 2.01, "ic": 3.02, "i0": 1.34},
            **{"ua": 229.9, "ub": 230.9, "uc": None, "p": 1251.56, "q": -122.14, "f": 49.95},
        },
    ),
    # Physical addresses; INT32 with the low word first: 230.0 V = 2300 = 0x000008FC.
    "carlo-gavazzi-em340": (
        3,
        0,
        {
            **{0x00: (0x08FC, 0), 0x02: (0x0906, 0), 0x04: (0x08F2, 0)},
            **{0x06: (0x0F9C, 0), 0x08: (0x0F9C, 0), 0x0A: (0x0F9C, 0)},
            **{0x0C: (0x1388, 0), 0x0E: (0x1770, 0), 0x10: (0x1B58, 0)},
            **{0x28: (0x2710, 0), 0x2A: (0x2710, 0), 0x2C: (0xF63C, 0xFFFF)},  # -2500
            **{0x2E: (1000,), 0x2F: (1000,), 0x30: (1000,), 0x31: (1000,), 0x32: (0,)},
            0x33: (500,),
        },
        RUNNING,
    ),
    # Register numbers of the list, which begin at 1; power in kW and kVAR.
    "schneider-iem3000": (
        3,
        1,
        {
            **{3000: F5, 3002: F6, 3004: F7, 3028: F230, 3030: F231, 3032: F229},
            **{3060: F1, 3062: OTHER, 3064: OTHER, 3066: OTHER, 3068: M2_5, 3110: F50},
        },
        {**RUNNING, "q": -2500.0},
    ),
    # Input registers 30001 on, function 04.
    "eastron-sdm630": (
        4,
        30_001,
        {
            **{30_001: F230, 30_003: F231, 30_005: F229, 30_007: F5, 30_009: F6, 30_011: F7},
            **{30_053: F1000, 30_055: OTHER, 30_057: OTHER, 30_059: OTHER, 30_061: M250},
            **{30_063: OTHER, 30_065: OTHER, 30_067: OTHER, 30_069: OTHER, 30_071: F50},
        },
        RUNNING,
    ),
}


def read_out(name: str) -> Reading:
    """What the driver makes of this meter on a serial line."""
    function, less, table, _ = METERS[name]
    words = {
        address - less + k: word for address, value in table.items() for k, word in enumerate(value)
    }

    async def respond(request: bytes) -> bytes:
        first, count = registers(request)
        asked = range(first, first + count)
        if request[1] != function or not all(address in words for address in asked):
            return with_crc(bytes((request[0], request[1] | 0x80, 2)))
        return words_reply(request, [words[address] for address in asked])

    async def scenario() -> Reading:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FastLoop)
        async with Bridge(respond) as bridge:
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
    expected = METERS[name][3]
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
