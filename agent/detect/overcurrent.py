"""50: an instantaneous overcurrent start that a decaying DC cannot deceive.

Well above pickup it starts at once. In the band where the front end may overread while its
window still straddles an inception (see tables.py: by up to 1.21, for less than half a
cycle) one and the same current must stay. So 2x pickup stands within a cycle, and 0.98x never.

Portable.
"""

START = 1
DROP = -1
NOTHING = 0

SURE_RATIO = 1.2  # 0.98 of pickup times the filter's worst overreach of 1.21 stays below it
DROP_RATIO = 0.95  # a protection relay's usual dropout ratio, so that ripple does not chatter


class Overcurrent:
    """One instantaneous element over `count` RMS currents: three phases, or 3I0 alone.

    hold_us: how long a current between pickup and the sure level must stay: half a cycle.
    drop_us: how long all must stay below the dropout level to be over: one cycle.
    """

    def __init__(self, count: int, pickup_amps: float, hold_us: int, drop_us: int) -> None:
        self.pickup_amps = pickup_amps
        self.hold_us = hold_us
        self.drop_us = drop_us
        self.started = False
        self._above_since: "list[int | None]" = [None] * count
        self._below_since: "int | None" = None

    def idle(self) -> bool:
        """True when currents below pickup would change nothing here."""
        return not self.started and not [t for t in self._above_since if t is not None]

    def reset(self) -> None:
        """What it saw was no current."""
        self.started = False
        self._above_since = [None] * len(self._above_since)
        self._below_since = None

    def dues_us(self) -> "list[int]":
        """When holds that run will have been kept."""
        if self.started:
            since = self._below_since
            return [] if since is None else [since + self.drop_us]
        return [since + self.hold_us for since in self._above_since if since is not None]

    def levels(self) -> "list[float]":
        """Between these currents nothing changes but by time. [A]"""
        pickup = self.pickup_amps
        return [DROP_RATIO * pickup, pickup, SURE_RATIO * pickup]

    def step(self, t_us: int, currents: "tuple[float, ...]") -> int:
        """START, DROP or NOTHING at this sample."""
        if self.started:
            return self._watch_drop(t_us, max(currents))
        # Each current by itself: an offset lifts one phase after the other, never one for long.
        stands = [self._stands(k, t_us, amps) for k, amps in enumerate(currents)]
        if True not in stands:
            return NOTHING
        self.started = True
        self._above_since = [None] * len(currents)
        return START

    def _stands(self, k: int, t_us: int, amps: float) -> bool:
        if amps < self.pickup_amps:
            self._above_since[k] = None
            return False
        since = self._above_since[k]
        if since is None:
            since = self._above_since[k] = t_us
        return amps >= SURE_RATIO * self.pickup_amps or t_us - since >= self.hold_us

    def _watch_drop(self, t_us: int, amps: float) -> int:
        if amps >= DROP_RATIO * self.pickup_amps:
            self._below_since = None
            return NOTHING
        if self._below_since is None:
            self._below_since = t_us
        if t_us - self._below_since < self.drop_us:
            return NOTHING
        self.started = False
        self._below_since = None
        return DROP
