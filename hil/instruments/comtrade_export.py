"""Records for relay test sets: secondary values with the transformers' ratios, in the revision and
the form that the set takes (IEEE C37.111-1999, IEEE C37.111-2013 / IEC 60255-24:2013).

The rig's own records (hil/comtrade.py) are primary, 1999 and binary; it reads no other back. A test
set injects what the record says, so it wants what a relay's terminals see.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hil import comtrade
from hil.case import Recording
from hil.errors import BenchError

Form = Literal["BINARY", "ASCII"]
REVISIONS = (1999, 2013)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Of a transformer: rated primary and secondary, amperes or volts."""

    primary: float
    secondary: float


def export(
    folder: Path,
    recording: Recording,
    *,
    station: str,
    ct: Ratio,
    vt: Ratio,
    revision: int = 1999,
    form: Form = "BINARY",
) -> Path:
    """Both files into `folder`; the path of the header. Raises: BenchError."""
    if revision not in REVISIONS or form not in ("BINARY", "ASCII"):
        raise BenchError("export", f"revision {revision}, {form}", "1999 or 2013, BINARY or ASCII")
    if min(ct.primary, ct.secondary, vt.primary, vt.secondary) <= 0:
        raise BenchError("export", f"ratios {ct}, {vt}", "rated values above 0")
    sheet = comtrade.Sheet.of(recording, station)
    header = _header(sheet, {"A": ct, "V": vt}, revision, form)
    data = sheet.dat() if form == "BINARY" else _ascii(sheet).encode()
    path = folder / f"{sheet.stem}.cfg"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".dat").write_bytes(data)
        path.write_bytes(header.encode())
    except OSError as error:
        raise BenchError(str(path), error.strerror or str(error), "a file to write") from error
    return path


def _header(sheet: comtrade.Sheet, ratios: dict[str, Ratio], revision: int, form: Form) -> str:
    """As Sheet.cfg has it, with its analog channels secondary, and what the revision adds."""
    lines = sheet.cfg().splitlines()
    lines[0] = f"{sheet.station},{sheet.stem},{revision}"
    for k, analog in enumerate(sheet.analogs):
        ratio = ratios[analog.unit]
        fields = lines[2 + k].split(",")
        fields[5] = repr(analog.scale * ratio.secondary / ratio.primary)
        fields[10:13] = [f"{ratio.primary:g}", f"{ratio.secondary:g}", "S"]
        lines[2 + k] = ",".join(fields)
    lines[-2] = form
    if revision == 2013:
        lines += ["0h00,0h00", "0,0"]  # UTC, of a clock that is right, in no leap second (7.4)
    return "\r\n".join(lines) + "\r\n"


def _ascii(sheet: comtrade.Sheet) -> str:
    """The samples as text: number, microseconds, counts, states."""
    rows = []
    for k in range(sheet.counts.shape[1]):
        us = k * 1_000_000 // sheet.rate_hz
        counts = sheet.counts[:, k].clip(-comtrade.FULL_SCALE, comtrade.FULL_SCALE)
        states = sheet.states[:, k].astype(int) if len(sheet.statuses) else ()
        rows.append(",".join(map(str, (k + 1, us, *counts, *states))))
    return "\r\n".join(rows) + "\r\n"
