"""A short circuit that becomes another: one that draws in a phase, or earth.

Only growth is told: a phase that goes silent may be one whose current transformer saturates, and a
fault that ends ends altogether. A phase has joined when its current has stood for half a cycle
where no load and no transformer's error brings it; earth when 3I0 and U0 both have for a cycle.

Portable.
"""

# Of the largest phase current: as faulted_phase.INVOLVED_SHARE.
JOINING_SHARE = 0.4
SURE_RATIO = 1.2  # of pickup; see overcurrent.py
EARTH_SHARE = 0.1  # of the largest phase current: as short_circuit.STABILISING_SHARE
EARTH_VOLTS = 0.15  # of the phase voltage: more than a coil's network shows in health
RISEN_VOLTS = 0.1  # of the same, above what it was when the fault was told
# What is left of a fault's current when it is over is no new fault.
STILL_THERE = 0.5
# Looks in a row: half a cycle has three quarters' ends, a whole one five.
JOINED, EARTHED = 3, 5
PAIRS = {"AB": "AB", "BC": "BC", "AC": "CA"}


class Evolution:
    """Of the fault that stands; looked at four times a cycle, at instants that it names itself."""

    def __init__(
        self, pickup_amps: float, residual_pickup_amps: float, cycle_us: int, phase_volts: float
    ) -> None:
        self.pickup_amps = pickup_amps
        self.residual_pickup_amps = residual_pickup_amps
        self.phase_volts = phase_volts
        self.quarter_us = cycle_us // 4
        self.due_us: "int | None" = None
        self._largest = 0.0
        self._before_volts = 0.0
        self._joined = [0, 0, 0]
        self._earthed = 0

    def begin(self, t_us: int, largest_amps: float, neutral_volts: float) -> None:
        """A word was told."""
        self._before_volts = neutral_volts
        self.due_us = t_us + self.quarter_us
        self._largest = largest_amps
        self._joined = [0, 0, 0]
        self._earthed = 0

    def end(self) -> None:
        """The fault is over."""
        self.due_us = None

    def step(
        self,
        t_us: int,
        kind: str,
        currents: "tuple[float, float, float]",
        residual_amps: float,
        neutral_volts: float,
    ) -> str:
        """The kind that it has become, "" while it is what it was. Amperes and volts RMS."""
        if self.due_us is None or t_us < self.due_us:
            return ""
        self.due_us = t_us + self.quarter_us
        largest = max(currents)
        self._largest = max(self._largest, largest)
        if largest < STILL_THERE * self._largest:
            return ""
        least = max(SURE_RATIO * self.pickup_amps, JOINING_SHARE * largest)
        self._joined = [
            count + 1 if amps >= least else 0 for count, amps in zip(self._joined, currents)
        ]
        # U0 is NaN where there is no voltage: then earth never joins.
        earthed = residual_amps >= self.residual_pickup_amps + EARTH_SHARE * largest
        earthed = earthed and neutral_volts >= EARTH_VOLTS * self.phase_volts > 0.0
        earthed = earthed and neutral_volts - self._before_volts >= RISEN_VOLTS * self.phase_volts
        self._earthed = self._earthed + 1 if earthed else 0
        return self._grown(kind)

    def _grown(self, kind: str) -> str:
        phases = "".join(
            [name for name, count in zip("ABC", self._joined) if name in kind or count >= JOINED]
        )
        if len(phases) == 3:
            return "" if kind == "ABC" else "ABC"
        grounded = "G" in kind or self._earthed >= EARTHED
        grown = PAIRS.get(phases, phases) + ("G" if grounded else "")
        if len(phases) == 1 or grown == kind:
            return ""
        return grown
