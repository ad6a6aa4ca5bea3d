"""The site file of a device: which terminals it serves, by which interfaces it reads them, and
whom it tells. Wiring only; whatever is not said here has the device's own defaults.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from hil.case import Bay, Recording
from hil.instruments.contract import Instrument

DATA_DIR = "data"


@dataclass(frozen=True, slots=True)
class Terminal:
    """A bay and how it is read. sensor, channels: TOML text, as an Instrument gives them."""

    name: str
    bay: Bay
    nominal_hz: int
    sensor: str
    channels: str

    @classmethod
    def of(cls, recording: Recording, instrument: Instrument) -> Self:
        """The terminal that measured this recording, read by the instrument that plays it."""
        return cls(
            recording.terminal,
            recording.bay,
            recording.nominal_hz,
            instrument.sensor(),
            instrument.channels(),
        )


def compose(
    terminals: Sequence[Terminal],
    *,
    node: str,
    broker: str | None = None,
    site: str = "bench",
    uplink: str = "",
    more: str = "",
) -> str:
    """The site file, TOML text.

    node: the device in topics. broker: URL; None: it has no uplink. uplink: more lines of
    [uplink]. more: further tables, such as [store].
    """
    parts = [
        _table("site", name=site),
        _table("device", id=node, model="bench", data_dir=DATA_DIR),
        *(terminal.sensor.strip() + "\n" for terminal in terminals),
        *(bay(terminal.name, terminal.bay, terminal.nominal_hz, terminal.channels)
          for terminal in terminals),
    ]  # fmt: skip
    if broker is not None:
        parts.append(_table("uplink", broker=broker) + uplink.strip() + "\n")
    return "\n".join([*parts, more])


def bay(name: str, bay: Bay, nominal_hz: int, channels: str) -> str:
    """The [[bay]] table of a terminal, TOML text."""
    table = _table(
        "[bay]",
        name=name,
        section=bay.section,
        nominal_volts=bay.nominal_volts,
        frequency_hz=nominal_hz,
        earthing=bay.earthing,
        rating_amps=bay.rating_amps,
    )
    return f"{table}[bay.channels]\n{channels.strip()}\n"


CLOSED_CONTACT = "52a"  # IEEE C37.2: 1 where the switch is closed


def for_replay(recording: Recording, line: Sequence[Mapping[str, object]] = ()) -> str:
    """The site file by which a device replays this terminal's record: its bay, and the sections of
    line behind it, nothing else.
    """
    sections = [_table("[bay.line.sections]", **section) for section in line]
    table = bay(recording.terminal, recording.bay, recording.nominal_hz, wired(recording))
    return "\n".join([table, *sections])


def wired(recording: Recording, unwired: Collection[str] = ()) -> str:
    """The lines of [bay.channels]: what the record holds by its plain names, and the contact of its
    switch. unwired: channels that are left out.
    """
    names = {trace.name: trace.name for trace in recording.traces if trace.name not in unwired}
    contact = {"switch": CLOSED_CONTACT} if CLOSED_CONTACT in recording.contacts else {}
    return "\n".join(f'{role} = "{name}"' for role, name in {**names, **contact}.items())


def _table(name: str, /, **keys: object) -> str:
    # Strings and numbers of JSON are strings and numbers of TOML.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items()]
    return "\n".join([f"[{name}]", *lines]) + "\n"
