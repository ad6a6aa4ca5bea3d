"""How a short circuit or an earth fault ended: it went by itself, a breaker opened, or it stays.

What tells is the load: the current of before is back when a fault has gone by itself, and missing
where a breaker has opened, here, nearer to the source (then the voltage is gone too), or beyond.
A breaker may close again: a fault that is there again then is permanent, and one that is not, once
the load has stood for ten cycles, had gone by itself after all.

Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PERMANENT, SELF_CLEARED, OPEN, UNTOLD = "permanent", "self_cleared", "open", ""

# The slowest stage of a 10 kV feeder's protection has opened by then, and an arc that goes out by
# itself in a coil-earthed network has done so (IEEE C62.92.3: a few seconds).
STANDS_US = 5_000_000
# Dead times of reclosing, and the closing one after another of the switches of a feeder, take up
# to a minute (IEEE C37.104; field.md: X times of 7 s a switch).
RECLAIM_US = 60_000_000
# Of the load before: less than half of it is back, and a breaker took the rest; contactors and
# drives drop out in a dip by themselves, up to a fifth of a feeder's load.
GONE_SHARE, BACK_SHARE = 0.5, 0.8
CALM_CYCLES = 10


class Outcome:
    """Of the faults of one bay, one after another. Amperes and volts RMS, primary.

    floor_amps: what counts as load. dead_volts: below it a phase is dead. reason: why the last
    answer of `cleared` is UNTOLD. off_us: how long the breaker was open, at SELF_CLEARED by `step`.
    waiting: a breaker has opened and may close again.
    """

    def __init__(self, floor_amps: float, dead_volts: float, cycle_us: int) -> None:
        self.floor_amps = floor_amps
        self.dead_volts = dead_volts
        self.calm_us = CALM_CYCLES * cycle_us
        self.waiting = False
        self.standing = False
        self.reason = ""
        self.off_us = 0
        self.before: "Sequence[float] | None" = None
        self.after: "Sequence[float]" = ()
        self._returned = False
        self._told = UNTOLD
        self._since_us = 0
        self._opened_us = 0
        self._flows_us: "int | None" = None

    def idle(self) -> bool:
        """True when currents below the floor would change nothing here."""
        return not self.standing and self._flows_us is None

    def dues_us(self) -> "list[int]":
        """When a fault has stood for long, or a load for long enough."""
        if self.standing:
            return [] if self._told == PERMANENT else [self._since_us + STANDS_US]
        return [] if self._flows_us is None else [self._flows_us + self.calm_us]

    def fault(self, t_us: int, before: "Sequence[float] | None") -> str:
        """PERMANENT when it came back after a breaker had opened, else UNTOLD.

        before: the phase currents before it; None: they were not seen.
        """
        if self.standing:
            return UNTOLD
        self._returned = self.waiting and t_us - self._opened_us <= RECLAIM_US
        if not self._returned:
            self.before = before
        self.standing, self.waiting, self._flows_us = True, False, None
        self._since_us = t_us
        self._told = PERMANENT if self._returned else UNTOLD
        return self._told

    def cleared(
        self, t_us: int, currents: "Sequence[float]", voltages: "Sequence[float] | None"
    ) -> str:
        """What became of the fault that has just ended. voltages: None where there are none."""
        self.standing = False
        self.after = currents
        told, self.reason = self._compared(currents, voltages)
        if told == OPEN:
            self.waiting, self._opened_us = True, t_us
        return PERMANENT if self._told == PERMANENT else told

    def step(self, t_us: int, currents: "Sequence[float]") -> str:
        """PERMANENT when a fault has stood for long, SELF_CLEARED when the load is back for good
        after a breaker had opened, else UNTOLD.
        """
        if self.standing:
            if self._told == PERMANENT or t_us - self._since_us < STANDS_US:
                return UNTOLD
            self._told = PERMANENT
            return PERMANENT
        if not self.waiting:
            return UNTOLD
        if max(currents) < self.floor_amps:
            self._flows_us = None
        elif self._flows_us is None:
            self._flows_us = t_us
        elif t_us - self._flows_us >= self.calm_us:
            return self._closed_again()
        return UNTOLD

    def _closed_again(self) -> str:
        flows_us = self._opened_us if self._flows_us is None else self._flows_us
        self.waiting, self._flows_us = False, None
        self.off_us = flows_us - self._opened_us
        # Of a fault that had come back the last shot has decided; later it is another matter.
        late = self.off_us > RECLAIM_US
        return UNTOLD if late or self._told == PERMANENT else SELF_CLEARED

    def _compared(
        self, currents: "Sequence[float]", voltages: "Sequence[float] | None"
    ) -> "tuple[str, str]":
        """(outcome, why there is none)."""
        if voltages is not None and max(voltages) < self.dead_volts:
            return OPEN, ""
        if self.before is None:
            return UNTOLD, "the load before the fault was not seen"
        shares = [
            after / before
            for before, after in zip(self.before, currents)
            if before >= self.floor_amps
        ]
        if not shares:
            return UNTOLD, "there was no load before the fault"
        if min(shares) < GONE_SHARE:
            return OPEN, ""
        if min(shares) >= BACK_SHARE:
            return SELF_CLEARED, ""
        return UNTOLD, "a part of the load has not come back"
