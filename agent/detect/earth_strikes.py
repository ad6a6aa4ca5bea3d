"""When an arc to earth strikes: each time the voltage of its phase collapses, U0 jumps.

A jump is what a second difference over a fortieth of a cycle shows: fundamental and low harmonics
leave little in it, a collapse of some hundred volts much. After a strike all is quiet for a while;
what follows sooner is its own ringing.

Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.raw import Raw

# A fortieth of a cycle, half a millisecond: the filter before the slowest converter passes that.
STEP_SHARE = 40
# A jump by the phase voltage's peak: arcs strike at some tenths of it and more; sensors' noise of
# 1 % of the rating, 40 dB, shows with six sigma at most.
JUMP_SHARE = 0.12
# Of the second difference of a U0 of one and a half times the phase voltage.
MOST_NEUTRAL = 1.5
# Arcs strike at most once in a half cycle; the ringing after it is over in a tenth of a cycle.
APART_SHARE = 10
# It is an intermittent fault from the third strike within a second on: a second one may be its
# clearing, and the tens to hundreds a second of real ones come sooner.
STRIKES, WITHIN_US = 3, 1_000_000


def strikes(u0: "list[int]", window: int, peak_counts: float) -> "list[int]":
    """Places in `u0` where something strikes, each the beginning of all that belongs to it.

    peak_counts: of the nominal phase voltage.
    """
    step = max(1, window // STEP_SHARE)
    turn = 6.2832 * step / window
    limit = peak_counts * (JUMP_SHARE + MOST_NEUTRAL * turn * turn)
    apart = window // APART_SHARE
    found = []
    last = -apart
    for k in range(2 * step, len(u0)):
        if abs(u0[k] - 2 * u0[k - step] + u0[k - 2 * step]) >= limit:
            if k - last >= apart:
                found.append(k)
            last = k
    return found


class Strikes:
    """Counted on one bay. count: of this fault; recent_us: those of the last second."""

    def __init__(self, phase_volts: float, cycle_us: int) -> None:
        self._peak_volts = phase_volts * 2.0**0.5
        self._cycle_us = cycle_us
        self.count = 0
        self.recent_us: "list[int]" = []

    def forget(self) -> None:
        """Another fault begins."""
        self.count = 0
        self.recent_us = []

    def search(self, t_us: int, since_us: int, raw: "Raw") -> None:
        """Count those among the samples after `since_us` up to `t_us`."""
        window = raw.window
        # Some of what was searched before tells a strike from the ringing of one.
        count = (t_us - since_us) * window // self._cycle_us + window // 4
        samples, scale = raw.wave("u0", count)
        if not samples or not scale:
            return
        for place in strikes(samples, window, self._peak_volts / abs(scale)):
            at_us = t_us - (len(samples) - 1 - place) * self._cycle_us // window
            last_us = self.recent_us[-1] if self.recent_us else None
            if at_us <= since_us or (last_us is not None and at_us - last_us < self._apart_us()):
                continue
            self.count += 1
            self.recent_us = [each for each in self.recent_us if at_us - each < WITHIN_US]
            self.recent_us.append(at_us)

    def often(self) -> bool:
        """Whether that makes it intermittent."""
        return len(self.recent_us) >= STRIKES

    def _apart_us(self) -> int:
        return self._cycle_us // APART_SHARE
