"""51: time overcurrent, the larger the current the sooner, by the curves of IEC 60255-151.

Each current drives a disc of its own: over start it travels at the speed that the curve gives for
the current of the moment, below it goes back as `reset` says, and at full travel the element
operates. So a current that changes or pulses is right too, not only a steady one. Travel is a
whole number, so that it neither drifts nor depends on a platform.

    t(M) = TMS * (k / (M^a - 1) + c)    operate, M = I / Is from 1.1 to 20, above as at 20
    t(M) = TMS * tr / (1 - M^2)         dependent reset, from full travel, M below 1

Portable.
"""

START = 1
DROP = -1
OPERATE = 2
NOTHING = 0

# k [s], a, c [s]. A to F: IEC 60255-151:2009 (normal, very and extremely inverse; IEEE C37.112
# moderately, very and extremely inverse). The other two: every maker's list, e.g. ABB REX610
# technical manual, table of the standard inverse-time characteristics. Definite: TMS seconds.
CURVES = {
    "A": (0.14, 0.02, 0.0),
    "B": (13.5, 1.0, 0.0),
    "C": (80.0, 2.0, 0.0),
    "D": (0.0515, 0.02, 0.114),
    "E": (19.61, 2.0, 0.491),
    "F": (28.2, 2.0, 0.1217),
    "short_inverse": (0.05, 0.04, 0.0),
    "long_inverse": (120.0, 1.0, 0.0),
    "definite": (0.0, 1.0, 1.0),
}
# tr [s]. D, E, F: the standard's. A, B, C, long inverse: it leaves them to makers; Siemens 7SR18
# (section 2.9.3) and GE M60 (table 5-28) have the same. Short inverse: GE. Definite: as long as
# it took.
RESET_S = {
    "A": 9.7,
    "B": 43.2,
    "C": 58.2,
    "D": 4.85,
    "E": 21.6,
    "F": 29.1,
    "short_inverse": 0.5,
    "long_inverse": 80.0,
    "definite": 1.0,
}

# Near Is a curve asks for hours and a per cent of the current is a multiple of the time; all
# makers start dependent curves a tenth above (Schneider Sepam: A to F at 1.1).
START_RATIO = 1.1
DROP_RATIO = 0.95  # of the start: a protection relay's usual one, so that ripple does not chatter
FLAT_RATIO = 20.0

FAR_US = 1 << 62  # later than anything

# Speeds are in 1/SCALE of the full travel a second with TMS = 1: the slowest, a long inverse at
# its dropout, is still right to a ten-thousandth, the fastest fits in 31 bits.
SCALE = 1 << 24
# Straight lines between 64 points an octave; the speed bends so little that they err by less
# than 0.1 % (the time itself would need ten times as many near Is).
_STEPS = 64
_OCTAVES = 5


class InverseTime:
    """One 51 element over `count` RMS currents: three phases, or 3I0 alone.

    curve: a key of CURVES; "definite" starts at the pickup itself and takes `multiplier` seconds.
    reset: "instantaneous", "definite" (the travel is kept for reset_us, then gone) or "dependent".
    credit_us: how far what is shown lags behind the current: the element looks ahead as far.
    minimum_us: it never operates sooner after its start.
    After START: `since_us`. After OPERATE: `places`, the currents that stand, counted from 0.
    """

    def __init__(
        self,
        count: int,
        pickup_amps: float,
        curve: str,
        multiplier: float,
        credit_us: int,
        minimum_us: int = 0,
        reset: str = "instantaneous",
        reset_us: int = 0,
    ) -> None:
        self.pickup_amps = pickup_amps
        self.curve = curve
        self.multiplier = multiplier
        self.start_amps = pickup_amps * (1.0 if curve == "definite" else START_RATIO)
        self.drop_amps = DROP_RATIO * self.start_amps
        self.credit_us = credit_us
        self.minimum_us = minimum_us
        self.reset = reset
        self.reset_us = reset_us
        self.since_us: "int | None" = None
        self.places: "list[int]" = []
        self._speeds = speeds(curve)
        self._reset_s = RESET_S[curve]
        self._full = _round(multiplier * 1000000) * SCALE
        self._travel = [0] * count
        self._speed = [0] * count  # since the last step; below zero where a disc goes back
        self._started: "list[int | None]" = [None] * count
        self._dropped = [0] * count
        self._seen_us = 0

    def idle(self) -> bool:
        """True when currents below `start_amps` would change nothing here."""
        return self.since_us is None and max(self._travel) == 0

    def remaining_us(self) -> int:
        """How long it takes until it operates, should the currents stay; FAR_US: it does not."""
        remaining = FAR_US
        for travel, pace, started in zip(self._travel, self._speed, self._started):
            if started is not None and pace > 0 and not self.places:
                remaining = min(remaining, (self._full - travel) // pace)
        return remaining

    def step(self, t_us: int, since_us: int, currents: "tuple[float, ...]") -> int:
        """START, OPERATE, DROP or NOTHING at this sample.

        since_us: beginning of the time that `currents` cover; what lies between the last step
        and that was not seen, and moves nothing.
        """
        passed_us = max(0, t_us - max(self._seen_us, since_us))
        self._seen_us = t_us
        for k, amps in enumerate(currents):
            self._drive(k, t_us, passed_us, amps)
        return self._told(t_us)

    def _drive(self, k: int, t_us: int, passed_us: int, amps: float) -> None:
        """The disc has gone on with the speed that it had; from now on it has another."""
        travel = self._travel[k] + self._speed[k] * passed_us
        self._travel[k] = min(max(travel, 0), self._full)
        if self._started[k] is None:
            if self.reset == "definite" and t_us - self._dropped[k] >= self.reset_us:
                self._travel[k] = 0
            if amps >= self.start_amps:
                self._started[k] = t_us
        elif amps < self.drop_amps:
            self._drop(k, t_us)
        ratio = amps / self.pickup_amps
        if self._started[k] is not None:
            self._speed[k] = speed(self._speeds, ratio)
        elif self.reset == "dependent":
            self._speed[k] = -int(SCALE * max(1.0 - ratio * ratio, 0.0) / self._reset_s)
        else:
            self._speed[k] = 0

    def _drop(self, k: int, t_us: int) -> None:
        self._started[k] = None
        self._dropped[k] = t_us
        # What is kept bridges the gaps of one fault; after an operation that fault is over.
        if self.reset == "instantaneous" or (self.reset == "definite" and self.places):
            self._travel[k] = 0

    def _told(self, t_us: int) -> int:
        standing = [since for since in self._started if since is not None]
        if not standing:
            told = NOTHING if self.since_us is None else DROP
            self.since_us = None
            self.places = []
            return told
        if self.since_us is None:
            self.since_us = min(standing)
            return START
        if self.places:
            return NOTHING
        places = range(len(self._started))
        if not [k for k in places if self._is_there(k, t_us)]:
            return NOTHING
        self.places = [k for k in places if self._started[k] is not None]
        return OPERATE

    def _is_there(self, k: int, t_us: int) -> bool:
        since_us = self._started[k]
        if since_us is None or t_us - since_us + self.credit_us < self.minimum_us:
            return False
        return self._travel[k] + self._speed[k] * self.credit_us >= self._full


def speeds(curve: str) -> "list[int]":
    """Speed of the disc at 64 points of each octave from M = 1, in 1/SCALE of full travel a second.

    Rounded, so that a last bit of the platform's power function reaches no verdict.
    """
    k, a, c = CURVES[curve]
    table = []
    for octave in range(_OCTAVES):
        for place in range(_STEPS):
            ratio = min((1 << octave) * (1.0 + place / _STEPS), FLAT_RATIO)
            rise = ratio**a - 1.0
            # 1 / (k / rise + c), which is 0 at M = 1; definite time has the one speed everywhere.
            table.append(_round(SCALE * rise / (k + c * rise)) if k else _round(SCALE / c))
    return table


def speed(table: "list[int]", ratio: float) -> int:
    """Speed at M = ratio, on the straight line between its neighbours in the table."""
    if ratio >= FLAT_RATIO:
        return table[-1]
    if ratio <= 1.0:
        return table[0]
    first = 0
    while ratio >= 2.0:
        ratio /= 2.0
        first += _STEPS
    offset = (ratio - 1.0) * _STEPS
    place = int(offset)
    low, high = table[first + place], table[first + place + 1]
    return low + int((high - low) * (offset - place))


def _round(value: float) -> int:
    return int(value + 0.5)
