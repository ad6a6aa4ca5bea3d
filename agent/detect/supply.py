"""Is this section alive, phase by phase: voltage loss and return with honest bounds of the instant.

A phase is dead below a fifth of nominal and live above four fifths; between, nothing is said.
Changes of several phases within the hold are one event. The bounds follow from the window: a
quantity that covers the time since `since_us` left its old state no earlier than that.

Portable.
"""

import math

DEAD = 0
LIVE = 1

DEAD_SHARE = 0.2  # capacitive pick-up from neighbouring live parts stays below it
LIVE_SHARE = 0.8  # lowest voltage a supplied customer may see is about 0.9; sensors err
# A star point that has left its place lifts phases above what a supply may reach (1.1): by a tenth
# of the phase voltage, and up to sqrt(3), while what lies between phases stays as it was.
DISPLACED_SHARE = 1.15


def displaced(volts: "list[float]", nominal_volts: float) -> bool:
    """Whether magnitudes to earth alone [NaN: not measured] show an earth fault, not a sag."""
    return bool([u for u in volts if u >= DISPLACED_SHARE * nominal_volts])


def supplied(
    volts: "tuple[float, float, float]", line: "list[float]", nominal_volts: float
) -> "tuple[float, float, float]":
    """What the phases are supplied with, as voltages to earth of a star point in its place.

    line: between phases, NaN where the source tells magnitudes only. A phase that touches earth in
    an isolated or coil-earthed network is not lost: between the phases all is as before. One that
    is lost leaves 0.58 between it and the others at most.
    """
    if [1 for u in line if not u >= 0.0]:
        sound = displaced(list(volts), nominal_volts)
        least = nominal_volts
    else:
        least = min(line) / math.sqrt(3.0)
        sound = least >= LIVE_SHARE * nominal_volts
    a, b, c = volts
    return (max(a, least), max(b, least), max(c, least)) if sound else volts


class Supply:
    """The three phase voltages of one side of a bay.

    nominal_volts: phase to earth, RMS; hold_us: how long a change must stand before it is told.
    States are None until a phase was first seen dead or live: what was not seen is not told.
    """

    def __init__(self, nominal_volts: float, dead_hold_us: int, live_hold_us: int) -> None:
        self.dead_volts = DEAD_SHARE * nominal_volts
        self.live_volts = LIVE_SHARE * nominal_volts
        self.holds_us = (dead_hold_us, live_hold_us)
        self.states: "list[int | None]" = [None, None, None]
        # Since when the new state stands; the earliest instant at which the old one was left.
        self._since: "list[int | None]" = [None, None, None]
        self._left: "list[int | None]" = [None, None, None]

    def resume(self, states: "list[int | None]", since_us: int) -> None:
        """Go on from states that were true at `since_us`; nobody has looked since.

        A phase that is found otherwise changed at an unknown instant after that.
        """
        for phase in range(3):
            if states[phase] is not None:
                self.states[phase] = states[phase]
                self._left[phase] = since_us

    def doubt(self, phase: int) -> None:
        """What was seen of this phase of late came from a sensor that lies: it has not changed, and
        where it was taken for dead nothing is known.
        """
        if self.states[phase] == DEAD:
            self.states[phase] = None
        self._left[phase] = None
        self._since[phase] = None

    def settled(self) -> "tuple[int | None, ...]":
        """States of the phases; None where one is not known, or just leaving its state."""
        return tuple([self.states[p] if self._left[p] is None else None for p in range(3)])

    def idle(self) -> bool:
        """True when voltages that confirm the present states would change nothing here."""
        return None not in self.states and self._left == [None, None, None]

    def dues_us(self) -> "list[int]":
        """When changes that stand will have been held."""
        return [
            since + self.holds_us[1 - state]
            for state, since in zip(self.states, self._since)
            if since is not None and state is not None
        ]

    def step(
        self, t_us: int, since_us: int, volts: tuple[float, float, float], faulted: bool
    ) -> "tuple[int, str, int, int] | None":
        """A change that has now stood long enough: (DEAD or LIVE, phases, earliest, latest).

        since_us: beginning of the time that `volts` [RMS] cover; faulted: a fault of this bay
        holds the voltage down, so that it is followed, but not yet told as lost.
        """
        for phase in range(3):
            self._follow(phase, t_us, since_us, volts[phase])
        lost = None if faulted else self._told(DEAD, t_us)
        return lost or self._told(LIVE, t_us)

    def _follow(self, phase: int, t_us: int, since_us: int, volts: float) -> None:
        seen = self._seen(volts)
        if self.states[phase] is None:
            self.states[phase] = seen
            return
        if seen == self.states[phase]:
            self._left[phase] = None
            self._since[phase] = None
            return
        if self._left[phase] is None:
            self._left[phase] = since_us
        if seen is None:
            self._since[phase] = None
        elif self._since[phase] is None:
            self._since[phase] = t_us

    def _seen(self, volts: float) -> "int | None":
        if volts < self.dead_volts:
            return DEAD
        return LIVE if volts >= self.live_volts else None

    def _told(self, state: int, t_us: int) -> "tuple[int, str, int, int] | None":
        moved = []
        since = []
        left = []
        for phase in range(3):
            stands, gone = self._since[phase], self._left[phase]
            if self.states[phase] == 1 - state and stands is not None and gone is not None:
                moved.append(phase)
                since.append(stands)
                left.append(gone)
        if not moved or t_us - min(since) < self.holds_us[state]:
            return None
        for phase in moved:
            self.states[phase] = state
            self._left[phase] = None
            self._since[phase] = None
        latest = max(since)
        return state, "".join(["ABC"[p] for p in moved]), min(*left, latest), latest
