"""COMTRADE records of the rig (IEEE C37.111-1999 / IEC 60255-24): written for relay test sets, and
read back by the rig itself.

The product's own reader stays out of it: the device under test must not read its truth with the
code that wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from hil.errors import CaseError

if TYPE_CHECKING:
    from hil.case import Recording

FULL_SCALE = 32767  # of 16 bits; -32768 marks a missing sample (1999, clause 8.6)
# Nothing of the rig happens at a date; a fixed one keeps the same case the same bytes.
_STAMP = "01/01/2000,00:00:00.000000"
_WORD = 16  # status channels in a word


@dataclass(frozen=True, slots=True)
class Analog:
    """name, phase and unit of a channel; scale: primary units a count."""

    name: str
    phase: str
    unit: str
    scale: float


@dataclass(frozen=True, slots=True)
class Sheet:
    """A record: counts of shape (analogs, n), states of shape (statuses, n)."""

    stem: str
    station: str
    rate_hz: int
    nominal_hz: int
    analogs: Sequence[Analog]
    counts: npt.NDArray[np.int32]
    statuses: Sequence[str] = ()
    states: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.bool_))

    @classmethod
    def of(cls, recording: Recording, station: str) -> Self:
        """What a terminal measured."""
        contacts = recording.contacts
        states = np.stack(list(contacts.values())) if contacts else np.zeros((0, 0), dtype=np.bool_)
        return cls(
            stem=recording.terminal,
            station=station,
            rate_hz=recording.rate_hz,
            nominal_hz=recording.nominal_hz,
            analogs=[Analog(t.name, t.phase, t.unit, t.scale) for t in recording.traces],
            counts=recording.counts,
            statuses=list(contacts),
            states=states,
        )

    def cfg(self) -> str:
        """The configuration file."""
        analogs, statuses = len(self.analogs), len(self.statuses)
        lines = [f"{self.station},{self.stem},1999", f"{analogs + statuses},{analogs}A,{statuses}D"]
        lines += [
            f"{k},{a.name},{a.phase},,{a.unit},{a.scale!r},0,0,-{FULL_SCALE},{FULL_SCALE},1,1,P"
            for k, a in enumerate(self.analogs, 1)
        ]
        lines += [f"{k},{name},,,0" for k, name in enumerate(self.statuses, 1)]
        lines += [f"{self.nominal_hz}", "1", f"{self.rate_hz},{self.counts.shape[1]}"]
        lines += [_STAMP, _STAMP, "BINARY", "1"]
        return "\r\n".join(lines) + "\r\n"

    def dat(self) -> bytes:
        """The data file, binary: number, microseconds, counts, words of states."""
        n = self.counts.shape[1]
        words = -(-len(self.statuses) // _WORD)
        rows = np.zeros(n, dtype=_row(len(self.analogs), words))
        rows["number"] = np.arange(1, n + 1)
        rows["us"] = np.arange(n, dtype=np.int64) * 1_000_000 // self.rate_hz
        rows["counts"] = np.clip(self.counts, -FULL_SCALE, FULL_SCALE).T
        for k, states in enumerate(self.states):
            rows["words"][:, k // _WORD] |= states.astype(np.uint16) << (k % _WORD)
        return rows.tobytes()


def _row(analogs: int, words: int) -> np.dtype[np.void]:
    """A line of the data file."""
    return np.dtype(
        [
            ("number", "<u4"),
            ("us", "<u4"),
            ("counts", "<i2", (analogs,)),
            ("words", "<u2", (words,)),
        ]
    )


def write(folder: Path, sheet: Sheet) -> Path:
    """Both files of a record into `folder`; the path of its header."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{sheet.stem}.dat").write_bytes(sheet.dat())
    path = folder / f"{sheet.stem}.cfg"
    path.write_bytes(sheet.cfg().encode())
    return path


def read(path: Path) -> Sheet:
    """A record that `write` wrote. Raises: CaseError."""
    try:
        lines = path.read_text().splitlines()
        return _parsed(path.stem, lines, path.with_suffix(".dat").read_bytes())
    except (OSError, ValueError, IndexError) as error:
        raise CaseError(str(path), f"{error}", "a record that the rig wrote") from error


def _parsed(stem: str, lines: list[str], data: bytes) -> Sheet:
    analogs, statuses = (int(word[:-1]) for word in lines[1].split(",")[1:3])
    rows = [line.split(",") for line in lines[2 : 2 + analogs]]
    names = [line.split(",")[1] for line in lines[2 + analogs : 2 + analogs + statuses]]
    after = lines[2 + analogs + statuses :]
    rate_hz, count = (int(word) for word in after[2].split(","))
    words = -(-statuses // _WORD)
    table = np.frombuffer(data, dtype=_row(analogs, words), count=count)
    states = [
        (table["words"][:, k // _WORD] >> (k % _WORD) & 1).astype(bool) for k in range(statuses)
    ]
    return Sheet(
        stem=stem,
        station=lines[0].split(",")[0],
        rate_hz=rate_hz,
        nominal_hz=int(after[0]),
        analogs=[Analog(row[1], row[2], row[4], float(row[5])) for row in rows],
        counts=table["counts"].T.astype(np.int32),
        statuses=names,
        states=np.array(states, dtype=np.bool_) if states else np.zeros((0, 0), dtype=np.bool_),
    )
