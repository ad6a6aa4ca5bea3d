"""The `timemap` record: what it says, and how whoever reads the log corrects the past by it.

Stored records are never rewritten. Each carries the monotonic instant of its boot, and a timemap
says what UTC is on that axis, how sure and from whom; it holds for instants before it as well as
after it, only less surely the farther away they are.

Portable.
"""

from agent.store import entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.store.entry import Entry

    Bound = tuple[int, int]  # (how far UTC may be off, UTC), us

LEAP = "leap"
_SECOND_US = 1000000
# The least source that is a discipline, see entry.SOURCES: its word refutes what contradicts it.
DISCIPLINED = 2
# A clock that nobody corrects strays by at most this (the kernel's own bound, adjtimex(2)).
DRIFT_PPM = 500

_BEFORE, _AFTER, _CAUSE = entry.FIRST, entry.FIRST + 1, entry.FIRST + 2


def corrected(timemaps: "Iterable[Entry]", logged: "Entry") -> "Bound | None":
    """(earliest, latest) UTC [us] at which the record `logged` was made; None: nobody can say.

    timemaps: those of the same terminal, in any order, of any boots.
    The surest word wins: the record's own, or that of a timemap of its boot, whose error grows by
    DRIFT_PPM with the distance. What the last disciplined clock of the boot refutes is no word.
    """
    boot, mono_us = logged[entry.BOOT], logged[entry.MONO]
    known = [each for each in timemaps if each[entry.BOOT] == boot]
    known.sort(key=lambda each: each[entry.MONO])
    words = [_word(each, mono_us, known) for each in known if each[entry.ERROR] is not None]
    if logged[entry.ERROR] is not None:
        words.append((logged[entry.ERROR], logged[entry.UTC]))
    ruling = None
    for each in known:
        if each[entry.SOURCE] >= DISCIPLINED and each[entry.ERROR] is not None:
            ruling = _word(each, mono_us, known)
    if ruling is not None:
        words = [word for word in words if abs(word[1] - ruling[1]) <= word[0] + ruling[0]]
    if not words:
        return None
    error_us, utc_us = min(words)
    return utc_us - error_us, utc_us + error_us


def _word(timemap: "Entry", mono_us: int, known: "list[Entry]") -> "Bound":
    """What a timemap says of UTC at an instant of its boot, leap seconds between them minded."""
    at_us = timemap[entry.MONO]
    utc_us = mono_us + timemap[_AFTER]
    error_us = timemap[entry.ERROR] + abs(mono_us - at_us) * DRIFT_PPM // 1000000 + 1
    beside = False
    for leap in known:
        if leap[_CAUSE] == LEAP and leap[_BEFORE] is not None:
            leap_us, second_us = leap[entry.MONO], leap[_AFTER] - leap[_BEFORE]
            beside = beside or -error_us <= mono_us - leap_us <= _SECOND_US + error_us
            if mono_us < leap_us <= at_us:
                utc_us -= second_us
            elif at_us < leap_us <= mono_us:
                utc_us += second_us
    # The second that is there twice, or that such a clock may take for it.
    return (error_us + _SECOND_US if beside else error_us), utc_us
