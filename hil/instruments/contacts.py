"""Switch contacts as they are: metal that bounces before it rests.

An ideal trace of states becomes one with bounce: at each change the contact first moves at the
instant of the trace, then breaks and makes a few more times, ever more briefly, and rests in its
new state within the bounce time. Auxiliary contacts of breakers bounce for 1 to 10 ms, those of
relays for less; opening ones hardly (some chatter, when the mechanism shakes).
Source: R. Holm, "Electric Contacts", 4th ed., Springer 1967, part III, on bouncing when closing.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import numpy as np

from hil.case import Recording, States


@dataclass(frozen=True, slots=True)
class Contact:
    """How a contact moves.

    closing_ms, opening_ms: within how long it rests, at most; 0 = it does not bounce.
    bounces: how many times it moves back, at most. restitution: share of speed, and so of time in
    the air, that is left after each bounce.
    """

    closing_ms: float = 5.0
    opening_ms: float = 0.5
    bounces: int = 4
    restitution: float = 0.6


AUXILIARY = Contact()


def bouncing(states: States, rate_hz: int, seed: int, contact: Contact = AUXILIARY) -> States:
    """The trace with its bounces, shape (n,); the same seed bounces the same."""
    chance = Random(seed)  # noqa: S311  # no secret
    moved = states.copy()
    changes = [*(np.flatnonzero(np.diff(states)) + 1).tolist(), len(states)]
    for begin, end in pairwise(changes):
        closing = bool(states[begin])
        within_ms = contact.closing_ms if closing else contact.opening_ms
        rest_ms = chance.uniform(0.4, 1.0) * within_ms
        for away_ms, back_ms in _flights(rest_ms, chance, contact):
            away, back = (begin + round(ms * rate_hz / 1000) for ms in (away_ms, back_ms))
            # A change that comes before it rests ends the bounces of the one before.
            moved[min(max(away, begin + 1), end) : min(back, end)] = not closing
    return moved


def _flights(rest_ms: float, chance: Random, contact: Contact) -> list[tuple[float, float]]:
    """When it leaves and comes back, since it first touched; each flight shorter. [ms]"""
    count = chance.randint(1, contact.bounces) if contact.bounces and rest_ms > 0 else 0
    lengths = [contact.restitution**k * chance.uniform(0.7, 1.0) for k in range(2 * count)]
    ends = np.cumsum(lengths) / max(sum(lengths), 1e-9) * rest_ms
    return [(float(ends[2 * k]), float(ends[2 * k + 1])) for k in range(count)]


def with_bounce(recording: Recording, seed: int, contact: Contact = AUXILIARY) -> Recording:
    """The recording with bounce in all its contacts, each in its own way."""
    contacts = {
        name: bouncing(states, recording.rate_hz, seed + number, contact)
        for number, (name, states) in enumerate(sorted(recording.contacts.items()))
    }
    return dataclasses.replace(recording, contacts=contacts)
