"""The drivers by name, each imported only when a site file asks for it.

Adding a device is adding its file, with a function `from_options(name, options, now_us)`, and a
line here.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from agent.errors import SiteError
from agent.sensors.contract import Sensor
from agent.site import SensorConfig

DRIVERS = {
    "comtrade": "agent.sensors.comtrade",
    "simulated": "agent.sensors.simulated",
    "modbus": "agent.sensors.modbus",
    "digitiser": "agent.sensors.digitiser",
}
# Options that name a file beside the site file.
_FILES = ("path", "profile")


def build(config: SensorConfig, now_us: Callable[[], int], folder: Path = Path()) -> Sensor:
    """The sensor that a [[sensor]] table describes.

    now_us: the monotonic clock that stamps what it delivers; folder: where relative files start.
    Raises: SiteError for a driver that does not exist, SensorError for its options.
    """
    place = DRIVERS.get(config.driver)
    if place is None:
        known = ", ".join(DRIVERS)
        raise SiteError(
            f"[[sensor]] {config.name}", (f"driver = {config.driver!r}; expected one of {known}",)
        )
    options: dict[str, Any] = dict(config.options)
    for key in _FILES:
        if isinstance(options.get(key), str) and (folder / options[key]).exists():
            options[key] = str(folder / options[key])
    sensor: Sensor = import_module(place).from_options(config.name, options, now_us)
    return sensor
