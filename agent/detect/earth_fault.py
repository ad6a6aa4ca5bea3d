"""The story of an earth fault on one bay: suspected, told, restriking, cleared.

It starts on change: a cycle adds to U0 or 3I0 more than their own noise, learned from the slow
looks, and more than the least that is asked for. A cycle later the samples date the inception; at
one and a half cycles of age they say what it is (earth_inquiry.py, earth_verdict.py), and once more
at two and a quarter where that is not clear yet: the first word comes after 30 to 55 ms at 50 Hz.

While anything moves every cycle of samples is searched for strikes (earth_strikes.py). Whether the
fault still stands is seen by the slow looks (earth_standing.py).

Portable.
"""

from agent.detect import earth_standing, earth_verdict
from agent.detect.earth_added import PARTS
from agent.detect.earth_direction import FORWARD, REVERSE, UNKNOWN, Sums
from agent.detect.earth_inquiry import date, inquire
from agent.detect.earth_standing import Standing
from agent.detect.earth_strikes import Strikes
from agent.detect.earth_verdict import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.detect.earth_inquiry import Inquiry
    from agent.detect.look import Look
    from agent.detect.raw import Raw

FAULT, INTERMITTENT, CLEARED = "fault", "intermittent_earth_fault", "fault_cleared"

# A cycle of plain noise adds by chance some per cent more or less than the one before.
NOISE_MARGIN = 1.35
# What counts as a change is one of so many levels, each by so much above the one below: of an awake
# bay only the crossings of levels that never change are looked at.
STEPS, STEP = 20, 1.25
# Age of a suspicion at its first and its last look. [cycles]
FIRST_AGE, LAST_AGE = 1.5, 2.25
# So long after a short circuit, or an earth fault that went, its own traces are in every cycle that
# could be compared with.
QUIET_CYCLES = 5
# So long after the last movement strikes are searched for: those of a network with a coil come some
# cycles apart, and each is a movement again.
WATCH_CYCLES = 10


class _Suspicion:
    """Something moved. due_us: the next look at it; last: that is the last one; onset_us: when it
    began, once that was looked at; sums: of what its looks showed.
    """

    def __init__(self, due_us: int) -> None:
        self.due_us = due_us
        self.sums = Sums()
        self.last = False
        self.onset_us: "int | None" = None


class EarthFault:
    """The earth fault of one bay. Volts and amperes RMS, primary.

    told: the direction that was told, "" while none stands. volt_levels, amp_levels: what a start
    can be. phase, onset_us, inquiry: of the last
    word; inquiry is None of a fault that was there when the bay was first seen.
    """

    def __init__(self, limits: Limits, cycle_us: int) -> None:
        self.limits = limits
        self.cycle_us = cycle_us
        self.told = ""
        self.phase = ""
        self.onset_us: "int | None" = None
        self.inquiry: "Inquiry | None" = None
        self.strikes = Strikes(limits.phase_volts, cycle_us)
        self.volt_levels = [limits.start_volts * STEP**k for k in range(STEPS)]
        self.amp_levels = [limits.start_amps * STEP**k for k in range(STEPS)]
        self.intermittent = False
        self._standing: "Standing | None" = None
        self._suspicion: "_Suspicion | None" = None
        self._seen = False
        self._true_cycle = 0
        self._noise_volts = self._noise_amps = 0.0
        self._held_until_us: "int | None" = None
        self._searched_us: "int | None" = None
        self._watch_until_us = 0

    def learned(self) -> "list[float]":
        """What the slow looks have taught, for a record that begins here."""
        return [float(self._seen), float(self._true_cycle), self._noise_volts, self._noise_amps]

    def relearn(self, numbers: "Sequence[float]") -> None:
        """Go on from that."""
        seen, cycle, self._noise_volts, self._noise_amps = numbers
        self._seen, self._true_cycle = bool(seen), int(cycle)

    def idle(self) -> bool:
        """True when quiet values would change nothing."""
        return self._suspicion is None and self._searched_us is None

    def dues_us(self) -> "list[int]":
        """When it looks at the samples."""
        dues = [] if self._suspicion is None else [self._suspicion.due_us]
        if self._searched_us is not None:
            dues.append(self._searched_us + self.cycle_us)
        return dues

    def starts(self) -> "tuple[float, float]":
        """What a cycle must add to U0 and to 3I0 to be suspected, by the noise that there is."""
        volts, amps = NOISE_MARGIN * self._noise_volts, NOISE_MARGIN * self._noise_amps
        return _above(volts, self.volt_levels), _above(amps, self.amp_levels)

    def step(
        self,
        t_us: int,
        added: "tuple[float, float]",
        held: bool,
        look: "Callable[[], Raw | None]",
    ) -> "list[str]":
        """What is told at this sample, in order.

        added: RMS of what the last cycle added to U0 and 3I0; held: something else explains them;
        look: the samples up to this one, called only when they matter.
        """
        if held:
            self._held_until_us = t_us + QUIET_CYCLES * self.cycle_us
            self._suspicion = self._searched_us = None
            return []
        self._watch(t_us, added)
        told = []
        if self._suspicion is not None and t_us >= self._suspicion.due_us:
            told += self._judge(t_us, added, self._suspicion, look())
        if self._searched_us is not None and t_us >= self._searched_us + self.cycle_us:
            told += self._search(t_us, self._searched_us, look())
        return told

    def look(self, look: "Look") -> "list[str]":
        """What is told at this slow look."""
        first, self._seen = not self._seen, True
        self._true_cycle = earth_standing.true_cycle(look)
        if self._standing is not None:
            limits = self.limits
            if not self._standing.over(look, limits.phase_volts, limits.start_amps):
                return []
            self._suspicion = None
            self._held_until_us = look.t_us + QUIET_CYCLES * self.cycle_us
            return [CLEARED]
        if first:
            phase = earth_standing.displaced(look, self.limits.phase_volts)
            if phase is not None:
                return self._there_from_the_start(phase, look)
        if self.idle():
            self._noise_volts = earth_standing.noise(self._noise_volts, look.channels.get("u0"))
            self._noise_amps = earth_standing.noise(self._noise_amps, look.channels.get("i0"))
        return []

    def close(self) -> None:
        """It is over, or part of a short circuit that was named."""
        self.told = self.phase = ""
        self.intermittent = False
        self.strikes.forget()
        self._standing = None

    # --- what moves -------------------------------------------------------------------------------

    def _watch(self, t_us: int, added: "tuple[float, float]") -> None:
        volts, amps = self.starts()
        if added[0] < volts and added[1] < amps:
            return
        held = self._held_until_us is not None and t_us < self._held_until_us
        if self._suspicion is None and not held:
            self._suspicion = _Suspicion(t_us + self.cycle_us)
        if self._searched_us is None:
            self._searched_us = t_us - self.cycle_us
        self._watch_until_us = t_us + WATCH_CYCLES * self.cycle_us

    def _judge(
        self, t_us: int, added: "tuple[float, float]", suspicion: _Suspicion, raw: "Raw | None"
    ) -> "list[str]":
        if raw is None:
            self._suspicion = None
            return []
        if suspicion.onset_us is None:
            suspicion.onset_us = t_us - date(raw) * self.cycle_us // raw.window
        age_us = t_us - suspicion.onset_us
        ripe_us = int((LAST_AGE if suspicion.last else FIRST_AGE) * self.cycle_us)
        if age_us < ripe_us:
            suspicion.due_us = suspicion.onset_us + ripe_us
            return []
        cycle = self._true_cycle or raw.window * PARTS
        age = age_us * raw.window // self.cycle_us
        found = inquire(raw, age, cycle, self.limits.earthing, suspicion.sums)
        word = "" if found is None else earth_verdict.word(found, self.limits, suspicion.last)
        if found is not None and word:
            self._suspicion = None
            return self._tell(word, found, suspicion.onset_us)
        likely = found is not None and earth_verdict.like_a_fault(found, self.limits)
        if likely and not suspicion.last:
            suspicion.last = True
            suspicion.due_us = suspicion.onset_us + int(LAST_AGE * self.cycle_us)
            return []
        if found is not None and not self.told and earth_verdict.going(found, self.limits):
            self._suspicion = None
            self._held_until_us = t_us + QUIET_CYCLES * self.cycle_us
        else:
            self._dismiss(t_us, added)
        return []

    def _dismiss(self, t_us: int, added: "tuple[float, float]") -> None:
        """What still goes on though it was nothing is noise, more of it than was known; or
        something else that came meanwhile, so that by one step at most the noise grows.
        """
        volts, amps = self.starts()
        self._suspicion = None
        if added[0] >= volts:
            self._noise_volts = min(added[0], volts)
        if added[1] >= amps:
            self._noise_amps = min(added[1], amps)
        self._watch(t_us, added)

    def _tell(self, word: str, found: "Inquiry", onset_us: int) -> "list[str]":
        """Where one was told already, a fault ahead is news, and any direction that was unknown."""
        if self.told and (self.told in (word, FORWARD) or word == UNKNOWN):
            return []
        if self.told == REVERSE and found.confidence < earth_verdict.SURE:
            return []
        self.told, self.phase = word, found.phase
        self.inquiry, self.onset_us = found, onset_us
        self._standing = Standing(
            (found.u0_before, found.i0_before), (found.neutral_volts, found.residual_amps)
        )
        return [FAULT]

    def _there_from_the_start(self, phase: str, look: "Look") -> "list[str]":
        """It was not seen coming, so that nothing tells where it lies."""
        self.told, self.phase = UNKNOWN, phase
        self.inquiry = self.onset_us = None
        volts = max(earth_standing.sizes(look.channels.get("u0")))
        amps = max(earth_standing.sizes(look.channels.get("i0")) + [0.0])
        self._standing = Standing((0.0, 0.0), (volts, amps))
        return [FAULT]

    def _search(self, t_us: int, since_us: int, raw: "Raw | None") -> "list[str]":
        """Look for strikes; the last search is after the last movement."""
        self._searched_us = None if raw is None or t_us >= self._watch_until_us else t_us
        if raw is None:
            return []
        self.strikes.search(t_us, since_us, raw)
        if not self.told or self.intermittent or not self.strikes.often():
            return []
        self.intermittent = True
        return [INTERMITTENT]


def _above(value: float, levels: "list[float]") -> float:
    """The lowest level that is not below it, or the last."""
    for level in levels:
        if level >= value:
            return level
    return levels[-1]
