"""One terminal of a case: what it owes by the physics' truth, and how well it spoke.

The rules are those of contract.md, sections 3 and 5. A hit is an alarm after the onset; kind is its
last word within 100 ms after the first; direction is its first word; the latency runs from the
onset to the first word's `t`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.case import Case, Recording, Seen, Truth
from hil.errors import CaseError

Event = Mapping[str, Any]

# What says that there is a fault; with alarm = true it is a false alarm wherever there is none.
FAULTS = ("fault", "intermittent_earth_fault", "high_impedance_fault", "broken_conductor")
CORRECTION_S = 0.1  # how long a first word may be corrected
# docs/settings.md: pickup of 50P as a share of rating_amps; the bars hold from twice the pickup.
PICKUP_SHARE = 2.2
_SHORT_MS, _EARTH_MS = 30.0, 60.0  # contract.md, section 5; issue of part D: first word
_SWITCHOVER_S = 0.03  # a word this soon after a stage's onset may still speak of the one before
_SINGLE = ("AG", "BG", "CG")
_VOLTAGES = ("ua", "ub", "uc")
_DEAD_SHARE = 0.2  # docs/events.md: below it a phase counts as lost
_ROUNDING_S = 1e-6  # of `t` and of the truth's instants, which are decimal texts both


@dataclass(frozen=True, slots=True)
class Due:
    """What a terminal owes.

    may: whether an alarm is right here; must: whether it is missed when it does not come.
    hits: events that are one. latest_ms: bar of the first word's latency; None: there is none.
    direction: "" where none is asked for. uncounted: why the bars do not count this case, if so.
    onset_s: when what lies behind this terminal begins; None: nothing does.
    """

    may: bool
    must: bool
    hits: tuple[str, ...] = FAULTS
    named: bool = False
    direction: str = ""
    latest_ms: float | None = None
    uncounted: str = ""
    onset_s: float | None = None


@dataclass(frozen=True, slots=True)
class Spoken:
    """How a terminal spoke of the fault. Times in seconds of the recording.

    early: alarms before the onset, or where an alarm is never right. first: of the hits.
    kind: the last word within 100 ms after the first; kinds: those that are right at that instant.
    direction, confidence: of the first word that is a fault, alarm or not.
    contrary: later words with a kind that never was.
    """

    early: tuple[Event, ...]
    first: Event | None
    latency_ms: float | None
    kind: str
    kinds: tuple[str, ...]
    direction: str
    confidence: float | None
    contrary: tuple[Event, ...]

    @property
    def kind_right(self) -> bool:
        """Whether the last word names what is so."""
        return self.kind in self.kinds


def due(case: Case, name: str, unwired: Collection[str] = ()) -> Due:
    """What the terminal `name` owes; unwired: channels that the device does not have."""
    truth, seen, recording = case.truth, _seen(case, name), case.recordings[name]
    has_voltages = any(t.name in _VOLTAGES and t.name not in unwired for t in recording.traces)
    # Without voltages nobody can tell a direction: the current through the bay is what counts.
    may = seen.alarm or (not has_voltages and seen.direction == "reverse")
    uncounted, onset_s = _uncounted(truth, seen, recording), _onset_s(truth, recording.bay.section)
    if truth.what == "loss_of_supply":
        return Due(may, must=may, hits=("voltage_loss",), onset_s=onset_s)
    single = truth.kind in _SINGLE
    shown = not single or (seen.residual_amps >= 0.3 and seen.neutral_share >= 0.01)
    return Due(
        may=may,
        must=may and not uncounted,
        hits=("broken_conductor",) if truth.what == "broken_conductor" else FAULTS,
        named=truth.kind != "" and truth.what != "broken_conductor",
        direction=seen.direction if has_voltages and shown else "",
        latest_ms=_bar(truth),
        uncounted=uncounted,
        onset_s=onset_s,
    )


def spoken(case: Case, events: Sequence[Event], owed: Due) -> Spoken:
    """How these events of a terminal, times in seconds of the recording, speak of the fault."""
    truth = case.truth
    onset_s = owed.onset_s if owed.onset_s is not None else 0.0
    ordered = sorted(events, key=lambda event: float(event["t"]))
    alarms = [e for e in ordered if e.get("alarm") and e["event"] in FAULTS]
    early = [e for e in alarms if not owed.may or _before(e, onset_s)]
    hits = [e for e in ordered if e.get("alarm") and e["event"] in owed.hits]
    hits = [e for e in hits if owed.may and not _before(e, onset_s)]
    first = hits[0] if hits else None
    named = [e for e in alarms if e not in early and e.get("kind")]
    until_s = float(first["t"]) + CORRECTION_S if first else 0.0
    last = next((e for e in reversed(named) if first and float(e["t"]) <= until_s), None)
    fault = next((e for e in ordered if e["event"] in FAULTS and not _before(e, onset_s)), {})
    return Spoken(
        early=tuple(early),
        first=first,
        latency_ms=(float(first["t"]) - onset_s) * 1e3 if first else None,
        kind=str(last["kind"]) if last else "",
        kinds=_kinds(truth, float(last["t"])) if last else (truth.kind,),
        direction=str(fault.get("direction", "")),
        confidence=fault.get("confidence"),
        contrary=tuple(
            e
            for e in named
            if float(e["t"]) > until_s and e["kind"] not in _kinds_so_far(truth, float(e["t"]))
        ),
    )


def dead(truth: Truth, section: str, t_s: float) -> bool:
    """Whether no phase of the section is live at this instant."""
    states = [state.live for state in truth.sections.get(section, ()) if state.since_s <= t_s]
    return bool(states) and states[-1] == ""


def dark(recording: Recording, t_s: float) -> bool:
    """Whether all three voltages were below a fifth over the two cycles up to this instant: a short
    circuit close by on the source's side takes all supply too, while it lasts.
    """
    span = 2 * recording.rate_hz // recording.nominal_hz
    # After its end a recording stays as it was there.
    end = min(round(t_s * recording.rate_hz) + 1, recording.length)
    held = {trace.name for trace in recording.traces}
    if end < span or not held.issuperset(_VOLTAGES):
        return False
    least = _DEAD_SHARE * recording.bay.nominal_volts / 3**0.5
    waves = [recording.values(name)[end - span : end] for name in _VOLTAGES]
    return all(wave.size > 0 and float(np.sqrt(np.mean(wave**2))) < least for wave in waves)


def _seen(case: Case, name: str) -> Seen:
    try:
        return case.truth.terminals[name]
    except KeyError as error:
        held = ", ".join(case.truth.terminals) or "none"
        raise CaseError(f"case {case.name}", f"no truth of terminal {name!r}", held) from error


def _onset_s(truth: Truth, section: str) -> float | None:
    """When the first fault of this section's feeder begins, else the first of all.

    A feeder's sections are named alike up to their last letter ("s21", "s22").
    """
    own = [stage.onset_s for stage in truth.stages if stage.section[:-1] == section[:-1]]
    return own[0] if own else truth.onset_s


def _before(event: Event, onset_s: float) -> bool:
    return float(event["t"]) < onset_s - _ROUNDING_S


def _bar(truth: Truth) -> float | None:
    """How late a first word may be. [ms]"""
    if truth.what in ("intermittent_earth_fault", "high_impedance_fault", "broken_conductor"):
        return None
    return _EARTH_MS if truth.kind in _SINGLE else _SHORT_MS


def _uncounted(truth: Truth, seen: Seen, recording: Recording) -> str:
    """Why contract.md, section 5 does not count a miss here; "": it does."""
    if truth.what == "broken_conductor":
        lost = seen.lost_share
        return "" if lost >= 0.2 else f"it loses {lost:.0%} of the load, 20 % count"
    if truth.kind in _SINGLE:
        return _uncounted_residual(seen, recording)
    least = 2 * PICKUP_SHARE * recording.bay.rating_amps
    if truth.kind and seen.amps < least:
        return f"{seen.amps:.0f} A are less than twice the pickup, {least:.0f} A"
    return ""


def _uncounted_residual(seen: Seen, recording: Recording) -> str:
    told = f"3I0 changes by {seen.residual_amps:.2f} A and U0 by {seen.neutral_share:.1%}"
    if recording.bay.residual == "summed":
        least = max(0.3, 0.03 * load_amps(recording))
        return "" if seen.residual_amps >= least else f"{told}; {least:.1f} A count"
    if seen.residual_amps >= 0.3 or seen.neutral_share >= 0.03:
        return ""
    return f"{told}; 0.3 A or 3 % count"


def load_amps(recording: Recording) -> float:
    """The largest phase current's RMS over the first two cycles, before anything happens. [A]"""
    span = 2 * recording.rate_hz // recording.nominal_hz
    held = {trace.name for trace in recording.traces}
    rms = [
        float(np.sqrt(np.mean(recording.values(name)[:span] ** 2)))
        for name in ("ia", "ib", "ic")
        if name in held
    ]
    return max(rms, default=0.0)


def _kinds(truth: Truth, t_s: float) -> tuple[str, ...]:
    """Kinds that are right for a word at this instant."""
    begun = [stage for stage in truth.stages if stage.onset_s <= t_s + _ROUNDING_S]
    if not begun:
        return (truth.kind,)
    kinds = [begun[-1].kind]
    if len(begun) > 1 and t_s - begun[-1].onset_s < _SWITCHOVER_S:
        kinds.append(begun[-2].kind)
    if truth.what == "cross_country_fault":
        # Two places, two phases: a terminal sees one of them or both, by where it stands.
        kinds += [stage.kind for stage in begun] + [_together([stage.kind for stage in begun])]
    return tuple(dict.fromkeys(kinds))


def _kinds_so_far(truth: Truth, t_s: float) -> set[str]:
    """Kinds that were right at some time up to this instant."""
    begun = [stage.kind for stage in truth.stages if stage.onset_s <= t_s + _ROUNDING_S]
    return {truth.kind, *begun, *_kinds(truth, t_s)}


def _together(kinds: Sequence[str]) -> str:
    """Two earth faults as one kind: AG and BG are ABG; CG and AG are CAG."""
    phases = {kind[0] for kind in kinds if kind}
    pairs = {"AB": "ABG", "BC": "BCG", "AC": "CAG"}
    return pairs.get("".join(sorted(phases)), "ABC" if len(phases) == 3 else kinds[0])
