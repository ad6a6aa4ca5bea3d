"""A board that is only a program: a console with a login, a shell behind it, and a power switch.

    python fake_board.py FOLDER

It is on while FOLDER/power exists. Power off kills all that was started from its shell, wherever it
went. Whoever logs in gets a real shell.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

MARK = "FTU_FAKE_BOARD"
RC = "PS1='root@fake-board:~# '\ndmesg() { :; }\n"  # the kernel here is the machine's own


def log_in(folder: Path) -> None:
    while input("\nfake-board login: ") != "root" or getpass.getpass("Password: ") != "bench":
        sys.stdout.write("Login incorrect\n")
    (folder / "rc").write_text(RC)
    os.execve("/bin/sh", ["sh", "-i"], {**os.environ, "ENV": str(folder / "rc")})


def powered(folder: Path) -> None:
    """From power on to power off, or to the end of the console."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ[MARK] = str(folder)
        os.execv(sys.executable, [sys.executable, __file__, str(folder), "login"])
    os.write(1, b"\r\nU-Boot 2026.01\r\nStarting kernel ...\r\n")
    try:
        while (folder / "power").exists():
            ready, _, _ = select.select([0, terminal], [], [], 0.02)
            for source, to in ((0, terminal), (terminal, 1)):
                if source in ready:
                    data = os.read(source, 4096)
                    if not data:
                        return
                    os.write(to, data)
    except OSError:  # the shell has ended
        return
    finally:
        everything_off(folder)
        os.close(terminal)
        os.waitpid(child, 0)


def everything_off(folder: Path) -> None:
    mark = f"{MARK}={folder}".encode()
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)


def main(folder: Path) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        if (folder / "power").exists():
            powered(folder)
        ready, _, _ = select.select([0], [], [], 0.02)
        if ready and not os.read(0, 4096):
            return
        time.sleep(0.01)


if __name__ == "__main__":
    if sys.argv[2:] == ["login"]:
        log_in(Path(sys.argv[1]))
    else:
        main(Path(sys.argv[1]))
