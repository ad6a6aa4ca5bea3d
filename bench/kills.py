"""SIGKILLs of guard, link and broker at random moments: what is lost, twice, or not told.

Real processes, a real mosquitto, a real Modbus server; the seed is fixed, the moments that the
kernel lets things happen at are not, so every run is another one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.table import Row
from tests.campaign import campaign

SEED = 20261125


def rows(quick: bool) -> Iterator[Row]:
    """One campaign."""
    kills = 4 if quick else 20
    with tempfile.TemporaryDirectory() as folder:
        told = campaign(Path(folder), seed=SEED, kills=kills)
    shares = ", ".join(f"{count} {victim}" for victim, count in sorted(told.victims.items()))
    yield Row(what=f"kills at random moments: {shares}", value=told.kills, unit="kills")
    yield Row(what="records at the consumer", value=told.records, unit="records")
    for what, found in (
        ("records of the log that are missing", told.missing),
        ("records that were never in the log", told.invented),
        ("records that come twice under one key", told.repeated),
        ("kills of guard in no blind time that was told", told.untold),
        ("damages of the log, tracebacks, bad ends", told.problems),
    ):
        yield Row(what=what, value=len(found), unit="", at_most=0)
    # Guard is back within a second; one that is killed again while it starts adds to it.
    yield Row(what="longest blind time", value=told.longest_blind_us / 1e6, unit="s")
