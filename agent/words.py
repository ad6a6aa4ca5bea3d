"""Events as one line that a lineman reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.records import Event

_NAMES = {
    "fault": "FAULT",
    "fault_cleared": "fault cleared",
    "voltage_loss": "VOLTAGE LOST",
    "voltage_restored": "voltage restored",
    "dip": "voltage dip",
    "swell": "voltage swell",
    "operate": "operated",
    "overload": "overload",
    "sensor_trouble": "sensor trouble",
    "started": "guard watches",
}
_KINDS = {"AG": "A to earth", "BG": "B to earth", "CG": "C to earth", "ABC": "three-phase"}


def sentence(event: Event) -> str:
    """What happened, where and how large, without its time."""
    parts = [_NAMES.get(event.event, event.event.replace("_", " ")), f"bay {event.bay}"]
    if event.kind:
        parts.append(_KINDS.get(event.kind, event.kind))
    if event.phases:
        parts.append(f"phases {event.phases}" + (" live" if event.event == "started" else ""))
    if event.event == "fault":
        parts += [f"{size:.0f} A" for size in (_largest(event.currents),) if size is not None]
        parts += [f"3I0 {event.residual_amps:.0f} A"] if event.residual_amps else []
        parts.append(f"direction {event.direction}")
    if event.distance_km is not None:
        parts.append(f"{event.distance_km:.2f} km away{_between(event.distance_interval_km)}")
    if event.outcome:
        parts.append(event.outcome.replace("_", " "))
    if event.element:
        parts.append(f"by {event.element}")
    if event.detail:
        parts.append(event.detail)
    if event.undetermined:
        parts.append(f"undetermined: {event.undetermined}")
    return ", ".join(parts)


def _between(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" ({interval[0]:.2f} to {interval[1]:.2f})"


def _largest(values: tuple[float | None, ...]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None


def history(told: Mapping[str, Any]) -> str:
    """What a bay measured over a quarter hour, from entries.shown."""
    return ", ".join(
        [
            f"bay {told['bay']}",
            f"quarter hour from {told['quarter'][11:16]} UTC",
            f"observed {told['observed_s']} s",
            f"I {_list(told['currents'])} A",
            f"U {_list(told['voltages'])} V",
            f"P {_list([told['active_watts']], 1e-3)} kW",
            *told["quality"],
        ]
    )


def extremes(told: Mapping[str, Any]) -> str:
    """How far a bay's values went on one day, from entries.shown."""
    most, least = told["maxima"], told["minima"]
    return ", ".join(
        [
            f"bay {told['bay']}",
            f"day from {told['day_start'][:16]} UTC",
            f"observed {told['observed_s']} s",
            f"I up to {_list(most['currents'])} A",
            f"U {_list(least['voltages'])} to {_list(most['voltages'])} V",
            f"P {_list([least['active_watts']], 1e-3)} to {_list([most['active_watts']], 1e-3)} kW",
            *told["quality"],
        ]
    )


def _list(values: Sequence[float | None], scale: float = 1.0) -> str:
    return " ".join("-" if value is None else f"{value * scale:.0f}" for value in values)


def drill(told: Mapping[str, Any]) -> str:
    """Word of a drill, from the columns of its record."""
    parts = [f"DRILL {told['drill']} {told['what']}", f"after {told['after_ms'] / 1000:.1f} s"]
    parts += [f"step {told['step']}"] if "step" in told else []
    parts += [f"by {told['role']}"] if "role" in told else []
    return ", ".join(parts + [told[name] for name in ("title", "detail") if name in told])


def head(told: Mapping[str, Any]) -> str:
    """Up to where the device vouches for its log, from the columns of a head."""
    lost = f", {len(told['lost']) // 3} ranges lost" if told.get("lost") else ""
    return f"signed: lane {told['of_lane']} up to seq {told['of_seq']}{lost}"


def variance(values: Mapping[str, Any]) -> str:
    """How a planned outage went, from the columns of its record."""
    parts = [f"PLAN {values['plan']} rev {values['revision']}", f"section {values['section']}"]
    parts.append(" ".join(word.replace("_", " ") for word in values.get("verdicts") or ()))
    for what in ("start", "end", "duration"):
        low, high = (values.get(f"{what}_deviation_{side}_ms") for side in ("low", "high"))
        if low is not None and high is not None:
            parts.append(f"{what} {low / 1000:+.3f} to {high / 1000:+.3f} s")
    return ", ".join(parts)
