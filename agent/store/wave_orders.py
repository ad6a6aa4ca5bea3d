"""Which waveform records are to be sent: a folder that link and guard share.

    data_dir/waves/NAME     an empty file, put there when a consumer asks for the record, or when
                            the site's policy wants it sent; gone when it is in lane w

Guard packs them one after the other, in the order of their numbers. A file survives whatever stops
either of the two; a name that no record can have never becomes a path.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from agent.store import disk
from agent.store.record_files import is_name

FOLDER = "waves"
# A storm of faults at a terminal of six bays; what is beyond it can be asked for later.
MOST = 64
# Of these consumers may fill so many, so that they never keep out what is sent by policy.
MOST_ASKED = 16


def waiting(folder: Path) -> list[str]:
    """Names of the records that wait, oldest first. Raises: StoreError."""
    try:
        with os.scandir(folder) as found:
            names = [entry.name for entry in found if is_name(entry.name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk.refused(folder, "cannot be read", error) from error
    return sorted(names, key=lambda name: int(name.partition("-")[0]))


def place(folder: Path, name: str, most: int = MOST) -> bool:
    """Order a record; on disk when this returns. False: too many wait already.

    Raises: StoreError; ValueError for what is no name.
    """
    if not is_name(name):
        raise ValueError(f"{name!r}; expected the name of a record")
    names = waiting(folder)
    if name in names:
        return True
    if len(names) >= most:
        return False
    try:
        folder.mkdir(exist_ok=True)
        number = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640)
        os.close(number)
        disk.sync_directory(folder)
    except FileExistsError:
        return True
    except OSError as error:
        raise disk.refused(folder, f"{name} cannot be ordered", error) from error
    return True


def done(folder: Path, name: str) -> None:
    """It is in the lane, or never will be: the order goes, at the next try if not at this one."""
    if is_name(name):
        with contextlib.suppress(OSError):
            (folder / name).unlink()
