"""A real mosquitto that is started, stopped, killed and started again, with the limits and rights
that a utility's broker may have.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from hil.errors import BenchError
from hil.loopback import LOOPBACK, free_port, listens

_START_S = 10.0


class Mosquitto:
    """One mosquitto process on a port of its own, with its files in `directory`.

    persistence: whether it writes its store when it is stopped, and has it again when it starts.
    acl: lines of an ACL file; without one everybody may do everything. users: name to password;
    without them nobody is asked for a name. max_connections: clients at once; None: without limit.
    extra: more lines of mosquitto.conf(5). address: where it listens; a board on the bench cannot
    reach the loopback. verbose: whether it logs every packet, which costs it a multiple of passing
    it on. It ends with `with`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        persistence: bool = False,
        acl: str | None = None,
        users: Mapping[str, str] | None = None,
        max_connections: int | None = None,
        extra: str = "",
        port: int | None = None,
        address: str = LOOPBACK,
        verbose: bool = True,
    ) -> None:
        self.directory = directory
        self.port = port or free_port()
        self._address = address
        self._persistence = persistence
        self._acl = acl
        self._users = users or {}
        self._max_connections = max_connections
        self._extra = extra
        self._verbose = verbose
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"mqtt://{self._address}:{self.port}"

    @property
    def log(self) -> str:
        """Everything that it has said, over all its starts."""
        path = self.directory / "mosquitto.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def process(self) -> int:
        """Its number. Raises: BenchError when it does not run."""
        if self._process is None:
            raise BenchError("mosquitto", "does not run", "it was started")
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it takes connections. Raises: BenchError."""
        if self._process is not None:
            raise BenchError("mosquitto", "runs already", "it was stopped before it is started")
        self.directory.mkdir(parents=True, exist_ok=True)
        told = ["-v"] if self._verbose else []
        command = [_executable("mosquitto"), *told, "-c", str(self._configuration())]
        with (self.directory / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + _START_S
        while not listens(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                last = "; ".join(self.log.splitlines()[-2:]) or "it said nothing"
                raise BenchError("mosquitto", f"does not take connections: {last}")
            time.sleep(0.005)  # between two looks at the port

    def stop(self) -> None:
        """SIGTERM: it tells its clients, and writes its store if it has one."""
        self._end(lambda process: process.terminate())

    def kill(self) -> None:
        """SIGKILL: nobody is told, nothing is written."""
        self._end(lambda process: process.kill())

    def restart(self) -> None:
        """Stop it in good order and start it again. Without persistence it knows nothing more."""
        self.stop()
        self.start()

    def forget(self) -> None:
        """Its store is gone, as after a new machine. Raises: BenchError while it runs."""
        if self._process is not None:
            raise BenchError("mosquitto", "runs", "it was stopped before its store is removed")
        (self.directory / "mosquitto.db").unlink(missing_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self._process is not None:
            how(self._process)
            self._process.wait(10)
            self._process = None

    def _configuration(self) -> Path:
        lines = [
            f"listener {self.port} {self._address}",
            f"allow_anonymous {'false' if self._users else 'true'}",
            # The default of 20 in flight and 1000 queued per client would drop in some tests.
            "max_queued_messages 100000",
            f"persistence {'true' if self._persistence else 'false'}",
            f"persistence_location {self.directory}/",
            # It would give up root and could not write into our directory any more.
            *(["user root"] if os.geteuid() == 0 else []),
        ]
        if self._max_connections is not None:
            lines.append(f"max_connections {self._max_connections}")
        if self._users:
            lines.append(f"password_file {self._passwords()}")
        if self._acl is not None:
            lines.append(f"acl_file {self._private('acl', self._acl)}")
        path = self.directory / "mosquitto.conf"
        path.write_text("\n".join([*lines, self._extra]) + "\n")
        return path

    def _passwords(self) -> Path:
        path = self._private("users", "")
        for name, password in self._users.items():
            command = [_executable("mosquitto_passwd"), "-b", str(path), name, password]
            subprocess.run(command, check=True, capture_output=True)
        return path

    def _private(self, name: str, text: str) -> Path:
        """A file that others may not read; it would be refused otherwise."""
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o600)
        return path


def _executable(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        raise BenchError(name, "is not installed", "Debian's package mosquitto; `make test` has it")
    return path
