"""27: a voltage below its pickup, with hysteresis, from the first one in to the last one out.

A dip as IEC 61000-4-30, 5.4 has it, and an interruption, 5.5: all of them below a twentieth. What
has never been up cannot sag; whether the section is alive is told by supply.py.

Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    Bounds = tuple[int, int]

HYSTERESIS = 0.02  # of nominal: IEC 61000-4-30, so that a voltage at the limit does not chatter
LOST_SHARE = 0.05  # IEC 61000-4-30, 5.5.1: an interruption, as EN 50160 counts them

DIP, DIP_OVER = "dip", "dip over"
LOST, FOUND = "lost", "found"


class Undervoltage:
    """Dips and interruptions over three voltages, RMS; NaN: not measured.

    names: of the voltages, "A" or "AB" and so on. delay_us: how long either must last to be told.
    After a word: `low` (names that were below since it began), `lowest_volts`; `began_us`,
    `ended_us`, `lost_us`, `found_us`: what the instants lie between.
    """

    def __init__(
        self, nominal_volts: float, pickup_share: float, delay_us: int, names: "tuple[str, ...]"
    ) -> None:
        self.pickup_volts = pickup_share * nominal_volts
        self.return_volts = (pickup_share + HYSTERESIS) * nominal_volts
        self.lost_volts = LOST_SHARE * nominal_volts
        self.found_volts = (LOST_SHARE + HYSTERESIS) * nominal_volts
        self.delay_us = delay_us
        self.names = names
        self.seen_up = False
        self.running = False
        self.low: "list[str]" = []
        self.lowest_volts = 0.0
        self.began_us: "Bounds" = (0, 0)
        self.ended_us: "Bounds" = (0, 0)
        self.lost_us: "Bounds" = (0, 0)
        self.found_us: "Bounds" = (0, 0)
        self._told = False
        self._lost = False
        self._lost_told = False
        self._lost_ever = False

    def dues_us(self) -> "list[int]":
        """When a dip, or an interruption, that runs will have lasted the delay."""
        dues = []
        if self.running and not self._told and not self._lost_ever:
            dues.append(self.began_us[1] + self.delay_us)
        if self._lost and not self._lost_told:
            dues.append(self.lost_us[1] + self.delay_us)
        return dues

    def step(self, t_us: int, since_us: int, volts: "tuple[float, float, float]") -> "list[str]":
        """Words on what is told now, in the order of what happened.

        since_us: what shows now for the first time happened no earlier.
        """
        known = [u for u in volts if u >= 0.0]
        if not known:
            return []
        low = [name for name, u in zip(self.names, volts) if u < self.pickup_volts]
        if not self.running:
            if not low:
                self.seen_up = True
            if not low or not self.seen_up:
                return []
            self._begin(t_us, since_us)
        self.low = [name for name in self.names if name in self.low or name in low]
        self.lowest_volts = min([self.lowest_volts] + known)
        words = self._follow_loss(t_us, since_us, max(known))
        if min(known) >= self.return_volts:
            self.running = False
            self.ended_us = since_us, t_us
            return words + ([DIP_OVER] if self._told else [])
        ripe = low and t_us - self.began_us[1] >= self.delay_us
        if ripe and not self._told and not self._lost_ever:
            self._told = True
            words.append(DIP)
        return words

    def _begin(self, t_us: int, since_us: int) -> None:
        self.running = True
        self.began_us = since_us, t_us
        self.low = []
        self.lowest_volts = self.pickup_volts
        self._told = False
        self._lost_ever = False

    def _follow_loss(self, t_us: int, since_us: int, highest: float) -> "list[str]":
        if not self._lost and highest < self.lost_volts:
            self._lost = self._lost_ever = True
            self._lost_told = False
            self.lost_us = since_us, t_us
        elif self._lost and highest >= self.found_volts:
            self._lost = False
            self.found_us = since_us, t_us
            return [FOUND] if self._lost_told else []
        if self._lost and not self._lost_told and t_us - self.lost_us[1] >= self.delay_us:
            self._lost_told = True
            return [LOST]
        return []
