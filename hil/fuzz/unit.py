"""A unit of `make soak`: a minute of one target under atheris, and what its memory does."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from hil.errors import BenchError

# What was found goes on growing here over all units; what is worth keeping goes into corpus/.
FOUND = Path("build/fuzz")
SECONDS = 60
ROUNDS = 20
# The allocator's own coming and going; a leak of a hundred bytes an input is a multiple of it.
GROWTH_BYTES = 8_000_000
_LATEST_S = 900.0

# Rooms of targets, so that `--only` can name them: the seed goes through a room's targets in turn.
ROOMS = {
    "fuzz-uplink": ("cbor", "payload", "topic", "consumer", "node", "mqtt", "command"),
    "fuzz-waves": ("parts", "packed"),
    "fuzz-stored": ("log", "exported", "cursors", "marks", "documents"),
    "fuzz-handed": ("comtrade", "cff", "notes", "site", "settings", "order", "profile", "heads"),
    "fuzz-lines": ("modbus", "digitiser", "live"),
}


def fuzzed(room: str, seed: int) -> dict[str, Any]:
    """One target of the room for a minute: what was executed, and whether a defect was found."""
    if importlib.util.find_spec("atheris") is None:
        raise BenchError(room, "atheris is not installed", "x86-64; elsewhere hypothesis feeds")
    name = ROOMS[room][seed % len(ROOMS[room])]
    folder = FOUND / name
    before = set(folder.glob("defect-*"))
    words = ("--seconds", str(SECONDS), "--seed", str(seed), "--found", str(folder))
    status, said = _run(name, *words)
    defects = sorted(set(folder.glob("defect-*")) - before)
    told = {
        "target": name,
        "executions": _figure(r"number_of_executed_units:\s*(\d+)", said),
        "peak_rss_mb": _figure(r"peak_rss_mb:\s*(\d+)", said),
        "slowest_s": _figure(r"slowest_unit_time_sec:\s*(\d+)", said),
        "defects": [f"{path}: {_why(said)}" for path in defects],
    }
    if defects or status or told["executions"] is None:
        return {"ok": False, **told, "status": status, "said": said[-400:]}
    grew_status, grew = _run(name, "--rounds", str(ROUNDS), "--found", str(folder))
    grown = _figure(r"grown (-?\d+) bytes", grew)
    held = grew_status == 0 and grown is not None and grown <= GROWTH_BYTES
    return {"ok": held, **told, "grown_bytes": grown, **({} if held else {"said": grew[-400:]})}


def _run(*words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "hil.fuzz", *words]
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_LATEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(" ".join(words), f"has not ended after {_LATEST_S:g} s") from error
    return done.returncode, done.stdout.decode(errors="replace")


def _figure(pattern: str, said: str) -> int | None:
    found = re.search(pattern, said)
    return None if found is None else int(found[1])


def _why(said: str) -> str:
    """The line with which the exception was told."""
    found = re.search(r"Uncaught Python exception: ===\s*(.*)", said)
    return found[1][:200] if found else "no exception: too slow, or out of memory"
