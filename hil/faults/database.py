"""A real PostgreSQL of its own that is started, stopped, killed and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from hil.errors import BenchError
from hil.loopback import LOOPBACK, free_port

# PostgreSQL refuses to run as root; Debian's package brings this account.
_ACCOUNT = "postgres"
_START_S, _STOP_S = 20, 20


class Postgres:
    """One cluster in a folder of its own below /tmp, on a loopback port; gone with `with`.

    durable: whether it waits for the disk; a killed process loses nothing without it, only a cut of
    power would, and a start after a kill takes seconds more with it.
    The folder is not the test's: pytest's is root's alone, and the server's account could not reach
    it.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = durable
        self.port = free_port()
        self._user = _ACCOUNT if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="ftu-postgres-"))
        if self._user is not None:
            os.chown(self._folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._call("initdb", "--no-sync", "--auth=trust", "--username=ftu", "--encoding=UTF8")

    @property
    def url(self) -> str:
        """Of its one database."""
        return f"postgresql://ftu@{LOOPBACK}:{self.port}/postgres"

    @property
    def log(self) -> str:
        """Everything that it has said."""
        path = self._folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def emptied(self) -> str:
        """The URL, when the database holds nothing any more."""
        import psycopg

        with psycopg.connect(self.url) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return self.url

    def start(self) -> None:
        """Start it, and wait until it takes connections. Raises: BenchError."""
        told = f"-p {self.port} -h {LOOPBACK} -k {self._folder}"
        told += "" if self._durable else " -c fsync=off"
        log = str(self._folder / "log")
        self._call("pg_ctl", "start", "-w", "-t", str(_START_S), "-l", log, "-o", told)

    def stop(self) -> None:
        """Stop it in good order, whoever is connected."""
        self._call("pg_ctl", "stop", "-w", "-t", str(_STOP_S), "-m", "fast")

    def kill(self) -> None:
        """All its processes end at once, as after a crash; it recovers when it is started again."""
        self._call("pg_ctl", "stop", "-w", "-t", str(_STOP_S), "-m", "immediate")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if (self._folder / "data/postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _call(self, tool: str, *arguments: str) -> None:
        # The server inherits pg_ctl's output, so that a pipe would never end.
        with (self._folder / "tools").open("wb") as said:
            done = subprocess.run(
                [_executable(tool), "-D", str(self._folder / "data"), *arguments],
                user=self._user,
                extra_groups=[] if self._user is not None else None,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                check=False,
            )
        if done.returncode:
            text = (self._folder / "tools").read_text(errors="replace")
            last = "; ".join([*text.splitlines()[-2:], *self.log.splitlines()[-2:]])
            raise BenchError("PostgreSQL", f"{tool}: {last}")


def _executable(name: str) -> str:
    """Debian keeps the server's own tools apart, by version; the newest is taken."""
    apart = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version)
    path = str(apart[-1]) if apart else shutil.which(name)
    if path is None:
        raise BenchError(
            name, "is not installed", "Debian's package postgresql; `make test` has it"
        )
    return path


def _version(path: Path) -> int:
    version = path.parent.parent.name
    return int(version) if version.isdecimal() else 0
