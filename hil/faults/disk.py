"""A real file system on a disk of the rig's own: it can be slow, fail, be full, and lose its power.

ext4 on a loop device on a platter (platter.py), so that all of the kernel's own caching, journal
and write order lie between the device and what is stored. It takes root, /dev/fuse and a loop
device; `lacking` says which of them is missing. Never the machine's own disks.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from hil.errors import BenchError

_TOOLS = ("mkfs.ext4", "mount", "umount")  # Debian: e2fsprogs, mount
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_BALLAST = "ballast"
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Cut:
    """What a loss of power met: sectors written since the last flush, and those that stayed."""

    at_risk: int
    kept: int


def lacking() -> str:
    """What this machine lacks for a disk of the rig's own; "" when nothing."""
    if os.geteuid() != 0:
        return "root, to mount a file system"
    for device in ("/dev/fuse", "/dev/loop-control"):
        if not Path(device).exists():
            return f"{device}, which the kernel or this container does not offer"
    for tool in _TOOLS:
        if shutil.which(tool, path=_PATH) is None:
            return f"{tool}, of Debian's packages e2fsprogs and mount"
    return ""


class Disk:
    """ext4, mounted at `path` within `with`. folder: where its image lies; made when it is not
    there, and used again when it is.
    """

    def __init__(self, folder: Path, *, megabytes: int = 256) -> None:
        folder = folder.absolute()
        self.path = folder / "mounted"
        self._folder = folder
        self._megabytes = megabytes
        self._image = folder / "platter.img"
        self._left = folder / "left.img"
        self._device = folder / "disk"  # the image as a disk, served over FUSE
        self._server: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        missing = lacking()
        if missing:
            raise BenchError("disk", "cannot be made here", missing)
        self._folder.mkdir(parents=True, exist_ok=True)
        self.path.mkdir(exist_ok=True)
        self._unmount()  # what a rig that was killed has left
        if not self._image.exists():
            self._format()
        self._mount()
        return self

    def __exit__(self, *_: object) -> None:
        self._unmount()

    # Trouble, each until `heal`.

    def slow(self, *, read_s: float = 0.0, write_s: float = 0.0, flush_s: float = 0.0) -> None:
        """Each request takes so long, one after the other, as on a worn card."""
        self._order("slow", read_s=read_s, write_s=write_s, flush_s=flush_s)

    def fail(self) -> None:
        """Every request is answered by an error: the card has come loose. ext4 takes no more
        writes from its first lost one on, until `remount`.
        """
        self._order("fail", failing=True)

    def fill(self, leave_bytes: int = 0) -> None:
        """Somebody else has filled it, but for so much (to a block's size)."""
        with (self.path / _BALLAST).open("ab") as file:
            # The reserve of root is taken too: the device may run as root.
            space = os.statvfs(self.path)
            with contextlib.suppress(OSError):
                room = space.f_bfree * space.f_frsize - leave_bytes
                if room > 0:
                    os.posix_fallocate(file.fileno(), file.tell(), room // _BLOCK * _BLOCK)
            # What the file system needs for its own lists comes out of the same room.
            for size in (1 << 16, _BLOCK) if leave_bytes == 0 else ():
                self._stuff(file.fileno(), size)

    def heal(self) -> None:
        """Fast, sound, and without the filling, which no loss of power brings back."""
        self.slow()
        self._order("fail", failing=False)
        (self.path / _BALLAST).unlink(missing_ok=True)
        directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def lose_power(self, *, keep: float, seed: int, writes: int = 0, within_s: float = 10.0) -> Cut:
        """The power goes in the middle of the `writes`-th write from now (0: between two), or after
        `within_s` when there are not so many. Blocks until then.

        From this instant on nothing that is written or flushed is answered, until `remount`.
        keep: share of the sectors written since the last flush that stay, each drawn by itself
        with `seed`; 0: none, 1: all.
        """
        left = str(self._left)
        told = self._order("cut", path=left, keep=keep, seed=seed, writes=writes, within_s=within_s)
        return Cut(told["at_risk"], told["kept"])

    def release(self) -> None:
        """Whoever hangs in a write may end; it is not stored any more."""
        self._order("release")

    def remount(self) -> None:
        """Mount it as after a boot: from what a loss of power left, where there was one.

        Whoever has files open on it has lost them: strike the device before (power.py does).
        """
        self.release()
        self._unmount()
        if self._left.exists():
            self._left.replace(self._image)
        self._mount()

    @property
    def free_bytes(self) -> int:
        """What anybody may still write to it."""
        space = os.statvfs(self.path)
        return space.f_bavail * space.f_frsize

    def counts(self) -> dict[str, int]:
        """writes, written (bytes) and flushes since it was mounted."""
        return self._order("count")

    # How it comes about.

    def _format(self) -> None:
        with self._image.open("wb") as file:
            file.truncate(self._megabytes << 20)
        # No blocks for root alone: full is full for everybody.
        options = ["-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0"]
        _run("mkfs.ext4", "-q", "-F", *options, str(self._image))

    def _mount(self) -> None:
        self._device.touch()
        command = [sys.executable, "-m", "hil.faults.platter"]
        self._server = subprocess.Popen(
            [*command, str(self._device), str(self._image)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self._answer()
            _run("mount", "-o", "loop", str(self._device), str(self.path))
        except BenchError:
            self._unmount()
            raise

    def _unmount(self) -> None:
        """Whatever state it is in."""
        for place in (self.path, self._device):
            _unmounted(place)
        server, self._server = self._server, None
        if server is not None:
            with contextlib.suppress(OSError):
                server.communicate(timeout=10)  # closes its input, which ends it
            if server.poll() is None:
                server.kill()
                server.wait()

    def _order(self, do: str, **values: object) -> dict[str, int]:
        server = self._server
        if server is None or server.stdin is None:
            raise BenchError("disk", "is not mounted", "it is used within `with`")
        try:
            server.stdin.write(json.dumps({"do": do, **values}) + "\n")
            server.stdin.flush()
        except OSError as error:
            raise BenchError("disk", "its server has ended") from error
        return self._answer()

    def _answer(self) -> dict[str, int]:
        assert self._server is not None and self._server.stdout is not None  # noqa: S101, PT018
        line = self._server.stdout.readline()
        told: dict[str, Any] = json.loads(line) if line else {"error": "its server has ended"}
        if "error" in told:
            raise BenchError("disk", str(told["error"]))
        return told

    @staticmethod
    def _stuff(fd: int, size: int) -> None:
        with contextlib.suppress(OSError):
            while os.write(fd, bytes(size)):
                pass
        with contextlib.suppress(OSError):
            os.fsync(fd)


def _mounted(place: Path) -> bool:
    """By the kernel's list; a look at the place itself fails where its server has died."""
    return f" {place} " in Path("/proc/self/mounts").read_text()


def _unmounted(place: Path) -> None:
    """A device that was just killed may hold it for a moment."""
    deadline = time.monotonic() + 5
    while _mounted(place) and _tried("umount", str(place)) and time.monotonic() < deadline:
        time.sleep(0.02)
    if _mounted(place):
        _tried("umount", "--lazy", str(place))


def _run(*command: str) -> None:
    problem = _tried(*command)
    if problem:
        raise BenchError(command[0], problem)


def _tried(*command: str) -> str:
    """Why it failed, in one line; empty when it did not."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": _PATH}
    )
    words = (done.stderr or done.stdout).strip().splitlines()
    return "" if done.returncode == 0 else (words or [f"status {done.returncode}"])[-1]
