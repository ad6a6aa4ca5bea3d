"""How an event reads in an evidence sentence."""

from __future__ import annotations

from collections.abc import Sequence

from hil.scenarios.came import Event

_MOST_SHOWN = 4  # events in a sentence


def shown(event: Event) -> str:
    """An event in a few words."""
    words = [str(event["event"])]
    words += [str(event[key]) for key in ("kind", "direction") if event.get(key)]
    t = event.get("t")
    words.append(f"at {t:.4f} s" if isinstance(t, int | float) else f"at {t}")
    return " ".join(words)


def listed(events: Sequence[Event]) -> str:
    """The first few of them."""
    more = len(events) - _MOST_SHOWN
    told = ", ".join(shown(event) for event in events[:_MOST_SHOWN])
    return told + (f" and {more} more" if more > 0 else "")
