"""What may be wrong with the sensors of a bay: what others must not go by, what people are told.

A trouble is a word and what it is of: phases ("a", "ab"), a set and a pair ("i:ab"), or a role.

Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    Kind = tuple[str, str]

# Looks in a row. What motors feed back has no second of it; a current transformer that a fault has
# magnetised relaxes over one or two (a field record of an incomer), so an offset takes three.
AFTER = {
    "open": 2,
    "flipped": 3,
    "lost": 2,
    "mute": 12,
    "order": 3,
    "stuck": 2,
    "offset": 38,
    "flat": 2,
}
_OF_PHASES = ("open", "flipped", "lost", "mute")
_OF_VOLTS = ("lost", "mute")


def roles(kind: "Kind", summed: bool) -> "list[str]":
    """What cannot be gone by. summed: 3I0 is a sum of the phases.

    A channel with an offset, or cut off at its stop, still shows what flows at least.
    """
    what, of = kind
    if what in ("offset", "flat"):
        return []
    if what == "order":  # the sum of three is the same in any order
        return [] if of == "iu" else [of[0] + phase for phase in of[2:]]
    if what == "stuck":
        named = [of]
    else:
        named = [("u" if what in _OF_VOLTS else "i") + phase for phase in of]
    if named[0][0] == "u":
        return named + ["u0"]
    return named + ["i0"] if summed else named


def phases(kind: "Kind") -> "str | None":
    """As an event names them."""
    what, of = kind
    if what in _OF_PHASES:
        return of.upper()
    if what == "order":
        return of[2:].upper() or None
    return of[-1].upper() if of[-1] in "abc" else None


_SAID = {
    "open": "%s: the circuit of the current transformer is open",
    "flipped": "%s: the current transformer is connected the wrong way round",
    "lost": "%s: no voltage though the load flows: fuse of the voltage transformer",
    "mute": "%s: no voltage though the load flows: fuse of the voltage transformer",
    "order": "%s: two of them have changed places",
    "stuck": "%s: it stands still",
    "offset": "%s: it has an offset",
    "flat": "%s: its tops are cut off, the converter stands at its stop",
}


def said(kind: "Kind") -> str:
    """For people."""
    what, of = kind
    if of == "iu":
        return "currents and voltages go round in the order A C B"
    if what in _OF_PHASES:
        letter = "u" if what in _OF_VOLTS else "i"
        return _SAID[what] % ", ".join([letter + phase for phase in of])
    if what == "order":
        return _SAID[what] % ", ".join([of[0] + phase for phase in of[2:]])
    return _SAID[what] % of
