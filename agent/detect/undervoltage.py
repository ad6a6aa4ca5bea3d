"""27: a phase voltage below its pickup for longer than its delay, with hysteresis.

A phase that has never been up cannot sag; a dead feeder is told by supply.py, not here.

Portable.
"""

HYSTERESIS = 0.02  # of nominal: IEC 61000-4-30, so that a voltage at the limit does not chatter


class Undervoltage:
    """The 27 start over three phases. Voltages phase to earth, RMS fundamental."""

    def __init__(self, nominal_volts: float, pickup_share: float, delay_us: int) -> None:
        self.pickup_volts = pickup_share * nominal_volts
        self.return_volts = (pickup_share + HYSTERESIS) * nominal_volts
        self.delay_us = delay_us
        self.phases = ""
        self.onset_us: "int | None" = None
        self._low_since = 0
        self._seen_up = False
        self._told = False

    def idle(self) -> bool:
        """True when healthy voltages would change nothing here."""
        return self.onset_us is None

    def dues_us(self) -> "list[int]":
        """When a dip that runs will have lasted the delay."""
        return [] if self.onset_us is None or self._told else [self._low_since + self.delay_us]

    def step(self, t_us: int, since_us: int, volts: tuple[float, float, float]) -> bool:
        """True once for each dip, when it has lasted the delay; `phases` tells which.

        since_us: beginning of the time that `volts` cover; the dip began no earlier.
        """
        low = "".join([name for name, u in zip("ABC", volts) if u < self.pickup_volts])
        if self.onset_us is None:
            if not low:
                self._seen_up = True
            elif self._seen_up:
                self.onset_us = since_us
                self._low_since = t_us
        elif min(volts) >= self.return_volts:
            self.onset_us = None
            self._told = False
        if self.onset_us is None or self._told or not low:
            return False
        if t_us - self._low_since < self.delay_us:
            return False
        self.phases = low
        self._told = True
        return True
