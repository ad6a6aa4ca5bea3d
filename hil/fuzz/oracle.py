"""What every target has to keep to, whatever it is fed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from agent.errors import AgentError, SiteError

Entrance = Callable[[bytes], None]

# An error is a line on a screen or in a journal: longer ones are cut by those who show them.
LONGEST_LINE = 1000
# Of processor time, for one input of at most LONGEST_INPUT; the slowest takes a tenth of it on an
# idle machine, and a board is ten times slower than a desk.
LONGEST_S = float(os.environ.get("FTU_FUZZ_LONGEST_S", "2"))
LONGEST_INPUT = 16_384


class Defect(AssertionError):
    """The entrance did what it must not do."""


def check(entrance: Entrance, data: bytes) -> None:
    """Feed the input. Raises: Defect, or whatever escapes from the entrance."""
    before_s = time.process_time()
    try:
        entrance(data)
    except AgentError as error:
        clear(error)
    took_s = time.process_time() - before_s
    if took_s > LONGEST_S:
        raise Defect(f"{len(data)} bytes took {took_s:.1f} s; expected at most {LONGEST_S:g} s")


def clear(error: AgentError) -> None:
    """An error is one line that a terminal shows as it is; a SiteError has a line each."""
    for line in error.findings if isinstance(error, SiteError) else (str(error),):
        shown(line)


def shown(line: str) -> None:
    """A line that does not break the screen that shows it."""
    if not line.isprintable():
        raise Defect(f"a line with control characters: {line[:200]!r}")
    if len(line) > LONGEST_LINE:
        raise Defect(f"a line of {len(line)} letters: {line[:200]!r}")


def same(got: object, expected: object, what: str) -> None:
    """Two ways to one value. Raises: Defect."""
    if got != expected:
        raise Defect(f"{what}: {got!r:.300}, expected {expected!r:.300}")
