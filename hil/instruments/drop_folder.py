"""A folder into which a disturbance recorder drops its records (COMTRADE).

A record appears when the recorder has it, at the recording's last sample: first the samples, then
the header by a rename, so that whoever sees a header finds the whole record. A torn drop leaves it
as a recorder does that loses power or its network.

Nothing in the agent watches a folder. `ftu-agent replay FOLDER` reads what lies in it; and the
`comtrade` driver plays one record live, in real time, from the instant at which the agent starts:
that is what `sensor` is for. So it has to lie there before the agent starts (`drop`), the agent's
start is its first sample, and `play`, which drops at the recording's end, feeds `replay` only.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Self

from hil import comtrade
from hil.case import Recording
from hil.errors import BenchError
from hil.instruments.contract import Pacing
from hil.instruments.pacing import Pacer, now_us

# What a torn drop leaves: the whole of neither file, of one, or one without the other.
TEARS = ("no_samples", "half_samples", "half_header", "no_header")


class DropFolder:
    """The folder of one terminal. folder: an existing one; None: one of its own, removed after."""

    def __init__(self, recording: Recording, folder: Path | None = None) -> None:
        self.terminal = recording.terminal
        self._traces = recording.traces
        self._given = folder
        self.folder = folder or Path()

    async def __aenter__(self) -> Self:
        """Raises: BenchError when there is no such folder."""
        if self._given is None:
            self.folder = Path(tempfile.mkdtemp(prefix="records-"))
        elif not self._given.is_dir():
            raise BenchError(str(self._given), "no folder", "one that exists")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._given is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def path(self) -> Path:
        """Of the header, when it has been dropped."""
        return self.folder / f"{self.terminal}.cfg"

    def sensor(self) -> str:
        """The [[sensor]] table, TOML text: the record of this terminal, played live."""
        return (
            f'[[sensor]]\nname = "{self.terminal}"\ndriver = "comtrade"\n'
            f'path = "{self.path}"\nspeed = "real_time"\n'
        )

    def channels(self) -> str:
        """The lines of [bay.channels]."""
        names = [trace.name for trace in self._traces]
        return "".join(f'{name} = "{self.terminal}.{name}"\n' for name in names)

    async def play(self, recording: Recording, start_us: int) -> Pacing:
        """The record is there when its last sample has been taken."""
        pacer = Pacer(start_us)
        due_us = pacer.due_us(recording.length, recording.rate_hz)
        if due_us < now_us():
            late = f"start {start_us} is over"
            raise BenchError(f"folder of {self.terminal}", late, "a recording that still ends")
        await pacer.until(due_us)
        self.drop(recording)
        pacer.wrote(due_us)
        return pacer.pacing()

    def drop(self, recording: Recording, tear: str = "", station: str = "") -> Path:
        """The record into the folder, whole, or torn as told; the path of its header.

        Raises: BenchError for a tear that is none of TEARS, or a folder that takes no file.
        """
        if tear and tear not in TEARS:
            raise BenchError("drop", f"tear {tear!r}", f"one of {', '.join(TEARS)}")
        sheet = comtrade.Sheet.of(recording, station or recording.terminal)
        header, samples = sheet.cfg().encode(), sheet.dat()
        path = self.folder / f"{recording.terminal}.cfg"
        kept = {
            "": (samples, header),
            "no_samples": (None, header),
            "half_samples": (samples[: len(samples) // 2 + 1], header),
            "half_header": (samples, header[: len(header) // 2]),
            "no_header": (samples, None),
        }[tear]
        try:
            for data, target in zip(kept, (path.with_suffix(".dat"), path), strict=True):
                if data is not None:
                    _put(target, data)
        except OSError as error:
            raise BenchError(str(path), error.strerror or str(error), "a file to write") from error
        return path


def _put(target: Path, data: bytes) -> None:
    """There as a whole, or not at all. Its name until then is none of a record's."""
    beside = target.with_name(f".{target.name}.part")
    beside.write_bytes(data)
    os.replace(beside, target)  # noqa: PTH105  # said as the system call that it is
