"""The protection settings of one bay, and the defaults that follow from its wiring.

Defaults are what a careful engineer would ship before he has seen the grading study: above any
load, motor restart and energising seen at a feeder head, below the faults that matter.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import SiteError

if TYPE_CHECKING:
    from agent.site import Bay

# Motor reacceleration and cold load reach about twice the rating for seconds (field records of
# industrial incomers: 1.1 to 1.9); a fault at the far end of a 10 kV feeder starts not far above.
PHASE_PICKUP_SHARE = 2.2
# Poles that open apart leave a residual of a fifth of the load for some cycles.
RESIDUAL_PICKUP_SHARE = 0.3
# Loads switch by a few per cent of the rating all day; a tenth is a change worth following.
CHANGE_FLOOR_SHARE = 0.1
# Supply voltage may stay down to 0.90 of nominal (EN 50160); five per cent for the sensors.
UNDERVOLTAGE_SHARE = 0.85


@dataclass(frozen=True, slots=True)
class Settings:
    """Thresholds of one bay, primary RMS; times in milliseconds.

    phase_pickup_amps: 50P. residual_pickup_amps: 50N, of 3I0.
    change_floor_amps: smallest change of a phase current that is followed.
    undervoltage_share, undervoltage_delay_ms: 27, of the nominal phase voltage.
    dead_hold_ms, live_hold_ms: how long a lost or returned voltage must stand to be told.
    """

    phase_pickup_amps: float
    residual_pickup_amps: float
    change_floor_amps: float
    undervoltage_share: float = UNDERVOLTAGE_SHARE
    undervoltage_delay_ms: float = 20.0
    dead_hold_ms: float = 60.0
    live_hold_ms: float = 100.0


def defaults(bay: Bay) -> Settings:
    """Settings that follow from the bay's rating. [A primary]"""
    return Settings(
        phase_pickup_amps=PHASE_PICKUP_SHARE * bay.rating_amps,
        residual_pickup_amps=RESIDUAL_PICKUP_SHARE * bay.rating_amps,
        change_floor_amps=CHANGE_FLOOR_SHARE * bay.rating_amps,
    )


def load(path: Path, bays: tuple[Bay, ...]) -> dict[str, Settings]:
    """Settings of each bay: the defaults, with what the TOML file at `path` states instead.

    The file holds one table a bay: `[feeder-1]`, `phase_pickup_amps = 900`. Raises: SiteError
    with every finding.
    """
    try:
        tables = tomllib.loads(path.read_text())
    except OSError as error:
        raise SiteError(str(path), (f"cannot be read ({error.strerror})",)) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SiteError(str(path), (f"is not TOML: {error}",)) from error
    chosen = {bay.name: defaults(bay) for bay in bays}
    findings: list[str] = []
    for name, table in tables.items():
        if name not in chosen:
            findings.append(f"[{name}]: no such bay; expected one of {', '.join(chosen)}")
        elif not isinstance(table, dict):
            findings.append(f"{name}: expected a table [{name}]")
        else:
            wrong = _wrong(name, table)
            findings += wrong
            if not wrong:
                chosen[name] = replace(chosen[name], **{k: float(v) for k, v in table.items()})
    if findings:
        raise SiteError(str(path), tuple(findings))
    return chosen


def _wrong(bay: str, table: Mapping[str, object]) -> list[str]:
    known = {field.name for field in fields(Settings)}
    findings = []
    for key, value in table.items():
        if key not in known:
            findings.append(f"[{bay}] {key}: unknown; expected one of {', '.join(sorted(known))}")
        elif isinstance(value, bool) or not isinstance(value, int | float):
            findings.append(f"[{bay}] {key} = {value!r}: expected a number")
        elif not (math.isfinite(value) and value > 0):
            findings.append(f"[{bay}] {key} = {value!r}: expected more than 0")
    return findings
