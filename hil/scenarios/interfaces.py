"""The table from an instrument's name to the file that plays through it, loaded when asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hil.case import Recording
from hil.errors import BenchError
from hil.instruments.contract import Instrument

# name: (module, class). Each is made with the recording that it will play.
_KINDS = {
    "modbus_tcp": ("hil.instruments.modbus_tcp", "ModbusTcp"),
    "modbus_rtu": ("hil.instruments.modbus_rtu", "ModbusRtu"),
    "digitiser": ("hil.instruments.digitiser", "Digitiser"),
}


def instrument(name: str, recording: Recording, folder: Path) -> Instrument:
    """An instrument that is not open yet. folder: for what it leaves. Raises: BenchError."""
    if name not in _KINDS:
        raise BenchError(f"instrument {name}", "is not wired into the bench yet", ", ".join(_KINDS))
    folder.mkdir(parents=True, exist_ok=True)
    module, kind = _KINDS[name]
    try:
        made: Callable[[Recording], Any] = getattr(importlib.import_module(module), kind)
    except ModuleNotFoundError as error:
        raise BenchError(f"instrument {name}", f"{error}", "a tree that has it") from error
    built: Instrument = made(recording)
    return built
