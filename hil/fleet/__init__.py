"""`ftu-hil fleet N`: N light emulated nodes against a real broker, with figures.

The one door: `run` is the command, `measured` the same without printing.
"""

from __future__ import annotations

import sys
from typing import Any

from hil.fleet.campaign import Plan, measured
from hil.fleet.figures import Result, table

__all__ = ["Plan", "Result", "measured", "run", "table"]


def run(nodes: int, *, as_json: bool = False, **plan: Any) -> int:
    """Measure, print, and answer the exit status: 1 when anything was lost, doubled or late.

    plan: the other fields of `Plan`, among them seed, speed, steady_s, broker.
    Raises: RigError, one line for stderr.
    """
    result = measured(Plan(nodes=nodes, **plan), tell=_tell)
    sys.stdout.write((result.to_json() if as_json else table(result)) + "\n")
    return 0 if result.ok else 1


def _tell(phase: str) -> None:
    sys.stderr.write(f"fleet: {phase}\n")
