"""Which boot of the machine this is; monotonic instants of one boot share one axis."""

from __future__ import annotations

from pathlib import Path

from agent.errors import StoreError
from agent.store import disk


def counter(data_dir: Path) -> int:
    """Number of this boot of the machine, counted from the first start in `data_dir`.

    The kernel's boot id tells a new boot from a mere restart of the process, so that monotonic
    instants with equal counters share one axis. Called by the supervisor before the others run.
    """
    path = data_dir / "boot"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    try:
        count_text, known_id = path.read_text().split()
        count = int(count_text)
    except (FileNotFoundError, ValueError):
        count, known_id = 0, ""
    if known_id == boot_id:
        return count
    try:
        disk.replace_file(path, f"{count + 1} {boot_id}\n".encode())
    except OSError as error:
        raise StoreError(str(path), f"the boot counter cannot be written ({error})") from error
    return count + 1
