"""What was told and what was true, in the words of a protection engineer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hil.case import Seen, Truth
from hil.verdict import BROKEN, FAILED, NOT_YET, PASSED, Check, Outcome

# Gravest first: the order of everything on the page.
STATUSES = (FAILED, BROKEN, NOT_YET, PASSED)


def first_failure(outcome: Outcome) -> Check | None:
    """The first check that failed."""
    return next((check for check in outcome.checks if not check.passed), None)


def reason(outcome: Outcome) -> str:
    """Why it is not passed, in one sentence; "" when it is."""
    check = first_failure(outcome)
    seen = f"{check.name}: {check.evidence}" if check else outcome.problem or "no check says why"
    return {
        PASSED: "",
        FAILED: seen,
        BROKEN: outcome.problem or seen,
        NOT_YET: outcome.not_yet or seen,
    }.get(outcome.status, seen)


def verdict(outcome: Outcome) -> str:
    """What its status means here, in one sentence."""
    bad, of = sum(not check.passed for check in outcome.checks), len(outcome.checks)
    checks = f"{bad} of {of} {'check' if of == 1 else 'checks'} failed"
    if outcome.status == FAILED and not bad:
        return "Failed, though no check did."
    return {
        PASSED: f"All {of} checks passed." if of > 1 else "Passed.",
        FAILED: f"{checks}.",
        BROKEN: "The bench broke, so nothing is said about the device.",
        NOT_YET: f"Not yet: {outcome.not_yet or 'a later part turns it green'} ({checks} today).",
    }.get(outcome.status, outcome.status)


def told(event: Mapping[str, Any]) -> str:
    """An event in a few words: ALARM fault AG forward."""
    words = ["ALARM"] if event.get("alarm") is True else []
    words.append(str(event.get("event", "event")).replace("_", " "))
    words += [str(event[key]) for key in ("kind", "phases", "element") if event.get(key)]
    if event.get("direction"):
        direction = str(event["direction"])
        words.append(direction if direction != "unknown" else "direction unknown")
    if isinstance(event.get("distance_km"), int | float):
        words.append(f"{event['distance_km']:.2f}\N{NO-BREAK SPACE}km")
    return " ".join(words)


def tone(event: Mapping[str, Any]) -> str:
    """How it is coloured: "end", "loss", "alarm" or "calm"."""
    name = str(event.get("event", ""))
    if name in ("fault_cleared", "voltage_restored"):
        return "end"
    if name in ("voltage_loss", "interruption"):
        return "loss"
    return "alarm" if event.get("alarm") is True else "calm"


def happened(truth: Truth) -> str:
    """What the network's physics did, in one sentence."""
    what = truth.what.replace("_", " ")
    words = [f"{what} {truth.kind}" if truth.kind and truth.kind not in what else what]
    if truth.resistance_ohm is not None:
        words.append(f"through {ohms(truth.resistance_ohm)}")
    if truth.angle_deg is not None:
        words.append(f"at {truth.angle_deg:.0f}° of the voltage")
    if truth.section:
        words.append(f"in section {truth.section}")
    where = f"network {truth.network}, earthing {truth.earthing.replace('_', ' ')}"
    return f"{' '.join(words)}; {where}; {_when(truth)}"


def _when(truth: Truth) -> str:
    if truth.onset_s is None:
        return "nothing begins"
    ends = "stands to the end" if truth.cleared_s is None else f"out at {truth.cleared_s:.4f} s"
    return f"onset at {truth.onset_s:.4f} s, {ends}"


def seen(here: Seen) -> str:
    """What is true at a terminal."""
    words = [here.direction or "no fault to be seen"]
    words.append("alarm is right" if here.alarm else "no alarm")
    if here.distance_km is not None:
        words.append(f"{here.distance_km:.2f} km")
    if here.amps:
        words.append(amount(here.amps, "A"))
    if here.residual_amps:
        words.append(f"3I0 {amount(here.residual_amps, 'A')}")
    if here.neutral_share:
        words.append(f"U0 {here.neutral_share:.1%}")
    return ", ".join(words)


def amount(value: float, unit: str) -> str:
    """A quantity to three figures: 1.23 kA, 0.45 A."""
    return f"{value / 1000:.3g} k{unit}" if abs(value) >= 1000 else f"{value:.3g} {unit}"


def instant(seconds: float) -> str:
    """A point of the timeline: 0.2163 s, 71:59:58.5 h."""
    if abs(seconds) < 3600:
        return f"{seconds:.4f} s" if abs(seconds) < 100 else f"{seconds:.1f} s"
    minutes, rest = divmod(abs(seconds), 60)
    sign = "-" if seconds < 0 else ""
    return f"{sign}{int(minutes // 60)}:{int(minutes % 60):02}:{rest:04.1f} h"


def ohms(value: float) -> str:
    """A resistance: 0.1 Ω, 2 kΩ."""
    return amount(value, "Ω")
