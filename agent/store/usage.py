"""What each lane takes on disk, and what it had to give up: figures, without reading a record."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from agent.metrics import Values
from agent.store import disk, removal


def told(root: Path, lanes: str) -> Values:
    """Both, of each lane, by the names of agent/metrics.py. Raises: StoreError."""
    values: Values = {("disk_bytes", lane): size for lane, size in disk_bytes(root, lanes).items()}
    for lane in lanes:
        values["lost_records", lane] = lost_records(root, lane)
    return values


def disk_bytes(root: Path, lanes: str) -> dict[str, int]:
    """Size of the segments of each lane, also of those set aside. Raises: StoreError."""
    sizes: Counter[str] = Counter(dict.fromkeys(lanes, 0))
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                lane, _, rest = entry.name.partition("-")
                if lane in sizes and rest.endswith((".seg", ".seg.bad")):
                    sizes[lane] += entry.stat().st_size
    except FileNotFoundError:  # no log yet, or a segment that became another one meanwhile
        pass
    except OSError as error:
        raise disk.refused(root, "the log cannot be read", error) from error
    return dict(sizes)


def lost_records(root: Path, lane: str) -> int:
    """How many records retention has removed before every consumer had them, of what it still
    remembers (removal.MOST_RANGES). Raises: StoreError.
    """
    try:
        ranges = removal.read(root, lane).unacknowledged
    except OSError as error:
        raise disk.refused(root, "the log cannot be read", error) from error
    return sum(last - first + 1 for first, last in ranges)
