"""59: a voltage between two phases above its pickup for longer than its delay, with hysteresis.

Phase to phase, since the voltages to earth of two healthy phases rise to sqrt(3) when the third
touches earth in an isolated or coil-earthed network: customers there see no more than before.

Portable.
"""

START = 1
DROP = -1
NOTHING = 0

HYSTERESIS = 0.02  # of nominal: IEC 61000-4-30, so that a voltage at the limit does not chatter
_PAIRS = ("AB", "BC", "CA")


class Overvoltage:
    """The 59 start over three voltages phase to phase, RMS fundamental; NaN: not measured.

    After START: `phases` that the high voltages lie between, `onset_us`. After DROP also
    `highest_volts`.
    """

    def __init__(self, nominal_volts: float, pickup_share: float, delay_us: int) -> None:
        self.pickup_volts = pickup_share * nominal_volts
        self.return_volts = (pickup_share - HYSTERESIS) * nominal_volts
        self.delay_us = delay_us
        self.phases = ""
        self.onset_us = 0
        self.highest_volts = 0.0
        self._high_since: "int | None" = None
        self._told = False

    def idle(self) -> bool:
        """True when voltages below pickup would change nothing here."""
        return self._high_since is None

    def step(self, t_us: int, since_us: int, volts: tuple[float, float, float]) -> int:
        """START once for each swell, when it has lasted the delay; DROP when that one is over.

        since_us: beginning of the time that `volts` (AB, BC, CA) cover; the swell began no
        earlier.
        """
        high = [pair for pair, u in zip(_PAIRS, volts) if u >= self.pickup_volts]
        if self._high_since is None:
            if not high:
                return NOTHING
            self._high_since = t_us
            self.onset_us = since_us
            self.highest_volts = 0.0
        elif not [u for u in volts if u >= self.return_volts]:
            told = self._told
            self._high_since = None
            self._told = False
            return DROP if told else NOTHING
        self.highest_volts = max([self.highest_volts] + [u for u in volts if u >= 0.0])
        if self._told or not high or t_us - self._high_since < self.delay_us:
            return NOTHING
        self.phases = "".join([phase for phase in "ABC" if phase in "".join(high)])
        self._told = True
        return START
