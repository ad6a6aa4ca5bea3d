"""When each section was dead, phase by phase, with bounds of both instants.

A projection of what detection told: fed with the same facts in the same order it holds the same
intervals. Instants are UTC in microseconds, as the fact's clock had them; that clock's error is
for whoever compares with another clock, not for a duration between two facts of one clock.

Portable: numbers, texts and tuples only.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    # What, where, and the bounds of when: section, phases, live, earliest, latest.
    Fact = tuple[str, str, bool, int, int]
    # Section, phase, bounds of the start, bounds of the end; None while it lasts.
    Interval = tuple[str, str, int, int, "int | None", "int | None"]


class Ledger:
    """Dead intervals of every section, open and closed, in the order in which they began."""

    def __init__(self) -> None:
        self._intervals: "list[Interval]" = []
        self._open: "dict[tuple[str, str], int]" = {}  # where the open interval of a phase stands

    def feed(self, fact: "Fact") -> None:
        """A phase or several were lost or came back at an instant within the bounds.

        A loss of what is dead already and a return of what is live tell nothing new.
        """
        section, phases, live, earliest_us, latest_us = fact
        if latest_us < earliest_us:
            raise ValueError(
                "bounds %d to %d; expected the earlier first" % (earliest_us, latest_us)
            )
        for phase in phases:
            if live:
                self._end(section, phase, earliest_us, latest_us)
            elif (section, phase) not in self._open:
                self._open[(section, phase)] = len(self._intervals)
                self._intervals.append((section, phase, earliest_us, latest_us, None, None))

    def _end(self, section: str, phase: str, earliest_us: int, latest_us: int) -> None:
        place = self._open.pop((section, phase), None)
        if place is None:
            return
        _, _, start_earliest, start_latest, _, _ = self._intervals[place]
        # What bounds of a restart leave open may overlap; it still came back after it was lost.
        earliest_us = max(earliest_us, start_earliest)
        latest_us = max(latest_us, start_latest)
        self._intervals[place] = (
            section,
            phase,
            start_earliest,
            start_latest,
            earliest_us,
            latest_us,
        )

    def dead_phases(self, section: str) -> str:
        """Phases of a section that are dead now: "" ... "ABC"."""
        return "".join([phase for phase in "ABC" if (section, phase) in self._open])

    def intervals(self, section: str) -> "list[Interval]":
        """All dead intervals of a section, open ones with None for their end."""
        return [interval for interval in self._intervals if interval[0] == section]


def intervals(facts: "list[Fact]") -> "list[Interval]":
    """Every interval that these facts leave, in the order in which they began."""
    ledger = Ledger()
    sections = []
    for fact in facts:
        ledger.feed(fact)
        if fact[0] not in sections:
            sections.append(fact[0])
    return [interval for section in sections for interval in ledger.intervals(section)]
