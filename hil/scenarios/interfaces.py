"""The table from an instrument's name to the file that plays through it, loaded when asked for."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from hil.case import Recording
from hil.errors import BenchError
from hil.instruments.contract import Instrument, Pacing
from hil.loopback import LOOPBACK

# name: (module, class). Each is made with the recording that it will play.
_KINDS = {
    "modbus_tcp": ("hil.instruments.modbus_tcp", "ModbusTcp"),
    "modbus_rtu": ("hil.instruments.modbus_rtu", "ModbusRtu"),
    "digitiser": ("hil.instruments.digitiser", "Digitiser"),
    "sampled_values": ("hil.instruments.sampled_values", "SampledValues"),
}


def instrument(
    name: str, recording: Recording, folder: Path, address: str = LOOPBACK
) -> Instrument:
    """An instrument that is not open yet.

    folder: for what it leaves. address: of this machine, where the device can reach it.
    Raises: BenchError.
    """
    if name not in _KINDS:
        raise BenchError(f"instrument {name}", "is not wired into the bench yet", ", ".join(_KINDS))
    folder.mkdir(parents=True, exist_ok=True)
    module, kind = _KINDS[name]
    try:
        made: Callable[..., Any] = getattr(importlib.import_module(module), kind)
        if name == "sampled_values":
            return _OnVeth(made, recording)
    except ModuleNotFoundError as error:
        raise BenchError(f"instrument {name}", f"{error}", "a tree that has it") from error
    built: Instrument = made(recording, **({"host": address} if name == "modbus_tcp" else {}))
    return built


class _OnVeth:
    """Sampled values on a cable of their own, which lasts as long as they do."""

    def __init__(self, made: Callable[..., Any], recording: Recording) -> None:
        from hil.instruments.veth import VethPair

        self._cable = VethPair()
        self._unit: Instrument = made(recording, self._cable.near, listens=self._cable.far)
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._open.enter_context(self._cable)
        await self._open.enter_async_context(self._unit)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    def sensor(self) -> str:
        """The [[sensor]] table."""
        return self._unit.sensor()

    def channels(self) -> str:
        """Lines of [bay.channels]."""
        return self._unit.channels()

    async def play(self, recording: Recording, start_us: int) -> Pacing:
        """Frame by frame."""
        return await self._unit.play(recording, start_us)
