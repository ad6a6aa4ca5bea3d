"""Which boot of the machine this is; monotonic instants of one boot share one axis."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from agent.store import disk


def counter(data_dir: Path, tell: Callable[[str], None]) -> int:
    """Number of this boot of the machine, counted from the first start in `data_dir`.

    The kernel's boot id tells a new boot from a mere restart of the process, so that monotonic
    instants with equal counters share one axis. Called by the supervisor before the others run, so
    it answers in any case. tell: takes a line where the next boot may not know of this one.
    """
    path = data_dir / "boot"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    try:
        count_text, known_id = path.read_text().split()
        count = int(count_text)
    except (OSError, ValueError):
        count, known_id = 0, ""
    if known_id != boot_id:
        count += 1
        try:
            _keep(path, f"{count} {boot_id}\n".encode())
        except OSError as error:
            tell(f"{path}: the boot counter cannot be written ({error.strerror})")
    return count


def _keep(path: Path, said: bytes) -> None:
    """On disk when this returns. Raises: OSError."""
    try:
        disk.replace_file(path, said)
    except OSError:
        # A full disk has no room for a new file, but for a sector of an old one.
        with path.open("r+b", buffering=0) as file:
            file.write(said)
            file.truncate(len(said))
            os.fsync(file.fileno())
