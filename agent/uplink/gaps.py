"""Which holes in what has come are asked for again (`replay`), and when. Sans-I/O.

Brokers in a cluster reorder, so a hole is first given time to fill. Then its seqs are asked for, a
bounded number at once, and not again before they have come, were declared lost, or the deadline of
the request has passed. Nobody has to ask: a node resends what is not acknowledged by itself. Asking
fills the hole in seconds instead of a minute, and gets a consumer that nobody waits for its answer.
"""

from __future__ import annotations

from dataclasses import dataclass

# contract.md section 4 leaves 2 to 5 s to what is only out of order.
WINDOW_US = 3_000_000
# Four or so full envelopes: more would stand before the node's news on a slow link.
MOST_SEQS = 500
# An answer on a slow link with a backlog takes its time; a node that is away does not answer.
ANSWER_US = 30_000_000
# As long as a broker keeps the request (topics.py).
ANSWER_LONGEST_US = 300_000_000
# Requests without an answer, over all nodes: after a broker's bad day a thousand lanes have holes,
# and their answers share one link to us.
MOST_OPEN = 64

Place = tuple[str, str, int, str]  # site, node, epoch, lane


@dataclass(frozen=True, slots=True)
class Request:
    """Ask for the seqs first..last of a lane; the answer is awaited for `answer_us`."""

    site: str
    node: str
    epoch: int
    lane: str
    first: int
    last: int
    answer_us: int


@dataclass(slots=True)
class _Hole:
    """The lowest hole of a lane. asked_to: the highest seq asked for, 0 where nothing was."""

    first: int
    last: int
    due_us: int
    asked_to: int = 0
    answer_us: int = ANSWER_US


class Gaps:
    """The lowest hole of each lane that has one. Times are monotonic. [us]

    window_us: how long a hole may be a matter of order only. `asked`: requests so far.
    """

    def __init__(self, *, window_us: int = WINDOW_US) -> None:
        self.asked = 0
        self._window_us = window_us
        self._holes: dict[Place, _Hole] = {}

    def stands(self, place: Place, hole: tuple[int, int] | None, now_us: int) -> None:
        """The lowest hole of a lane is now `hole` (first, last), or there is none."""
        if hole is None:
            self._holes.pop(place, None)
            return
        known = self._holes.get(place)
        if known is not None and (known.first == hole[0] or hole[0] <= known.asked_to):
            known.first, known.last = hole
            return
        # What stood behind a hole that was asked for has been waiting as long as that one.
        answered = known is not None and known.asked_to > 0
        self._holes[place] = _Hole(*hole, due_us=now_us + (0 if answered else self._window_us))

    def due(self, now_us: int) -> list[Request]:
        """What to ask for now; it counts as asked."""
        waiting = sum(hole.asked_to > 0 and hole.due_us > now_us for hole in self._holes.values())
        found: list[Request] = []
        for place, hole in self._holes.items():
            if hole.due_us > now_us:
                continue
            if waiting + len(found) >= MOST_OPEN:
                break
            found.append(_asked(place, hole, now_us))
        self.asked += len(found)
        return found


def _asked(place: Place, hole: _Hole, now_us: int) -> Request:
    if hole.asked_to:  # and nothing came of it
        hole.answer_us = min(2 * hole.answer_us, ANSWER_LONGEST_US)
    hole.asked_to = min(hole.last, hole.first + MOST_SEQS - 1)
    hole.due_us = now_us + hole.answer_us
    return Request(*place, hole.first, hole.asked_to, hole.answer_us)
