"""Which channel of a source serves which role of a bay, derived or stated by a person.

Roles: ia ib ic i0, ua ub uc u0, u_load_a u_load_b u_load_c, switch (a status channel). i0 means
the residual current 3I0: I0, 3I0, IN, IG and IE are all taken for it with factor 1, because a
core-balance transformer, whatever its channel is called, measures the sum of the three. u0 is
U0 = (UA + UB + UC) / 3, so a channel that carries 3U0 or the open delta feeds it with a third;
UN and VN are taken as the voltage of the neutral itself, factor 1. Ratios of transformers are the
site's business and stay out; how a name is read is in channel_names.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agent.errors import SiteError, UsageError
from agent.records import Channel, Layout
from agent.sensors.channel_names import Clue, alphabet_of, clue, phase_of

CURRENTS = ("ia", "ib", "ic", "i0")
VOLTAGES = ("ua", "ub", "uc", "u0")
LOAD_VOLTAGES = ("u_load_a", "u_load_b", "u_load_c")
SWITCH = "switch"
_ABC = ("A", "B", "C")
ROLES = (*CURRENTS, *VOLTAGES, *LOAD_VOLTAGES, SWITCH)

# Status channels that tell, by name, that the switch is closed when they are 1: IEEE device
# number 52a, and the words of Chinese and English terminals.
_CLOSED = re.compile(r"\b52A\b|(CB|BREAKER|SWITCH)[ _-]?(CLOSED?|ON)\b|合位|合闸位置|HWJ")


@dataclass(frozen=True, slots=True)
class ChannelUse:
    """A role and the channel that serves it: value [A or V] = factor * the channel's value.

    index: place in the layout's channels; for `switch` in the list of status channels.
    """

    role: str
    index: int
    factor: float = 1.0


class ChannelMap(NamedTuple):
    """Roles that could be filled, and one line for each channel that was left out, and why."""

    uses: Mapping[str, ChannelUse]
    findings: list[str]


def derive(layout: Layout, status_names: Sequence[str] = ()) -> ChannelMap:
    """The mapping that names, units and phase fields suggest.

    The unit tells current or voltage, else the name; the phase field tells the phase, else the
    name. Of several sets of three the first complete one serves, and no two sets are mixed.
    """
    seen = [clue(index, channel) for index, channel in enumerate(layout.channels)]
    read = _Reading(seen)
    uses: dict[str, ChannelUse] = {}
    for roles, quantity, load in (
        (CURRENTS, "i", False),
        (VOLTAGES, "u", False),
        (LOAD_VOLTAGES, "u", True),
    ):
        kin = [c for c in seen if c.quantity == quantity and c.load == load]
        _fill(uses, roles, read.first_set(kin), read.neutrals(kin))
    closed = [k for k, name in enumerate(status_names) if _CLOSED.search(name.upper())]
    if closed:
        uses[SWITCH] = ChannelUse(SWITCH, closed[0])
    used = {use.index for role, use in uses.items() if role != SWITCH}
    left_out = [f"channel {c.name} is left out: {read.why(c)}" for c in seen if c.index not in used]
    return ChannelMap(uses, [*read.contradictions, *left_out])


def _fill(
    uses: dict[str, ChannelUse],
    roles: Sequence[str],
    phases_found: Mapping[str, Clue],
    neutrals: Sequence[Clue],
) -> None:
    for phase, role in zip("ABC", roles, strict=False):
        if phase in phases_found:
            found = phases_found[phase]
            uses[role] = ChannelUse(role, found.index, found.factor)
    if neutrals and len(roles) > 3:
        role = roles[3]
        uses[role] = ChannelUse(role, neutrals[0].index, _neutral_factor(role, neutrals[0]))


def _neutral_factor(role: str, found: Clue) -> float:
    return found.factor / 3 if role == "u0" and found.threefold else found.factor


class _Reading:
    """All channels of a source read together: what one name means depends on its neighbours."""

    def __init__(self, seen: Sequence[Clue]) -> None:
        self._alphabet = alphabet_of(c.symbol for c in seen)
        self._counted = {q: {c.symbol for c in seen if c.quantity == q} for q in "iu"}
        self._by_field = {q: self._fields_tell(seen, q) for q in "iu"}
        self.contradictions = [
            f"channel {c.name}: phase {named} by its name, {c.field} by its phase field; "
            f"{self.part(c)} is taken"
            for c in seen
            if c.quantity
            and (named := self._named(c)) in _ABC
            and c.field in _ABC
            and c.field != named
        ]

    def _fields_tell(self, seen: Sequence[Clue], quantity: str) -> bool:
        """False where phase fields tell fewer phases apart than names: A for all, say."""
        kin = [c for c in seen if c.quantity == quantity]
        fields = {c.field for c in kin if c.field in _ABC}
        names = {named for c in kin if (named := self._named(c)) in _ABC}
        return len(fields) >= len(names)

    def _named(self, c: Clue) -> str:
        """A, B, C, N, "line" (phase to phase) or "" as the name alone tells it."""
        if c.symbol in tuple("123"):
            # I1 and I2 without I3 are rather positive and negative sequence.
            complete = self._counted[c.quantity or "i"] >= set("123")
            return "ABC"["123".index(c.symbol)] if complete else ""
        return phase_of(c.symbol, self._alphabet)

    def part(self, c: Clue) -> str:
        """A, B, C, N, "line" or "": what the channel is of."""
        named = self._named(c)
        weakly = c.symbol == "n" and c.field in _ABC
        if named == "line" or (named == "N" and not weakly):
            return named
        if c.field in ("AB", "BC", "CA"):
            return "line"
        if c.field == "N" and named and c.symbol not in tuple("123"):
            return named
        trusted = c.field == "N" or self._by_field.get(c.quantity, True)
        return (c.field if trusted else "") or named

    def first_set(self, kin: Iterable[Clue]) -> dict[str, Clue]:
        """The first complete set of phases; else the fullest, phase to channel."""
        sets: dict[tuple[str, str], dict[str, Clue]] = {}
        anyhow: dict[str, Clue] = {}
        for c in kin:
            part = self.part(c)
            if part in _ABC and not c.derived:
                sets.setdefault((c.stem, c.unit), {}).setdefault(part, c)
                anyhow.setdefault(part, c)
        fullest = max(sets.values(), key=len, default={})
        # Names without anything in common: then the phases in the order of the file.
        return fullest if len(fullest) > 1 else anyhow

    def neutrals(self, kin: Iterable[Clue]) -> list[Clue]:
        """Channels of the residual current or the neutral voltage."""
        return [c for c in kin if self.part(c) == "N" and not c.derived]

    def why(self, c: Clue) -> str:
        """Why a channel serves no role."""
        if not c.quantity:
            return f"unit {c.unit!r} and name tell neither current nor voltage"
        if c.derived:
            return "a derived quantity, no waveform of one phase"
        part = self.part(c)
        if part == "line":
            return "a phase-to-phase voltage, phases to earth are needed"
        return "another channel serves its role" if part else "its phase cannot be told"


def parse_map(text: str) -> dict[str, str]:
    """Role to channel name, from words like `ia=IA,ib=IB`.

    Raises: UsageError that tells every word that cannot be taken.
    """
    wanted: dict[str, str] = {}
    wrong = []
    for word in filter(None, (word.strip() for word in text.split(","))):
        role, equals, name = (part.strip() for part in word.partition("="))
        if not equals or not name:
            wrong.append(f"{word!r} is not role=channel")
        elif role not in ROLES:
            wrong.append(f"no role {role!r}")
        elif role in wanted:
            wrong.append(f"role {role} stands twice")
        else:
            wanted[role] = name
    if wrong or not wanted:
        raise UsageError(
            "--channels", "; ".join(wrong) or "no channel", f"role=channel, roles {' '.join(ROLES)}"
        )
    return wanted


def of_sensor(channels: Mapping[str, str], sensor: str) -> dict[str, str]:
    """Role to channel name, of those entries `role = "sensor.channel"` that name this sensor."""
    split = {role: place.partition(".") for role, place in channels.items()}
    return {role: name for role, (source, _, name) in split.items() if source == sensor}


def resolve(
    wanted: Mapping[str, str], layout: Layout, status_names: Sequence[str] = (), where: str = ""
) -> ChannelMap:
    """The mapping that a person stated, role to channel name, found in what the source delivers.

    Names are compared as they are, else without regard to case. Units and threefold zero-sequence
    voltage count as in `derive`.
    Raises: SiteError with every line that cannot be taken; `where` says whose mapping it is.
    """
    uses: dict[str, ChannelUse] = {}
    wrong: list[str] = []
    for role, name in wanted.items():
        try:
            uses[role] = _stated(role, name, layout.channels, status_names)
        except LookupError as error:
            wrong.append(str(error.args[0]))
    wrong += _served_twice(uses, layout.channels)
    if wrong:
        raise SiteError(where or f"channels of {layout.sensor}", tuple(wrong))
    return ChannelMap(uses, [])


def _stated(
    role: str, name: str, channels: Sequence[Channel], status_names: Sequence[str]
) -> ChannelUse:
    """Raises: LookupError whose argument is the line to tell."""
    if role not in ROLES:
        raise LookupError(f"no role {role!r}; expected one of {' '.join(ROLES)}")
    if role == SWITCH:
        return ChannelUse(role, _place(role, name, status_names))
    found = clue(index := _place(role, name, [c.name for c in channels]), channels[index])
    quantity = "i" if role in CURRENTS else "u"
    if found.unit_quantity not in (quantity, ""):
        told = "a voltage" if quantity == "u" else "a current"
        raise LookupError(f"{role}: channel {name} is in {found.unit}; expected {told}")
    return ChannelUse(role, index, _neutral_factor(role, found))


def _place(role: str, name: str, names: Sequence[str]) -> int:
    """Index of a name. Raises: LookupError whose argument says which names exist."""
    if name in names:
        return names.index(name)
    alike = [index for index, other in enumerate(names) if other.casefold() == name.casefold()]
    if len(alike) == 1:
        return alike[0]
    shown = ", ".join(names[:40]) + (" ..." if len(names) > 40 else "")
    raise LookupError(f"{role}: no channel {name!r}; expected one of {shown or '(there is none)'}")


def _served_twice(uses: Mapping[str, ChannelUse], channels: Sequence[Channel]) -> list[str]:
    """A line for each channel that was stated for two roles."""
    roles_of: dict[int, list[str]] = {}
    for role, use in uses.items():
        if role != SWITCH:
            roles_of.setdefault(use.index, []).append(role)
    return [
        f"channel {channels[index].name} serves {' and '.join(roles)}; expected one role"
        for index, roles in roles_of.items()
        if len(roles) > 1
    ]
