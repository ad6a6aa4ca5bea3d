"""A short circuit on one bay: 50P and 50N say that, the change of the currents says since when
and on which phases, the shape of the samples that no transformer was energised.

The word is due when an element has started and the change is 5/8 of a cycle old: sooner the
phases cannot be told apart (an offset in one hides the other). From then on the raw samples are
looked at, sixteen times a cycle while all is new and eight times later, until they prove a fault
or show inrush; then it is told as that, and looked at on, for a fault may show through. A start
that no change explains is judged by size: three equal phases little above pickup are a load
beyond its rating, anything else is a fault whose inception was not seen, unless it is inrush.

Portable.
"""

from agent.detect import clean_start, direction, faulted_phase, inrush
from agent.detect.evolution import Evolution
from agent.detect.load_start import BALANCED_SHARE, LoadStart
from agent.detect.overcurrent import START, Overcurrent
from agent.detect.weak_short_circuit import WeakShortCircuit

# A fault that lifts a phase over pickup has added at least this share of it; less is a ripple
# on a load that stands there already.
EXPLAINING_SHARE = 0.25
# Three phase CTs that differ feign a residual of up to a tenth of a heavy current.
STABILISING_SHARE = 0.1
# A load stays below twice the pickup: feeders are planned, protected and fused below that.
LOAD_LIMIT = 2.0

# One phase's inrush restrains another that shows no gap for so many cycles, half a second: relays
# allow up to 60 s and ship with 100 ms, in which one energising in 350 was still without a gap.
CROSS_CYCLES = 25

# What of U0 changes by this share of the phase voltage has earth in it. Between phases alone
# nothing moves U0 but the errors of transformers (0.5 %) and, slowly, an unequal network.
EARTH_VOLTS = 0.08
# ... and by this share, where 3I0 is a real one: a strong source with its neutral on earth.
FIRM_EARTH_VOLTS = 0.02
# Of the largest phase current, from a sensor of its own around all three and nothing else to go by:
# such a core makes some tenths of a per cent of them (earth_verdict.CORE_LEAK), a fault of two
# phases to earth beside a low resistance drives 2 to 5 % through it.
MEASURED_EARTH = 0.015
# A shape that leaves more than this to the fit is looked at in its first milliseconds only.
BENT = 0.01
# Of what the voltage lost, the share that no current explains: inrush through a source leaves a
# third at most, its harmonics and the loads; a saturated transformer half and more.
UNEXPLAINED = 0.4
SOONEST = 0.25  # cycles; of a fault behind an inrush
# Of a 3I0 that no inrush has a part in; humps of three phases that add up leave 0.15 and more.
CLEAN_HARMONIC = 0.05
EARTH, DISPLACED = "3I0", "displaced"  # names of proofs
ASKED_CYCLES = 3  # how long an unknown direction is asked for again

# Of a change that does not show beside the noise, when an element starts. [cycles]
USUAL_AGE = 0.25

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.detect.raw import Raw

_UNSEEN = ""
WEAK = "67Q"  # the element's number


class ShortCircuit:
    """The 50P and 50N starts of one bay and the faulted-phase word. All currents RMS, primary.

    change_floor_amps: what the change of a phase must exceed to count as one.
    cycle_us: one nominal cycle. phase_volts: nominal, to earth; 0: there are none. beyond_amps:
    peak that no inrush reaches, 0 where none is known. solid: the neutrals are solidly earthed.
    After "fault": `kind`, `element` and `onset_us` (None: inception not seen) tell which.
    `direction` where it lies.
    After "fault" and "inrush": `judgement` tells what the samples showed. inrush: it was told,
    and stands.
    """

    def __init__(
        self,
        phase_pickup_amps: float,
        residual_pickup_amps: float,
        change_floor_amps: float,
        cycle_us: int,
        phase_volts: float = 0.0,
        beyond_amps: float = 0.0,
        solid: bool = False,  # noqa: FBT002  portable: positional
        negative_start_amps: float = 0.0,
        rating_amps: float = 0.0,
    ) -> None:
        half_us = cycle_us // 2
        self.phase = Overcurrent(3, phase_pickup_amps, half_us, cycle_us)
        self.residual = Overcurrent(1, residual_pickup_amps, half_us, cycle_us)
        self.change_floor_amps = change_floor_amps
        self.cycle_us = cycle_us
        self.ripe_us = cycle_us * 5 // 8
        self.element = _UNSEEN
        self.kind = _UNSEEN
        self.onset_us: "int | None" = None
        self._changed_since: "int | None" = None
        self._overload = False
        self.judgement: "inrush.Judgement | None" = None
        self.inrush = False
        self._gapped: "list[int]" = []
        self._carried = (0.0, 0.0, 0.0)
        self._started_us = 0
        self._look_us: "int | None" = None
        self.direction = direction.Direction()
        self.neutral_change: "float | None" = None
        self.unexplained: "float | None" = None
        self.start = LoadStart(phase_pickup_amps, phase_volts, cycle_us)
        self.weak = WeakShortCircuit(negative_start_amps, rating_amps, phase_volts, cycle_us)
        self._phase_volts = phase_volts
        self._beyond_amps = beyond_amps
        self._solid = solid
        self._evolution = Evolution(phase_pickup_amps, residual_pickup_amps, cycle_us, phase_volts)
        self._told_us = 0
        self._neutral_volts = 0.0

    def idle(self) -> bool:
        """True when quiet currents would change nothing here."""
        return (
            self.phase.idle()
            and self.residual.idle()
            and self.element == _UNSEEN
            and self._changed_since is None
            and not self.start.told
            and self.weak.idle()
        )

    def dues_us(self) -> "list[int]":
        """When it may speak though no current crosses a level."""
        dues = self.phase.dues_us() + self.residual.dues_us()
        if self._changed_since is not None and self.kind == _UNSEEN:
            dues.append(self._changed_since + self.ripe_us)
        if self._look_us is not None and self.kind == _UNSEEN:
            dues.append(self._look_us)
        dues += self.start.dues_us() + self.weak.dues_us()
        if self._evolution.due_us is not None:
            dues.append(self._evolution.due_us)
        return dues

    def step(
        self,
        t_us: int,
        currents: tuple[float, float, float],
        residual_amps: float,
        changes: tuple[float, float, float],
        look: "Callable[[], Raw | None]",
        neutral_volts: float = 0.0,
    ) -> str:
        """What is told at this sample: "fault", "fault_cleared", "inrush", "overload" or "".

        currents, residual_amps: fundamentals; changes: RMS of what was added to each phase
        during the last cycle; neutral_volts: U0; look: the samples up to this one,
        called only when they matter, None where there are none (a meter's readings: what starts
        is a fault).
        """
        largest = max(currents)
        self._neutral_volts = neutral_volts
        self.start.expire(t_us)
        self._follow_change(t_us, max(changes))
        phase = self.phase.step(t_us, currents)
        residual = self.residual.step(t_us, (_stabilised(residual_amps, largest),))
        if self.element == _UNSEEN and START in (phase, residual):
            self.element = "50P" if phase == START else "50N"
            self._started_us = t_us
            self._date_change(t_us, look)
        if self._finds_weak(t_us, changes, look):
            return self._weak(t_us, currents, residual_amps, look)
        if self.element == _UNSEEN:
            return ""
        if not self.phase.started and not self.residual.started and self.weak.over(currents):
            return self._over(t_us)
        if self.kind != _UNSEEN:
            return self._watch(t_us, currents, residual_amps, neutral_volts, look)
        return self._word(t_us, currents, residual_amps, changes, look)

    def _finds_weak(
        self, t_us: int, changes: tuple[float, float, float], look: "Callable[[], Raw | None]"
    ) -> bool:
        """A short circuit below 50P, where nothing else stands but a load that was told as one."""
        moving = max(changes) >= self.change_floor_amps
        found = self.weak.step(t_us, moving, look)
        free = self.element == _UNSEEN or (self.kind == _UNSEEN and self.start.told)
        if found and not free:
            self.weak.end()
        return found and free

    def _weak(
        self,
        t_us: int,
        currents: tuple[float, float, float],
        residual_amps: float,
        look: "Callable[[], Raw | None]",
    ) -> str:
        weak = self.weak
        self.element, self.onset_us = WEAK, weak.since_us
        self.judgement = None
        self.direction = weak.direction
        age = (t_us - weak.since_us) / self.cycle_us
        grounded = self._grounded(look(), age, residual_amps, max(currents))
        self.kind = faulted_phase.name(faulted_phase.involved(weak.shares), grounded)
        self._told_us = t_us
        self._evolution.begin(t_us, max(currents), self._neutral_volts)
        return "fault"

    def _follow_change(self, t_us: int, change: float) -> None:
        if change < self.change_floor_amps:
            self._changed_since = None
        elif self._changed_since is None:
            self._changed_since = t_us

    def _date_change(self, t_us: int, look: "Callable[[], Raw | None]") -> None:
        """A change shows for two cycles; an older one is noise above the floor: ask the samples."""
        since_us = self._changed_since
        if since_us is None or t_us - since_us <= 2 * self.cycle_us:
            return
        raw = look()
        if raw is not None:
            age = inrush.age_of(inrush.waves_of(raw))
            # A start comes an eighth to three quarters of a cycle after the inception.
            self._changed_since = t_us - int((USUAL_AGE if age is None else age) * self.cycle_us)

    def _word(
        self,
        t_us: int,
        currents: tuple[float, float, float],
        residual_amps: float,
        changes: tuple[float, float, float],
        look: "Callable[[], Raw | None]",
    ) -> str:
        since_us = self._changed_since
        explained = since_us is not None and self._explained(max(changes))
        going_on = self.start.told and self.start.goes_on(
            t_us, explained, max(currents), self.ripe_us
        )
        since_us = self.start.since_us(since_us)
        unripe = explained and since_us is not None and t_us - since_us < self.ripe_us
        if going_on or unripe:
            return ""
        if explained:
            pass
        elif max(currents) < self.phase.pickup_amps and residual_amps < self.residual.pickup_amps:
            return ""  # it is on its way out
        elif self._like_load(currents):
            return self._overloaded()
        else:
            since_us = None
        verdict = self._judge(t_us, since_us, look)
        if verdict == inrush.FAULT:
            shares = self._shown_through(changes if explained else currents)
            if self._starts(t_us, since_us, currents, look):
                return self._overloaded()
            return self._fault(t_us, since_us, shares, residual_amps, currents, look)
        return self._inrush(t_us) if verdict == inrush.INRUSH else ""

    def _inrush(self, t_us: int) -> str:
        """Told once, and not before it has stood for a cycle."""
        told = self.inrush or t_us - self._started_us < self.cycle_us
        self.inrush = self.inrush or not told
        return "" if told else "inrush"

    def _watch(
        self,
        t_us: int,
        currents: tuple[float, float, float],
        residual_amps: float,
        neutral_volts: float,
        look: "Callable[[], Raw | None]",
    ) -> str:
        """A fault that was told: whether it has become another, and which way it lies after all."""
        due_us = self._evolution.due_us
        if due_us is None or t_us < due_us:
            return ""
        kind = self._evolution.step(t_us, self.kind, currents, residual_amps, neutral_volts)
        if kind != _UNSEEN and not self._hums(kind, look):
            self.kind = kind
            return "fault"
        if self.direction.word != direction.UNKNOWN or self.onset_us is None:
            return ""
        if t_us - self._told_us > ASKED_CYCLES * self.cycle_us:
            return ""
        raw = look()
        if raw is None:
            return ""
        age = (t_us - self.onset_us) / self.cycle_us
        self.direction = direction.of_phases(raw, age, self._phase_volts)
        if self.kind[1:] == "G":
            self._direct_earth(raw, age, "ABC".index(self.kind[0]))
        return "" if self.direction.word == direction.UNKNOWN else "fault"

    def _hums(self, kind: str, look: "Callable[[], Raw | None]") -> bool:
        """Whether what joined is the inrush that the fault showed through."""
        judgement = self.judgement
        if judgement is None or judgement.proof not in ("no gap", EARTH):
            return False
        raw = look() if judgement.harmonic_share >= inrush.SECOND_HARMONIC else None
        joined = [name.lower() for name in "ABC" if name in kind and name not in self.kind]
        return raw is not None and True in [
            inrush.second_share(raw, "i" + name) >= inrush.SECOND_HARMONIC for name in joined
        ]

    def _judge(self, t_us: int, since_us: "int | None", look: "Callable[[], Raw | None]") -> int:
        """The verdict of the samples, UNDECIDED between two looks."""
        if self._look_us is not None and t_us < self._look_us:
            return inrush.UNDECIDED
        raw = look()
        if raw is None:
            return inrush.FAULT
        # Behind an inrush, and in a load that returns, the changes are their own decay.
        age = 2.0
        if since_us is not None and not self.inrush:
            age = min(2.0, (t_us - since_us) / self.cycle_us)
        self._look_us = t_us + self.cycle_us // (16 if age < inrush.COLLAPSE_UNTIL else 8)
        earth_only = not self.phase.started
        pickup_amps = (self.residual if earth_only else self.phase).pickup_amps
        crossing = t_us - self._started_us < CROSS_CYCLES * self.cycle_us
        beyond_amps = 0.0 if earth_only else self._beyond_amps
        judgement = inrush.judge(
            inrush.waves_of(raw), pickup_amps, age, crossing, earth_only, self._gapped, beyond_amps
        )
        self.judgement = judgement
        if judgement.verdict != inrush.FAULT and judgement.large and self._stays_down(raw, age):
            judgement.prove("voltage down")
        if judgement.verdict == inrush.INRUSH and self.inrush and self.residual.started:
            self._hear_earth(raw, judgement)
        if judgement.verdict == inrush.INRUSH and self._displaced():
            judgement.prove(DISPLACED)
            self._carried = inrush.carried(inrush.waves_of(raw))
        if judgement.verdict == inrush.INRUSH:
            self._gapped = judgement.gapped
        return judgement.verdict

    def _displaced(self) -> bool:
        """3I0 and a displaced neutral, and no core moves that: an arc that pauses. Behind an inrush
        the phases would not be told apart.
        """
        least = EARTH_VOLTS * self._phase_volts
        alone = not (self.phase.started and self.inrush)
        return alone and self.residual.started and 0.0 < least <= self._neutral_volts

    def _hear_earth(self, raw: "Raw", judgement: "inrush.Judgement") -> None:
        """A clean 3I0 behind an inrush: no core makes one, and most have no way to earth at all."""
        waves = inrush.waves_of(raw)
        alone = inrush.judge(waves, self.residual.pickup_amps, 2.0, False, True, [])
        clean = alone.residual_share <= inrush.CLEAN_STEADY
        if alone.proof and clean and alone.harmonic_share < CLEAN_HARMONIC:
            judgement.prove(EARTH)
            self._carried = inrush.carried(waves)

    def _stays_down(self, raw: "Raw", age: float) -> bool:
        """Whether the voltage stays low where the current seems to pause."""
        if self._phase_volts <= 0.0 or age > inrush.COLLAPSE_UNTIL:
            return False
        lost = self.unexplained = direction.unexplained(raw, age, self._phase_volts)
        return lost is not None and lost >= UNEXPLAINED

    def _shown_through(self, shares: tuple[float, float, float]) -> tuple[float, float, float]:
        """The shares of a fault behind an inrush: what still has gaps is not faulted."""
        if not self.inrush or self.judgement is None or not self.phase.started:
            return shares
        if self.judgement.proof in (EARTH, DISPLACED):
            return self._carried
        a, b, c = [x if k in self.judgement.short else 0.0 for k, x in enumerate(shares)]
        return (a, b, c) if a or b or c else shares

    def _onset(self, t_us: int, since_us: "int | None") -> "int | None":
        """Inception: the change, or behind an inrush the beginning of the run without gap."""
        if not self.inrush or self.judgement is None:
            return since_us
        return t_us - int(self.judgement.run_share * self.cycle_us)

    def _overloaded(self) -> str:
        told = self._overload
        self._overload = True
        return "" if told else "overload"

    def _explained(self, change: float) -> bool:
        return not self.phase.started or change >= EXPLAINING_SHARE * self.phase.pickup_amps

    def _like_load(self, currents: tuple[float, float, float]) -> bool:
        largest = max(currents)
        return (
            not self.residual.started
            and min(currents) >= BALANCED_SHARE * largest
            and largest < LOAD_LIMIT * self.phase.pickup_amps
        )

    def _starts(
        self,
        t_us: int,
        since_us: "int | None",
        currents: tuple[float, float, float],
        look: "Callable[[], Raw | None]",
    ) -> bool:
        """A motor, or a load that returns; or one that was told still stands."""
        shows = self.judgement is not None and self.judgement.proof == "no gap"
        begun = since_us is not None or self.start.told or (self.inrush and shows)
        raw = look() if begun and self.phase.started else None
        if raw is None:
            return False
        if since_us is None:
            return self.start.stands(raw)
        age = (t_us - since_us) / self.cycle_us
        if not self.start.is_one(raw, age, currents, self.judgement, self.residual.started):
            return False
        self.start.tell()
        return True

    def _fault(
        self,
        t_us: int,
        since_us: "int | None",
        shares: tuple[float, float, float],
        residual_amps: float,
        currents: tuple[float, float, float],
        look: "Callable[[], Raw | None]",
    ) -> str:
        self.onset_us = onset_us = self._onset(t_us, since_us)
        largest = max(currents)
        raw = None if self.judgement is None else look()
        age = None
        if onset_us is not None:
            age = max(SOONEST, (t_us - onset_us) / self.cycle_us)
        phases = faulted_phase.involved(shares)
        if raw is not None:
            self.direction = direction.of_phases(raw, age, self._phase_volts)
            phases = faulted_phase.involved(self._clean(raw, age, shares))
        grounded = self._grounded(raw, age, residual_amps, largest)
        if len(phases) == 1 and self._not_alone(raw, residual_amps, largest):
            phases = faulted_phase.not_alone(shares)
        self.kind = faulted_phase.name(phases, grounded)
        # Phases that carry the same to earth, from a transformer's neutral, leave no loop.
        if raw is not None and len(phases) != 2 and residual_amps >= largest:
            self._direct_earth(raw, age, "ABC".index(phases) if len(phases) == 1 else -1)
        elif raw is not None and len(phases) == 1:
            self._direct_earth(raw, age, "ABC".index(phases))
        self._told_us = t_us
        self._evolution.begin(t_us, largest, self._neutral_volts)
        return "fault"

    def _direct_earth(self, raw: "Raw", age: "float | None", phase: int) -> None:
        """One phase goes by 3I0; by its own current only where that is beyond any capacitance.

        -1: three carry the same, fed from a neutral on earth; what U0 does not tell is not known.
        """
        seen = direction.of_earth(raw, age, self._phase_volts, phase, self._solid)
        if seen.word != direction.UNKNOWN or not self.phase.started or phase < 0:
            self.direction = seen
        if phase < 0 and seen.word == direction.UNKNOWN:
            seen.contradicted = True

    def _not_alone(self, raw: "Raw | None", residual_amps: float, largest: float) -> bool:
        """A heavy current of one phase that leaves U0 where it was, or a 3I0 of its own sensor at
        nothing: the transformer of the other saturated at once, and only later is anything seen
        of it.
        """
        if not self.phase.started:
            return False
        if self.neutral_change is not None:
            return self.neutral_change < FIRM_EARTH_VOLTS * self._phase_volts
        measured = raw is not None and raw.has("i0") and "i0" not in raw.summed
        return measured and residual_amps < MEASURED_EARTH * largest

    def _clean(
        self, raw: "Raw", age: "float | None", shares: tuple[float, float, float]
    ) -> tuple[float, float, float]:
        """The shares of the first milliseconds, where later ones are bent by the transformers."""
        judgement = self.judgement
        if judgement is None or age is None or self.inrush or not self.phase.started:
            return shares
        bent = (
            judgement.proof in ("voltage down", "clipped", "collapse")
            or judgement.residual_share > BENT
        )
        if not bent or age > inrush.COLLAPSE_UNTIL:
            return shares
        fit, ratio = self.direction.fit, clean_start.USUAL_SHARE
        if fit is not None and fit.second != 0.0 and fit.first / fit.second > 0.0:
            ratio = min(1.5, fit.first / fit.second)
        early = clean_start.shares(raw, age, ratio)
        return shares if early is None else early

    def _grounded(
        self, raw: "Raw | None", age: "float | None", residual_amps: float, largest: float
    ) -> bool:
        """Whether earth takes part: U0 moves then, and 3I0 flows."""
        judgement = self.judgement
        early = None if judgement is None else judgement.earth_share
        if early is not None and self.phase.started:
            # Saturating current transformers, and a core's own 3I0, come later or stay apart.
            residual_amps = min(residual_amps, early * largest)
        share = faulted_phase.GROUND_SHARE
        firm = residual_amps >= share * largest
        self.neutral_change = None
        if raw is None or self._phase_volts <= 0.0 or not raw.has("u0"):
            measured = raw is not None and raw.has("i0") and "i0" not in raw.summed
            real = measured and residual_amps >= self.residual.pickup_amps
            return firm or (real and residual_amps >= MEASURED_EARTH * largest)
        if age is not None:
            self.neutral_change = clean_start.neutral_change(raw, age)
        if self.neutral_change is None:
            return firm
        if self.neutral_change >= EARTH_VOLTS * self._phase_volts:
            return True
        # Where neutrals stand firmly on earth a weak fault moves U0 little, by what 3I0 there is.
        firm = firm or (self._solid and residual_amps >= MEASURED_EARTH * largest)
        return firm and self.neutral_change >= FIRM_EARTH_VOLTS * self._phase_volts

    def _over(self, t_us: int) -> str:
        """Both elements have dropped out; `onset_us` stays for the last word on this fault."""
        told = self.kind != _UNSEEN
        self.start.dropped(t_us)
        self.weak.end()
        self.element = _UNSEEN
        self.kind = _UNSEEN
        self._overload = False
        self.inrush = False
        self._gapped = []
        self._look_us = None
        self._evolution.end()
        self.direction = direction.Direction()
        return "fault_cleared" if told else ""


def _stabilised(residual_amps: float, largest_amps: float) -> float:
    """3I0 less what unequal phase CTs may feign."""
    return residual_amps - largest_amps * STABILISING_SHARE
