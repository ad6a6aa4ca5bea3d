"""59: a voltage above its pickup for longer than its delay, with hysteresis, from the first one in
to the last one out: a swell as IEC 61000-4-30, 5.4 has it.

Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    Bounds = tuple[int, int]

START = 1
DROP = -1
NOTHING = 0

HYSTERESIS = 0.02  # of nominal: IEC 61000-4-30, so that a voltage at the limit does not chatter


class Overvoltage:
    """Swells over three voltages, RMS; NaN: not measured. names: "A" or "AB" and so on.

    After START: `high` (names that were above since it began), `began_us` (what that lies
    between), `highest_volts`. After DROP also `ended_us`.
    """

    def __init__(
        self, nominal_volts: float, pickup_share: float, delay_us: int, names: "tuple[str, ...]"
    ) -> None:
        self.pickup_volts = pickup_share * nominal_volts
        self.return_volts = (pickup_share - HYSTERESIS) * nominal_volts
        self.delay_us = delay_us
        self.names = names
        self.running = False
        self.high: "list[str]" = []
        self.highest_volts = 0.0
        self.began_us: "Bounds" = (0, 0)
        self.ended_us: "Bounds" = (0, 0)
        self._told = False

    def dues_us(self) -> "list[int]":
        """When a swell that runs will have lasted the delay."""
        return [self.began_us[1] + self.delay_us] if self.running and not self._told else []

    def step(self, t_us: int, since_us: int, volts: "tuple[float, float, float]") -> int:
        """START once for each swell, when it has lasted the delay; DROP when that one is over.

        since_us: what shows now for the first time happened no earlier.
        """
        high = [name for name, u in zip(self.names, volts) if u >= self.pickup_volts]
        if not self.running:
            if not high:
                return NOTHING
            self.running = True
            self.began_us = since_us, t_us
            self.high = []
            self.highest_volts = 0.0
            self._told = False
        elif not [u for u in volts if u >= self.return_volts]:
            self.running = False
            self.ended_us = since_us, t_us
            return DROP if self._told else NOTHING
        self.high = [name for name in self.names if name in self.high or name in high]
        self.highest_volts = max([self.highest_volts] + [u for u in volts if u >= 0.0])
        if self._told or not high or t_us - self.began_us[1] < self.delay_us:
            return NOTHING
        self._told = True
        return START
