"""What two sets of settings say of the same samples, side by side.

A verdict is what people act on: which event, on which phases, which way, alarm or not, and when.
The quantities behind it (`why`) hold the thresholds themselves and differ by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agent.records import Event

# Two verdicts that stand this close are at the same time: a sample at 1 kHz, a hundredth of a step
# of grading.
SAME_US = 1_000


@dataclass(frozen=True, slots=True)
class Change:
    """A verdict that is another one, or there with one set of settings only: None."""

    bay: str
    before: Event | None
    after: Event | None


def changes(before: Iterable[Event], after: Iterable[Event]) -> Iterator[Change]:
    """Where they differ, in order of time. Events of one kind are matched in their order."""
    rest = list(after)
    found: list[Change] = []
    for old in before:
        new = next((event for event in rest if _kind(event) == _kind(old)), None)
        if new is None:
            found.append(Change(old.bay, old, None))
            continue
        rest.remove(new)
        if _outcome(old) != _outcome(new) or abs(old.t_us - new.t_us) >= SAME_US:
            found.append(Change(old.bay, old, new))
    found += [Change(new.bay, None, new) for new in rest]
    yield from sorted(found, key=lambda change: (change.before or change.after).t_us)  # type: ignore[union-attr]  # one of them is there


def told(event: Event | None, since_us: int = 0) -> str:
    """A verdict in a few words."""
    if event is None:
        return "-"
    words = [event.event, event.kind or event.phases, event.element, event.direction]
    alarm = ["ALARM"] if event.alarm else []
    at = f"at {(event.t_us - since_us) / 1e6:.3f} s"
    return " ".join([*alarm, *(word for word in words if word), at])


def _kind(event: Event) -> tuple[str, str, str | None]:
    element = event.element if event.event == "operate" else None
    return event.bay, event.event, element


def _outcome(event: Event) -> tuple[object, ...]:
    return event.kind, event.phases, event.alarm, event.direction, event.outcome, event.element
