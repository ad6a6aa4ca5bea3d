"""The functions of one bay, in the order in which they may veto each other.

While nothing moves they are not even called: every one of them promises that a quiet sample
changes nothing while it is idle, which is what makes skipping exact. Once awake, a bay is stepped
where a quantity crosses a level of some element, where a timer of theirs is due, and, while a
timed stage integrates, on a fixed grid of samples; all three follow from the samples alone. Every
four cycles all functions take a slow look (look.py), whether anything moves or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf, isnan

from agent.detect.function import FastFunction, Function, Now, SlowFunction
from agent.detect.functions.backfeed import Backfeed
from agent.detect.functions.conductors import Conductors
from agent.detect.functions.distances import Distances
from agent.detect.functions.earth_faults import EarthFaults
from agent.detect.functions.high_impedance_faults import HighImpedanceFaults
from agent.detect.functions.load_side import LoadSide
from agent.detect.functions.outcomes import Outcomes
from agent.detect.functions.quality import Quality
from agent.detect.functions.sensor_watch import SensorWatch
from agent.detect.functions.short_circuits import ShortCircuits
from agent.detect.functions.supplies import Supplies
from agent.detect.functions.timed_stages import TimedStages
from agent.detect.functions.voltages import Voltages
from agent.detect.instants import When
from agent.detect.levels import Levels
from agent.detect.look import Look
from agent.detect.raw import Raw
from agent.detect.settings import Settings
from agent.detect.sight import ADDED, VOLTAGES, WATCHED, Band, Sight
from agent.detect.situation import Situation
from agent.detect.telling import Telling
from agent.records import Event
from agent.site import Bay

_FAR = 1 << 62

# Of functions that learn: the class's name, and the numbers that they have learnt.
Learned = tuple[tuple[str, tuple[float, ...]], ...]


class BayDetector:
    """All functions of one bay.

    cycle_us: what their holds are counted in. grid: samples between two looks of what integrates.
    """

    def __init__(self, bay: Bay, settings: Settings, cycle_us: int, grid: int = 1) -> None:
        self.bay = bay
        self.cycle_us = cycle_us
        self._settings = settings
        self._grid = grid
        self._situation = situation = Situation()
        telling = Telling(bay.name)
        self._supplies = Supplies(bay, settings, telling, situation)
        self._distances = Distances(bay, cycle_us, telling, situation)
        self._outcomes = Outcomes(bay, cycle_us, telling)
        self._load_side = LoadSide(bay, settings, telling, situation)
        self._backfeed = Backfeed(bay, cycle_us, telling, situation)
        self._functions: tuple[Function, ...] = (
            SensorWatch(bay, settings, cycle_us, telling, situation),
            ShortCircuits(bay, settings, cycle_us, telling, situation),
            EarthFaults(bay, settings, cycle_us, telling, situation),
            HighImpedanceFaults(bay, settings, telling, situation),
            Conductors(bay, telling, situation),
            Voltages(bay, settings, cycle_us, telling, situation),
            self._supplies,
            self._load_side,
            self._backfeed,
            Quality(bay, settings, telling, situation),
            self._distances,
            self._outcomes,
        )
        # Who may answer at a slow look, who wakes, and who is stepped while the bay is awake.
        self._slow = [f for f in self._functions if not isinstance(f, FastFunction)]
        self._fast = [f for f in self._functions if not isinstance(f, SlowFunction)]
        self._stepped = [f for f in self._functions if type(f).step is not SlowFunction.step]
        self._timed = TimedStages(settings, cycle_us, telling, situation)
        self._dues_us: list[int] = []  # they change with a step alone
        self._unseen = True  # nothing was looked at yet: no crossing tells where things stand
        self._changing = False
        self._band: Band = ([], [])

    @property
    def supply_states(self) -> tuple[int | None, ...]:
        """DEAD, LIVE or None (not known, or just changing) of each phase."""
        return self._supplies.settled()

    def resume_supply(self, states: Sequence[int | None], since_us: int) -> None:
        """Go on from the states that were last told; nobody has looked since `since_us`."""
        self._supplies.resume(states, since_us)
        self._unseen = True

    @property
    def learned(self) -> Learned:
        """What functions have learnt from slow looks, for a record that begins here: a replay of
        it takes this up again. A function that learns has `learned()`, numbers, and
        `relearn(numbers)`.
        """
        return tuple(
            (type(each).__name__, tuple(each.learned()))
            for each in self._functions
            if hasattr(each, "learned")
        )

    def relearn(self, learned: Learned) -> None:
        """Go on from what was learnt; of a function that is not here any more, nothing."""
        known = dict(learned)
        for each in self._functions:
            if hasattr(each, "relearn") and type(each).__name__ in known:
                each.relearn(known[type(each).__name__])

    def idle(self) -> bool:
        """True when quiet samples would change nothing here."""
        if self._timed.timing:
            return False
        return all(each.idle() for each in self._fast)

    @property
    def band(self) -> Band:
        """What is quiet here; it depends on what was told: a dead phase has no quiet voltage.

        One and the same object as long as it is the same band.
        """
        low, high = [-inf] * WATCHED, [inf] * WATCHED
        for each in self._fast:
            each.narrow(low, high)
        self._timed.narrow(low, high)
        if (low, high) != self._band:
            self._band = low, high
        return self._band

    def levels(self) -> Levels:
        """Where some element would answer differently."""
        levels = Levels()
        for each in self._fast:
            each.add_levels(levels)
        self._timed.add_levels(levels)
        return levels

    def feed(
        self,
        sight: Sight,
        crossings: list[int],
        when: When,
        raw: Callable[[int], Raw | None],
    ) -> list[Event]:
        """Events of n consecutive decisions.

        crossings: where some quantity crosses a level;
        raw(k): the samples up to decision k, None where there are none.
        """
        events: list[Event] = []
        self._situation.voltless = isnan(sum(sight.column(0)[VOLTAGES]))
        k = full = -1
        while True:
            if self._unseen:
                k, full, self._unseen = 0, 0, False
            elif self.idle():
                k = full = sight.outside(self.band, k + 1)
            else:
                if k == full:  # what integrates moves no timer of the others
                    full = self._next(k, crossings, when)
                k = min(full, self._next_on_grid(k, when))
            if k >= sight.count:
                return events
            seen, t_us, since_us = sight.column(k), when.t_us(k), when.since_us(k)
            if k == full:
                events += self._step(Now(seen, t_us, since_us, partial(raw, k)))
            if self._timed.timing and when.index(k) % (self._grid * self._timed.pace) == 0:
                events += self._timed.step(seen, t_us, since_us)

    def is_due(self, count: int, when: When) -> bool:
        """Whether some timer is due among `count` decisions, or nothing was looked at yet."""
        if self._unseen or not self._dues_us:
            return self._unseen
        begin_us, end_us = when.t_us(-1), when.t_us(count - 1)
        return any(begin_us < due_us <= end_us for due_us in self._dues_us)

    def go_on(self, count: int, column: Callable[[int], list[float]], when: When) -> list[Event]:
        """Events of decisions at which nothing crosses a level and no timer is due.

        column(k): the rows of the sight at decision `k`.
        """
        events: list[Event] = []
        k = self._next_on_grid(-1, when)
        while k < count:
            events += self._timed.step(column(k), when.t_us(k), when.since_us(k))
            k = self._next_on_grid(k, when)
        return events

    def look(self, look: Look) -> list[Event]:
        """Events of a slow look."""
        events = [event for each in self._slow for event in each.look(look)]
        if events:
            events = self._outcomes.follow_look(look, events)
        self._dues_us = [due for each in self._fast for due in each.dues_us()]
        return events

    def read(
        self, t_us: int, since_us: int, values: Mapping[str, float], seen: list[float]
    ) -> list[Event]:
        """Events of what a meter reads behind the switch and of it, by role; it has no looks."""
        load_side = self._load_side.measured(t_us, since_us, values, seen)
        return load_side + self._backfeed.measured(t_us, since_us, values, seen)

    def _next(self, k: int, crossings: list[int], when: When) -> int:
        """The decision after `k` at which an element may answer differently."""
        following = next((each for each in crossings if each > k), _FAR)
        t_us = when.t_us(k)
        for due_us in self._dues_us:
            if due_us > t_us:
                following = min(following, max(k + 1, when.at(due_us)))
        return following

    def _next_on_grid(self, k: int, when: When) -> int:
        """The decision after `k` at which what integrates is looked at."""
        if not self._timed.timing:
            return _FAR
        stride = self._grid * self._timed.pace
        return k + stride - when.index(k) % stride

    def _step(self, now: Now) -> list[Event]:
        """All functions but the timed stages."""
        changing = max(now.seen[ADDED]) >= self._settings.change_floor_amps
        if changing or self._changing:
            self._situation.disturbed_us = now.t_us
        self._changing = changing
        events = [event for each in self._stepped for event in each.step(now)]
        # What became of a fault, and where it is, is said of events of any function.
        events = self._outcomes.follow(now, self._distances.follow(now, events))
        self._timed.wake(now.seen)
        self._dues_us = [due for each in self._fast for due in each.dues_us()]
        return events
