from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import SensorError, SiteError
from agent.sensors import drivers
from agent.site import SensorConfig


def test_every_driver_of_the_table_can_be_built(tmp_path: Path) -> None:
    options: dict[str, dict[str, object]] = {
        "comtrade": {},
        "simulated": {"load_amps": 10.0},
        "modbus": {"host": "127.0.0.1", "profile": "generic"},
        "digitiser": {"port": "/dev/ttyACM0"},
    }
    assert set(options) == set(drivers.DRIVERS)
    for driver, known in options.items():
        sensor = drivers.build(SensorConfig("s", driver, known), lambda: 0, tmp_path)
        assert sensor.name == "s"


def test_a_file_beside_the_site_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text('source = "s"\n[[point]]\nname = "x"\naddress = 1\n')
    options = {"host": "h", "profile": "map.toml"}
    assert drivers.build(SensorConfig("m", "modbus", options), lambda: 0, tmp_path).name == "m"


def test_an_unknown_driver_is_told_with_those_that_are_there() -> None:
    with pytest.raises(SiteError, match="expected one of comtrade, simulated, modbus, digitiser"):
        drivers.build(SensorConfig("s", "telepathy"), lambda: 0)


def test_a_driver_is_imported_only_when_asked_for() -> None:
    code = (
        "import sys; from agent.sensors import drivers; from agent.site import SensorConfig;"
        "drivers.build(SensorConfig('s', 'simulated'), lambda: 0);"
        "print('pymodbus' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_a_serial_meter_costs_neither_pymodbus_client_nor_pyserial() -> None:
    code = (
        "import sys; from agent.sensors import drivers; from agent.site import SensorConfig;"
        "options = {'serial': '/dev/ttyS9', 'profile': 'abb-b23'};"
        "drivers.build(SensorConfig('s', 'modbus', options), lambda: 0);"
        "print([m for m in ('pymodbus', 'pymodbus.client', 'serial') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "['pymodbus']"


def test_a_digitiser_costs_no_pymodbus() -> None:
    code = (
        "import sys; from agent.sensors import drivers; from agent.site import SensorConfig;"
        "drivers.build(SensorConfig('s', 'digitiser', {'port': '/dev/ttyS9'}), lambda: 0);"
        "print([m for m in ('pymodbus', 'serial', 'hil') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_the_options_of_a_driver_are_checked_when_it_is_built() -> None:
    with pytest.raises(SensorError, match="sensor wire: colour: unknown"):
        drivers.build(SensorConfig("wire", "simulated", {"colour": 1}), lambda: 0)


def test_building_leaves_the_site_file_s_own_options_alone(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text('source = "s"\n[[point]]\nname = "x"\naddress = 1\n')
    options: dict[str, object] = {"host": "h", "profile": "map.toml"}
    drivers.build(SensorConfig("m", "modbus", options), lambda: 0, tmp_path)
    assert options == {"host": "h", "profile": "map.toml"}
