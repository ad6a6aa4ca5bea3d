"""The story of an earth fault on one bay: suspected, told, restriking, cleared.

It starts on change: a cycle adds to U0 or 3I0 more than their own noise, learned from the slow
looks, and more than the least that is asked for. A cycle later the samples date the inception; one
and a half cycles after that they say what it is (earth_inquiry.py), and once more a cycle later
where that is not clear yet. So the first word is there 30 to 55 ms after the inception.

Whether the fault stands is seen by the slow looks; while anything moves, every cycle of samples is
searched for strikes.

Portable.
"""

from agent.detect.earth_added import PARTS
from agent.detect.earth_direction import FORWARD, REVERSE, UNKNOWN, Sums
from agent.detect.earth_inquiry import date, inquire
from agent.detect.earth_strikes import strikes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.detect.earth_inquiry import Inquiry
    from agent.detect.look import Look
    from agent.detect.raw import Raw

FAULT, INTERMITTENT, CLEARED = "fault", "intermittent_earth_fault", "fault_cleared"

# A cycle of plain noise adds by chance a few per cent more or less than the one before.
NOISE_MARGIN = 1.5
# Quadratures of noise reach this many sigma once in ten thousand cycles.
NOISE_SIGMAS = 4.0
# What a change of the phase currents by that much may feign in 3I0: a core around all three leaks
# by some tenths of a per cent; three transformers of class 5P differ by 3 %, and tenfold while a
# heavy or offset current is on its way.
CORE_LEAK, SUM_ERROR = 0.004, 0.3
# A core's reading may be a star point's of the same three transformers, too. Where U0 does not prove
# the fault, the phase currents must not have changed by much more than 3I0, as load does.
LOAD_SHARE = 0.15
# Voltages between phases stay where they are in an earth fault; where they move with U0, it is a
# fuse, a sag or a short circuit.
LINE_SHARE = 0.5
# Said of faults elsewhere, or where it is not known, from this displacement on, or from this
# current with a third of that.
TOLD_SHARE, TOLD_AMPS = 0.03, 0.3
# An arc may be out again where it displaces the neutral by that much; else so much of the least
# current must go on.
OUT_SHARE, LASTING_SHARE = 0.1, 0.25
# Natural displacement ends here: coil-earthed overhead networks may have 10 %, by their rules 15.
STANDING_SHARE = 0.15
# Sure enough to say forward at the first look, and at the last one.
SURE, FAIR = 0.75, 0.65
FIRST_AGE, LAST_AGE = 1.5, 2.5  # cycles
QUIET_CYCLES = 5  # after a short circuit
STRIKES, STRIKES_WITHIN_US = 3, 1_000_000
WATCH_CYCLES = 10  # after the last movement


class EarthFault:
    """The earth fault of one bay. Volts and amperes RMS, primary.

    told: "" while none stands; else the direction that was told. inquiry: what the last word rests
    on. strikes: how often it struck. standing: it was there when the bay was first seen.
    """

    def __init__(
        self,
        phase_volts: float,
        start_volts: float,
        start_amps: float,
        earthing: str,
        cycle_us: int,
    ) -> None:
        self.phase_volts = phase_volts
        self.start_volts = start_volts
        self.start_amps = start_amps
        self.earthing = earthing
        self.cycle_us = cycle_us
        self.told = ""
        self.standing = False
        self.intermittent = False
        self.inquiry: "Inquiry | None" = None
        self.onset_us: "int | None" = None
        self.struck_us: "list[int]" = []
        self.strikes = 0
        self.phase = ""
        self._seen = False
        self._cycle = 0
        self._noise_volts = self._noise_amps = 0.0
        self._usual_volts = self._usual_amps = 0.0
        self._most_volts = self._most_amps = 0.0
        self._sums: "Sums | None" = None
        self._suspect_us: "int | None" = None
        self._judge_us: "int | None" = None
        self._onset_us: "int | None" = None
        self._looks = 0
        self._held_until_us = 0
        self._watch_until_us: "int | None" = None
        self._scanned_us = 0

    # --- when it wants to be asked ----------------------------------------------------------------

    def idle(self) -> bool:
        """True when quiet values would change nothing."""
        return self._suspect_us is None and self._watch_until_us is None

    def dues_us(self) -> "list[int]":
        """When it looks at the samples."""
        dues = [] if self._judge_us is None else [self._judge_us]
        if self._watch_until_us is not None:
            dues.append(self._scanned_us + self.cycle_us)
        return dues

    def limits(self) -> "tuple[float, float]":
        """What a cycle must add to U0 and 3I0 to be suspected, by the noise that there is."""
        return (
            max(self.start_volts, NOISE_MARGIN * self._noise_volts),
            max(self.start_amps, NOISE_MARGIN * self._noise_amps),
        )

    # --- step by step -----------------------------------------------------------------------------

    def step(
        self,
        t_us: int,
        volts_added: float,
        amps_added: float,
        held: bool,
        look: "Callable[[], Raw | None]",
    ) -> "list[str]":
        """What is told. held: a short circuit or an inrush stands, which is not ours to name."""
        if held:
            self._held_until_us = t_us + QUIET_CYCLES * self.cycle_us
            self._forget()
            return []
        volts, amps = self.limits()
        moving = volts_added >= volts or amps_added >= amps
        if moving and t_us >= self._held_until_us:
            if self._suspect_us is None:
                self._suspect_us = t_us
                self._judge_us = t_us + self.cycle_us
                self._onset_us = None
                self._looks = 0
                self._sums = None
            if self._watch_until_us is None:
                self._scanned_us = t_us - self.cycle_us
            self._watch_until_us = t_us + WATCH_CYCLES * self.cycle_us
        told = []
        if self._judge_us is not None and t_us >= self._judge_us:
            told += self._judge(t_us, look())
        if self._watch_until_us is not None and t_us >= self._scanned_us + self.cycle_us:
            told += self._scan(t_us, look())
            if t_us >= self._watch_until_us:
                self._watch_until_us = None
        return told

    def drop(self) -> None:
        """A short circuit was named: what was told is part of it."""
        self._forget()
        self._close()

    def _forget(self) -> None:
        self._suspect_us = self._judge_us = self._watch_until_us = None

    def _close(self) -> None:
        self.told = ""
        self.phase = ""
        self.standing = self.intermittent = False
        self.strikes = 0
        self.struck_us = []

    def _judge(self, t_us: int, raw: "Raw | None") -> "list[str]":
        if raw is None:
            self._forget()
            return []
        if self._onset_us is None:
            self._onset_us = t_us - date(raw) * self.cycle_us // raw.window
        age_us = t_us - self._onset_us
        ripe_us = int((FIRST_AGE if self._looks == 0 else LAST_AGE) * self.cycle_us)
        if age_us < ripe_us:
            self._judge_us = self._onset_us + ripe_us
            return []
        age = age_us * raw.window // self.cycle_us
        self._sums = self._sums or Sums()
        found = inquire(raw, age, self._cycle or raw.window * PARTS, self.earthing, self._sums)
        self._looks += 1
        last = self._looks > 1
        word = "" if found is None else self._word(found, last)
        if word == "" and found is not None and not last and self._fault_like(found):
            self._judge_us = self._onset_us + int(LAST_AGE * self.cycle_us)
            return []
        self._suspect_us = self._judge_us = None
        if word == "" or found is None:
            self._learn_from(found)
            return []
        return self._tell(found, word)

    def _tell(self, found: "Inquiry", word: str) -> "list[str]":
        if self.told == FORWARD or (self.told and word != FORWARD):
            return []  # it is known, and this is its going on
        self.inquiry = found
        self.told = word
        self.phase = found.phase
        self.onset_us = self._onset_us
        self._most_volts, self._most_amps = found.neutral_volts, found.residual_amps
        return [FAULT]

    def _floors(self, found: "Inquiry") -> "tuple[float, float]":
        """Least of U0 and 3I0 that is neither noise nor feigned by the phase currents."""
        displaced = found.neutral_volts >= TOLD_SHARE * self.phase_volts
        share = SUM_ERROR if found.summed else CORE_LEAK if displaced else LOAD_SHARE
        feigned = share * found.phase_amps
        return (
            NOISE_SIGMAS * found.neutral_noise,
            max(NOISE_SIGMAS * found.residual_noise, feigned),
        )

    def _flows(self, found: "Inquiry", least_amps: float) -> bool:
        """Whether so much was added to 3I0, and is still there."""
        amps = max(least_amps, self._floors(found)[1])
        return min(found.residual_amps, found.lasting_amps) >= amps

    def _fault_like(self, found: "Inquiry") -> bool:
        """Whether U0 and 3I0 are such as an earth fault makes them."""
        flows = self._flows(found, self.start_amps)
        volts = max(self.start_volts, self._floors(found)[0])
        if not flows and found.neutral_volts < volts:
            return False
        if found.line_volts > LINE_SHARE * found.neutral_volts and not flows:
            return False
        # A fault that goes adds as much as one that comes.
        going = found.u0_before >= 0.1 * self.phase_volts and found.u0_after < 0.8 * found.u0_before
        return not going

    def _word(self, found: "Inquiry", last: bool) -> str:
        """The direction to tell, "" where there is nothing to tell, or not yet."""
        if not self._fault_like(found):
            return ""
        share = found.neutral_volts / self.phase_volts
        large = share >= TOLD_SHARE
        sure = found.confidence >= (FAIR if last else SURE)
        if found.direction == FORWARD and sure and self._stands(found, share, last):
            return FORWARD
        if found.direction == REVERSE and sure:
            seen = share >= TOLD_SHARE / 3 and found.residual_amps >= TOLD_AMPS
            return REVERSE if large or seen else ""
        return UNKNOWN if large and last else ""

    def _stands(self, found: "Inquiry", share: float, last: bool) -> bool:
        """Whether it is more than poles that opened or closed apart, which also begins ahead.

        Such is over soon, and leaves U0 a little higher where the network around a coil is another
        one now. So what moves U0 by little must still flow at the second look, and only what moves
        it by more than any switching may be over, as an arc that went out.
        """
        if share >= OUT_SHARE:
            return True
        if share >= TOLD_SHARE:
            return self._flows(found, LASTING_SHARE * self.start_amps)
        return last and self._flows(found, self.start_amps)

    def _learn_from(self, found: "Inquiry | None") -> None:
        """It was nothing: that much is usual here, for a while."""

    def _scan(self, t_us: int, raw: "Raw | None") -> "list[str]":
        """Search the samples since the last time for strikes."""
        since_us, self._scanned_us = self._scanned_us, t_us
        if raw is None or not raw.has("u0"):
            return []
        window = raw.window
        fresh = (t_us - since_us) * window // self.cycle_us
        samples, scale = raw.wave("u0", fresh + window // 4)
        if not samples:
            return []
        peak = self.phase_volts * 1.4142 / abs(scale)
        for place in strikes(samples, window, peak, len(samples) - fresh):
            at_us = t_us - (len(samples) - 1 - place) * self.cycle_us // window
            if self.struck_us and at_us - self.struck_us[-1] < self.cycle_us // 6:
                continue
            self.strikes += 1
            self.struck_us = [s for s in self.struck_us if at_us - s < STRIKES_WITHIN_US] + [at_us]
        if self.told and not self.intermittent and len(self.struck_us) >= STRIKES:
            self.intermittent = True
            return [INTERMITTENT]
        return []

    # --- slow looks -------------------------------------------------------------------------------

    def look(self, look: "Look") -> "list[str]":
        """Learn the noise while all is quiet; see whether a fault still stands."""
        neutral, residual = look.channels.get("u0"), look.channels.get("i0")
        first = not self._seen
        self._seen = True
        self._cycle = _true_cycle(look)
        volts = [] if neutral is None else _cycles(neutral)
        amps = [] if residual is None else _cycles(residual)
        if self.told:
            return self._standing_yet(volts, amps)
        if first and volts and min(volts) >= STANDING_SHARE * self.phase_volts:
            return self._there_from_the_start(look, volts, amps)
        if self.idle():
            self._usual_volts = max(volts) if volts else 0.0
            self._usual_amps = max(amps) if amps else 0.0
            self._noise_volts = _eased(self._noise_volts, neutral)
            self._noise_amps = _eased(self._noise_amps, residual)
        return []

    def _there_from_the_start(
        self, look: "Look", volts: "list[float]", amps: "list[float]"
    ) -> "list[str]":
        phases = [look.channels.get(role) for role in ("ua", "ub", "uc")]
        if None in phases:
            return []
        a, b, c = [phase.phasor() for phase in phases if phase is not None]
        line = [_apart(a, b), _apart(b, c), _apart(c, a)]
        # Voltages between phases are those of a sound network; else it is a fuse, or no supply.
        if min(line) < 0.85 * max(line) or max(line) < self.phase_volts:
            return []
        sizes = [_apart(x, (0.0, 0.0)) for x in (a, b, c)]
        order = sorted((0, 1, 2), key=lambda k: sizes[k])
        low = sizes[order[0]] <= 0.5 * sizes[order[1]]
        self.phase = "ABC"[order[0]] if low else ""
        self.told = UNKNOWN
        self.standing = True
        self.inquiry = None
        self.onset_us = None
        self._most_volts, self._most_amps = max(volts), max(amps, default=0.0)
        self._usual_volts = self._usual_amps = 0.0
        return [FAULT]

    def _standing_yet(self, volts: "list[float]", amps: "list[float]") -> "list[str]":
        self._most_volts = max([self._most_volts, *volts]) if volts else 0.0
        low_volts = self._usual_volts + max(0.02 * self.phase_volts, 0.2 * self._most_volts)
        low_amps = self._usual_amps + max(self.start_amps, 0.3 * self._most_amps)
        if max(volts + [0.0]) > low_volts or max(amps + [0.0]) > low_amps:
            return []
        return [CLEARED]

    def cleared(self) -> None:
        """It was told."""
        self._close()


def _true_cycle(look: "Look") -> int:
    """Samples of a cycle, in 1 / PARTS."""
    for channel in look.channels.values():
        samples = 4 * channel.window - 1
        per_cycle_us = 1e9 / look.frequency_mhz
        return int(PARTS * per_cycle_us * samples / (look.t_us - look.since_us) + 0.5)
    return 0


def _cycles(channel: "object") -> "list[float]":
    return [_apart(channel.cycle(k), (0.0, 0.0)) for k in range(4)]


def _eased(known: float, channel: "object | None") -> float:
    if channel is None:
        return 0.0
    now = max(channel.jitter())
    return now if known == 0.0 or now > known else 0.75 * known + 0.25 * now


def _apart(one: "tuple[float, float]", other: "tuple[float, float]") -> float:
    re, im = one[0] - other[0], one[1] - other[1]
    return (re * re + im * im) ** 0.5
