"""Sensors that lie: what is told of them, and what the other functions must not go by meanwhile.

The slow looks say what is wrong, and when it is over. What would raise a word of another function
sooner, a voltage that is gone or a sum of currents that is nobody's, is doubted within a cycle; the
looks then confirm it or take it back.
"""

from __future__ import annotations

from math import isnan

from agent.detect import lost_vt, open_ct, phase_order, stuck_channel, troubles
from agent.detect.function import Now
from agent.detect.levels import Levels
from agent.detect.look import Channel, Look, Three
from agent.detect.raw import Raw
from agent.detect.sequences import minus, size
from agent.detect.settings import Settings
from agent.detect.sight import ADDED, CURRENTS, LINE, VOLTAGES
from agent.detect.situation import Situation
from agent.detect.slow_sight import seen_by
from agent.detect.telling import Telling, exactly
from agent.detect.trouble import BEGUN, QUIET, Trouble
from agent.detect.wait import Wait
from agent.records import Event
from agent.site import Bay

_CURRENTS, _VOLTAGES = ("ia", "ib", "ic"), ("ua", "ub", "uc")

# What has fallen below this is looked at: no load makes a dip go so far.
FALLEN_SHARE = 0.7
# It falls through that level after 0.3 cycles and is at its rest after 0.8; a dip is told after
# 1.15 at the soonest, a loss after four.
VOLTS_AGES = (0.5, 0.75, 1.25)
# Before 5/8, when a residual current is told as a fault; a quarter must be flat by then.
AMPS_AGES = (0.4, 0.5, 0.6)
# Currents below this share of the rating feign no residual that anything starts with.
FEIGNING_SHARE = 0.1
# U0 by the phase voltage: less is no earth fault that three currents could add up to.
UNEARTHED_SHARE = 0.05
# An offset by the peak of the rating, or of the nominal voltage; converters' own are below 0.01.
OFFSET_SHARE = 0.1
# No converter has its stop below this share of the rated peak.
STOP_SHARE = 0.2
# A channel that stands still further from nothing than this, and than a few counts, which a
# converter shows of no current at all.
STUCK_SHARE, STUCK_COUNTS = 0.1, 8.0
# How many looks something doubted may wait for its proof: two, and the one in which it began.
PATIENCE = 3
_ROOT2 = 2.0**0.5

Kind = tuple[str, str]  # see troubles.py
Phasors = list[tuple[float, float]]
Was = tuple[list[float], list[float], list[float]]
# Less than an opening needs: with a sum of this by the least current nothing is turned round.
_SURELY_BALANCED = 1.99 * open_ct.APART_SHARE


class SensorWatch:
    """Supervision of one bay's sensors."""

    def __init__(
        self, bay: Bay, settings: Settings, cycle_us: int, telling: Telling, situation: Situation
    ) -> None:
        self._bay = bay
        self._cycle_us = cycle_us
        self._telling = telling
        self._situation = situation
        self._volts = bay.nominal_volts / 3**0.5
        self._least_amps = lost_vt.LOADED_SHARE * bay.rating_amps
        self._change_floor_amps = settings.change_floor_amps
        self._troubles: dict[Kind, Trouble] = {}
        self._doubted: dict[Kind, int] = {}  # looks that it was doubted for
        self._summed = False
        self._was: list[tuple[int, Three, Three]] = []  # voltages and currents of the last looks
        self._loaded = [0.0, 0.0, 0.0]  # currents at sound voltages
        self._fallen = Wait(VOLTS_AGES, cycle_us)
        self._stirred = Wait(AMPS_AGES, cycle_us)
        self._most_offset_amps = OFFSET_SHARE * bay.rating_amps * _ROOT2
        self._most_offset_volts = OFFSET_SHARE * self._volts * _ROOT2
        stop = STOP_SHARE * _ROOT2
        self._tops = Tops(stop * bay.rating_amps, stop * self._volts)

    def idle(self) -> bool:
        """See function.py; the others too."""
        return self._fallen.over() and self._stirred.over() and not self._tops.suspects

    def dues_us(self) -> list[int]:
        """When what has just moved can be told from a fault, and samples are to be looked at."""
        return self._fallen.dues_us() + self._stirred.dues_us() + self._tops.dues_us()

    def narrow(self, low: list[float], high: list[float]) -> None:
        """Nothing: what it doubts would wake others."""

    def add_levels(self, levels: Levels) -> None:
        """Voltages that have fallen, currents that change."""
        levels.voltages.append(FALLEN_SHARE * self._volts)
        levels.added.append(self._change_floor_amps)

    def step(self, now: Now) -> list[Event]:
        """Doubts alone; looks tell."""
        if self._was:
            self._watch_volts(now)
            self._watch_amps(now)
        if self._tops.suspects:
            raw = now.raw()
            if raw is not None:
                self._tops.judge(raw)
        return []

    def look(self, look: Look) -> list[Event]:
        """`sensor_trouble`: it has begun, or it is over."""
        self._fallen.renew()
        self._stirred.renew()
        self._summed = "i0" in look.summed
        found = self._found(look)
        self._remember(look)
        if not (found or self._troubles or self._doubted):
            return []
        amps = look.amps.phasors if look.amps else []
        volts = look.volts.phasors if look.volts else []
        events = []
        for kind in sorted(found | self._troubles.keys()):
            trouble = self._troubles.setdefault(kind, Trouble(troubles.AFTER[kind[0]]))
            seen = True if kind in found else self._gone(kind, look, amps, volts)
            told = trouble.step(seen)
            if told != QUIET:
                events.append(self._event(kind, look, begun=told == BEGUN))
        self._troubles = {k: t for k, t in self._troubles.items() if t.told or k in found}
        self._doubted = {k: n + 1 for k, n in self._doubted.items() if n < PATIENCE}
        self._distrust()
        return events

    # --- within a cycle -------------------------------------------------------------------------

    def _watch_volts(self, now: Now) -> None:
        volts, line, amps = now.seen[VOLTAGES], now.seen[LINE], now.seen[CURRENTS]
        if isnan(sum(volts) + sum(amps)):
            return
        if not self._fallen.step(now.t_us, min(volts) < FALLEN_SHARE * self._volts):
            return
        before = self._before(self._fallen.since_us)
        if before is None or self._situation.kind:
            return
        lost = lost_vt.unshaken(volts, line, amps, before, self._volts, self._bay.rating_amps)
        if lost:
            self._doubt(("lost", lost))

    def _watch_amps(self, now: Now) -> None:
        if not self._summed:
            return
        if not self._stirred.step(now.t_us, max(now.seen[ADDED]) >= self._change_floor_amps):
            return
        raw = now.raw()
        phase = None if raw is None else self._vanished(raw)
        if phase is not None:
            self._doubt(("open", "abc"[phase]))

    def _vanished(self, raw: Raw) -> int | None:
        rows = [raw.last(role, 3 * raw.window) for role in _CURRENTS]
        scales = [abs(raw.scales.get(role, 0.0)) for role in _CURRENTS]
        if min(scales) <= 0.0:
            return None
        least = FEIGNING_SHARE * self._bay.rating_amps * _ROOT2 / max(scales)
        return open_ct.vanished(rows, raw.window, least)

    def _before(self, since_us: int) -> Was | None:
        """Voltages, those between phases, and currents of a look that ended a cycle before that."""
        ended_us = since_us - self._cycle_us
        for t_us, volts, amps in reversed(self._was):
            if t_us <= ended_us:
                u = volts.phasors
                lines = [size(minus(u[p], u[(p + 1) % 3])) for p in range(3)]
                return volts.sizes, lines, amps.sizes
        return None

    def _doubt(self, kind: Kind) -> None:
        self._doubted.setdefault(kind, 0)
        self._distrust()

    def _distrust(self) -> None:
        """Every role that a trouble or a doubt is about."""
        stand = [kind for kind, trouble in self._troubles.items() if trouble.told]
        self._situation.distrusted = {
            role for kind in (*stand, *self._doubted) for role in troubles.roles(kind, self._summed)
        }

    # --- at a slow look -------------------------------------------------------------------------

    def _remember(self, look: Look) -> None:
        """The last looks at three currents and three voltages."""
        if look.amps is None or look.volts is None:
            return
        self._was = [*self._was[-2:], (look.t_us, look.volts, look.amps)]
        if lost_vt.sound(look.volts.sizes, self._volts):
            self._loaded = look.amps.sizes

    def _found(self, look: Look) -> set[Kind]:
        """What this look shows to be wrong."""
        found: set[Kind] = set()
        situation, amps, volts = self._situation, look.amps, look.volts
        if amps and not (situation.kind or situation.inrush or situation.phase_started):
            found = self._found_in_amps(look, amps)
            if volts:
                if not (_forward(amps) and _forward(volts)):
                    found |= self._found_in_order(amps.phasors, volts.phasors)
                if min(volts.sizes) <= lost_vt.REST_SHARE * self._volts:
                    found |= self._found_in_volts(amps.phasors, volts.phasors)
        cut = self._tops.cut
        for role, channel in look.channels.items():
            top, bottom = channel.top, channel.bottom
            middle = abs(stuck_channel.offset(bottom, top) * channel.scale)
            most = self._most_offset_amps if role[0] == "i" else self._most_offset_volts
            if top != bottom and middle <= most and not cut:
                continue  # nothing to be told of it
            kind = "" if role in look.summed else self._found_in(role, channel, middle > most)
            if kind:
                found.add((kind, role))
        self._tops.look(look)
        if not found:
            return found
        still = {of for what, of in found if what == "stuck"}
        # What else a channel that stands still seems to show is no second trouble.
        return {k for k in found if k[0] == "stuck" or still.isdisjoint(troubles.roles(k, False))}

    def _found_in_amps(self, look: Look, amps: Three) -> set[Kind]:
        found: set[Kind] = set()
        own = "i0" in look.channels and not self._summed
        residual = look.channels["i0"].phasor() if own else None
        if residual is None and not self._unearthed(look):
            return found
        least = min(amps.sizes)
        if least <= open_ct.GONE_SHARE * max(amps.sizes):
            phase = open_ct.open_phase(amps.phasors, residual, self._least_amps)
            if phase is not None:
                found.add(("open", "abc"[phase]))
        earth = look.channels["i0"].size() if own else 0.0
        if 3.0 * amps.shares()[0] + earth >= _SURELY_BALANCED * least:
            phase = open_ct.flipped(amps.phasors, residual, self._least_amps)
            if phase is not None:
                found.add(("flipped", "abc"[phase]))
        return found

    def _found_in_order(self, amps: Phasors, volts: Phasors) -> set[Kind]:
        of_amps = phase_order.order(amps, self._least_amps)
        of_volts = phase_order.order(volts, 0.5 * self._volts)
        orders = of_amps, of_volts
        if orders == (phase_order.WRONG, phase_order.RIGHT):
            return {("order", "i:" + phase_order.swapped(volts, amps))}
        if orders == (phase_order.RIGHT, phase_order.WRONG):
            return {("order", "u:" + phase_order.swapped(volts, amps))}
        return {("order", "iu")} if orders == (phase_order.WRONG, phase_order.WRONG) else set()

    def _found_in_volts(self, amps: Phasors, volts: Phasors) -> set[Kind]:
        lost = lost_vt.lost_phases(volts, amps, self._volts, self._least_amps)
        if not lost:
            return set()
        if len(lost) < len(_VOLTAGES) or lost_vt.same([size(i) for i in amps], self._loaded):
            return {("lost", lost)}
        return {("mute", lost)} if lost_vt.mute(volts, self._volts) else set()

    def _unearthed(self, look: Look) -> bool:
        """No earth fault that could be what three currents add up to."""
        u0 = look.channels.get("u0")
        return u0 is not None and u0.size() < UNEARTHED_SHARE * self._volts

    def _found_in(self, role: str, channel: Channel, aside: bool) -> str:
        """What is wrong with this one, "" for nothing."""
        if channel.top == channel.bottom:
            nominal = self._bay.rating_amps if role[0] == "i" else self._volts
            least = max(STUCK_COUNTS, STUCK_SHARE * nominal / abs(channel.scale))
            return "stuck" if stuck_channel.stuck(channel.bottom, channel.top, least) else ""
        if role[1] == "0" or not aside:
            return "flat" if role in self._tops.cut else ""
        # A line that is cut off keeps its charge: there an offset is the voltage itself.
        carries = role[0] == "i" or channel.size() > 0.5 * self._volts
        return "offset" if carries else ""

    def _gone(self, kind: Kind, look: Look, amps: Phasors, volts: Phasors) -> bool | None:
        """False: it is no longer so; None: that cannot be seen."""
        what, of = kind
        if what == "open":
            return False if amps and open_ct.back(amps, "abc".index(of)) else None
        if what in {"lost", "mute"}:
            if volts and lost_vt.back(volts, of, self._volts):
                return False
            # No voltage and no current: that is an outage, and there is nothing else to go by.
            idle = amps and max(size(i) for i in amps) < self._least_amps
            return False if idle and len(of) == len(_VOLTAGES) else None
        if what in {"flipped", "order"}:
            which = volts if of.startswith("u") else amps
            right = which and phase_order.order(which, 0.0) == phase_order.RIGHT
            return False if right else None
        return False if of in look.channels else None

    def _event(self, kind: Kind, look: Look, *, begun: bool) -> Event:
        seen, detail = seen_by(look), troubles.said(kind)
        return self._telling.event(
            "sensor_trouble",
            seen,
            look.t_us,
            outcome=None if begun else "self_cleared",
            phases=troubles.phases(kind),
            detail=detail if begun else f"over: {detail}",
            why={
                "trouble": kind[0],
                "of": kind[1],
                "looks": troubles.AFTER[kind[0]],
                "least_amps": self._least_amps,
                "nominal_volts": self._volts,
                **exactly("current", seen[CURRENTS]),
                **exactly("volts", seen[VOLTAGES]),
            },
        )


class Tops:
    """Channels whose extremes repeat exactly, as those of a converter at its stop do.

    amps, volts: peaks that it takes. suspects: whose samples are to be looked at at the next
    decision. cut: which are cut flat.
    """

    def __init__(self, amps: float, volts: float) -> None:
        self._least = {"i": amps, "u": volts}
        self.suspects: list[str] = []
        self.cut: set[str] = set()
        self._extremes: dict[str, tuple[float, float]] = {}
        self._judged: dict[str, tuple[float, float]] = {}
        self._due_us = 0

    def dues_us(self) -> list[int]:
        """When to judge."""
        return [self._due_us] if self.suspects else []

    def look(self, look: Look) -> None:
        """Compare this look's extremes with those of the one before."""
        before = self._extremes
        self._extremes = {role: (c.bottom, c.top) for role, c in look.channels.items()}
        for role, now in self._extremes.items():
            bottom, top = before.get(role, (0.0, 0.0))
            if (now[0] != bottom and now[1] != top) or not self._alike(
                role, look.channels[role], bottom, top
            ):
                if self.cut:
                    self.cut.discard(role)
            elif role not in look.summed and self._judged.get(role) != now:
                self._judged[role] = now
                self.suspects.append(role)
        self._due_us = look.t_us + 1

    def _alike(self, role: str, channel: Channel, bottom: float, top: float) -> bool:
        """Whether a large wave stands at an extreme that it had before."""
        least = self._least.get(role[0], 0.0) / abs(channel.scale)
        if channel.top - channel.bottom < 2 * max(least, stuck_channel.LEAST_COUNTS):
            return False
        flat = stuck_channel.least_at_stop(channel.window)
        if channel.top == top and channel.at_top() >= flat:
            return True
        return channel.bottom == bottom and channel.at_bottom() >= flat

    def judge(self, raw: Raw) -> None:
        """Of the suspects, by their last two cycles."""
        for role in self.suspects:
            if stuck_channel.cut_flat(raw.last(role, 2 * raw.window), raw.window):
                self.cut.add(role)
            else:
                self.cut.discard(role)
        self.suspects = []


def _forward(three: Three) -> bool:
    """Whether they go round as they should: none has changed places."""
    _, ahead, reverse = three.shares()
    return ahead > reverse
