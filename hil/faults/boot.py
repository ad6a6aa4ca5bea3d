"""A new boot without a new machine: another boot id, and monotonic clocks that begin anew.

    python -m hil.faults.boot BOOT_ID COMMAND...

becomes COMMAND in a time and a mount namespace of its own, where the machine came up just now. It
takes root. Instants that such a device tells are not of the rig's axis any more. UTC is not
touched: clock.py does that. What a boot loses besides, the page cache and the disk's own, is lost
in power.py.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

_NEWNS, _NEWTIME = 0x00020000, 0x00000080  # linux/sched.h
_BIND, _PRIVATE, _REC = 4096, 1 << 18, 1 << 14  # linux/mount.h
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
# A board has come this far when its services start.
_UP_S = 10


def lacking() -> str:
    """What this machine lacks for it; "" when nothing."""
    if os.geteuid() != 0:
        return "root, for namespaces"
    if not Path("/proc/self/ns/time").exists():
        return "time namespaces, of Linux 5.6"
    return ""


def fresh(command: Sequence[str], folder: Path) -> tuple[str, ...]:
    """The command of a device that has just been booted; each call is another boot.

    folder: where the boot's id is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = str(uuid.uuid4())
    path = folder / name
    path.write_text(f"{name}\n")
    return (sys.executable, "-m", "hil.faults.boot", str(path.resolve()), *command)


def become(boot_id: str, command: Sequence[str]) -> None:
    """Enter the namespaces and turn into the command. Raises: OSError."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(name: str, *arguments: object) -> None:
        if getattr(libc, name)(*arguments) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"{name}: {os.strerror(code)}")

    call("unshare", _NEWNS | _NEWTIME)
    # Clocks of this machine that the agent uses; both stand still together here.
    for number, clock in ((1, time.CLOCK_MONOTONIC), (7, time.CLOCK_BOOTTIME)):
        back_s = _UP_S - int(time.clock_gettime(clock))
        Path("/proc/self/timens_offsets").write_text(f"{number} {back_s} 0\n")
    namespace = os.open("/proc/self/ns/time_for_children", os.O_RDONLY)
    call("setns", namespace, _NEWTIME)
    os.close(namespace)
    call("mount", None, b"/", None, _REC | _PRIVATE, None)
    call("mount", os.fsencode(boot_id), _BOOT_ID.encode(), None, _BIND, None)
    os.execvp(command[0], list(command))


if __name__ == "__main__":
    try:
        become(sys.argv[1], sys.argv[2:])
    except OSError as error:
        sys.stderr.write(f"hil.faults.boot: {error}\n")
        sys.exit(1)
