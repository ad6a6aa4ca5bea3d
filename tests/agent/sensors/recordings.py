"""COMTRADE records written from the text of the standard, for the tests that read them.

A writer of the tests alone: the product exports no records yet, and a reader held against its own
house's writer would prove little. So this one is plain `struct` and `join`, no line of the agent.
Source: IEEE C37.111-1991, -1999, -2013.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import comtrade as second_reader  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from agent.errors import RecordError
from agent.records import Quality
from agent.sensors import comtrade

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

REVISIONS = (1991, 1999, 2013)
ENCODINGS = ("ASCII", "BINARY", "BINARY32", "FLOAT32")
_WORDS = {"BINARY": "h", "BINARY32": "i", "FLOAT32": "f"}


@dataclass(frozen=True)
class Written:
    """A record to be written; `values` has shape (analogs, n), `states` (status channels, n).

    sections: (rate, number of the last sample) where there are several rates; clock: the two
    lines of 2013; seconds: of the instants of the first sample and of the trigger.
    """

    values: Ints | Floats
    states: Ints = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    revision: int = 1999
    encoding: str = "BINARY"
    scales: Sequence[str] = ()
    offsets: Sequence[str] = ()
    rate: str = "1600"
    sections: Sequence[tuple[str, int]] = ()
    low: int = -32767
    numbers: Sequence[int] = ()
    stamps: Sequence[int] = ()
    seconds: tuple[str, str] = ("05.000000", "05.100000")
    clock: Sequence[str] = ("+8,+8", "0,0")

    @property
    def count(self) -> int:
        return int(self.values.shape[1])

    def cfg(self) -> str:
        analogs, statuses = len(self.values), len(self.states)
        old = self.revision == 1991
        lines = ["station,device" + ("" if old else f",{self.revision}")]
        lines.append(f"{analogs + statuses},{analogs}A,{statuses}D")
        for k in range(analogs):
            a = self.scales[k] if self.scales else "0.5"
            b = self.offsets[k] if self.offsets else "0"
            tail = "" if old else ",600,5,P"
            name = "ABC"[k % 3]
            lines.append(
                f"{k + 1},I{name}{k // 3 or ''},{name},,A,{a},{b},0,{self.low},32767{tail}"
            )
        lines += [f"{k + 1},S{k}{'' if old else ',,'},0" for k in range(statuses)]
        lines += ["50", *self._rates(), *(f"01/02/2026,03:04:{s}" for s in self.seconds)]
        lines += [self.encoding, *([] if old else ["1"])]
        lines += self.clock if self.revision == 2013 else []
        return "\r\n".join(lines) + "\r\n"

    def _rates(self) -> list[str]:
        if self.rate == "0":
            return ["0", f"0,{self.count}"]
        sections = self.sections or [(self.rate, self.count)]
        return [str(len(sections)), *(f"{rate},{last}" for rate, last in sections)]

    def dat(self) -> bytes:
        numbers = self.numbers or range(1, self.count + 1)
        stamps = self.stamps or [round(k * 1e6 / float(self.rate)) for k in range(self.count)]
        rows = zip(numbers, stamps, self.values.T, self._states(), strict=True)
        if self.encoding == "ASCII":
            return b"".join(
                ",".join(map(str, (number, stamp, *values, *states))).encode() + b"\r\n"
                for number, stamp, values, states in rows
            )
        return b"".join(
            struct.pack("<II", number, stamp)
            + struct.pack(f"<{len(values)}{_WORDS[self.encoding]}", *values)
            + _words(states)
            for number, stamp, values, states in rows
        )

    def _states(self) -> Ints:
        return self.states.T if len(self.states) else np.zeros((self.count, 0), dtype=np.int64)

    def cff(self, line_end: str = "\r\n") -> bytes:
        """Both in a single file, with the sections for people between them."""
        dat = self.dat()
        size = "" if self.encoding == "ASCII" else f": {len(dat)}"
        text = (
            f"--- file type: CFG ---\r\n{self.cfg()}--- file type: INF ---\r\n[Public]\r\n\r\n"
            "--- file type: HDR ---\r\na fault\r\nof the tests\r\n"
            f"--- file type: DAT {self.encoding}{size} ---\r\n"
        )
        samples = dat.replace(b"\r\n", line_end.encode()) if self.encoding == "ASCII" else dat
        return text.replace("\r\n", line_end).encode() + samples

    def parsed(self) -> comtrade.Record:
        return comtrade.parse(self.cfg().encode(), self.dat(), "x.cfg", "x.dat")

    def save(self, folder: Path, stem: str = "x") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        folder.joinpath(f"{stem}.dat").write_bytes(self.dat())
        path = folder / f"{stem}.cfg"
        path.write_bytes(self.cfg().encode())
        return path

    def save_cff(self, folder: Path, stem: str = "x") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{stem}.cff"
        path.write_bytes(self.cff())
        return path


def _words(states: Ints) -> bytes:
    words = [0] * -(-len(states) // 16)
    for k, state in enumerate(states):
        words[k // 16] |= int(state) << k % 16
    return struct.pack(f"<{len(words)}H", *words)


def ramp(analogs: int = 3, count: int = 40) -> Ints:
    """Counts that are all different, so that a sample out of place is seen."""
    return np.arange(analogs * count, dtype=np.int64).reshape(analogs, count) * 7 - 300


def values_of(record: comtrade.Record) -> Floats:
    scales = np.array([[c.scale] for c in record.layout.channels]).reshape(-1, 1)
    offsets = np.array([[c.offset] for c in record.layout.channels]).reshape(-1, 1)
    return np.asarray(scales * (record.counts + offsets))


def read_by_other(cfg: str, dat: bytes) -> second_reader.Comtrade:
    other = second_reader.Comtrade(
        ignore_warnings=True, use_numpy_arrays=True, use_double_precision=True
    )
    other.read(cfg, io.StringIO(dat.decode()) if "ASCII" in cfg else dat)
    return other


def load_by_other(path: Path) -> second_reader.Comtrade:
    other = second_reader.Comtrade(
        ignore_warnings=True, use_numpy_arrays=True, use_double_precision=True
    )
    other.load(str(path))
    return other


def played(record: comtrade.Record, size: int = 7) -> list[tuple[int, int, Quality]]:
    """Blocks as (index of the first sample, number of samples, quality)."""
    return [(b.first, b.counts.shape[1], b.quality) for b in comtrade.blocks(record, size)]


def told_or_checked(read: comtrade.Record | RecordError, *names: str) -> None:
    """A record that keeps its promises, or one line that says where, what and what was expected."""
    if isinstance(read, comtrade.Record):
        for stretch in read.stretches:
            check_promises(stretch)
    else:
        told = str(read)
        assert told.startswith(names)
        assert "; expected " in told
        assert "\n" not in told


def check_promises(record: comtrade.Record) -> None:
    """What holds for any record that could be read."""
    good = ~np.isnan(record.counts).any(axis=0)
    blocks = list(comtrade.blocks(record, 16))
    assert sum(block.counts.shape[1] for block in blocks) == good.sum()
    following = 0
    for block in blocks:
        assert not np.isnan(block.counts).any()
        assert (block.counts == np.rint(block.counts)).all()
        assert block.first >= following
        assert (block.quality is Quality.GAP) == (block.first > following)
        following = block.first + block.counts.shape[1]
        assert block.sample_us(following) >= block.sample_us(block.first) >= record.begin_us
    for channel in record.layout.channels:
        assert np.isfinite([channel.scale, channel.offset]).all()
        assert channel.scale != 0


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes with some cut, doubled, or put in place of others."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, max(0, len(changed) - 1)))
        end = begin + draw(st.integers(0, 12))
        filling = draw(
            st.one_of(st.binary(max_size=6), st.text("0123456789.,-+eE\r\n;AD/: ").map(str.encode))
        )
        changed[begin:end] = filling
    return bytes(changed[: draw(st.integers(0, len(changed)))] if draw(st.booleans()) else changed)
