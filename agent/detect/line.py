"""The line behind a bay, as far as its constants are known: sections in a row, and branches.

Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Line = Mapping[str, Any]

_CONSTANTS = ("r1_ohms_per_km", "x1_ohms_per_km", "r0_ohms_per_km", "x0_ohms_per_km")


class Section:
    """A stretch of line with constants of its own: `km` long, r1 ... x0 in ohm a km.

    r0, x0: None where they are not known.
    """

    def __init__(self, name: str, km: float, r1: float, x1: float, r0: "Any", x0: "Any") -> None:
        self.name = name
        self.km = km
        self.r1 = r1
        self.x1 = x1
        self.r0 = r0
        self.x0 = x0


def ways(line: "Line", name: str = "") -> "list[list[Section]]":
    """Every way from the bay to an end of the line, the first named end first; none where the
    constants do not suffice.

    line: `line` of a bay in the site file; a section without a constant has the line's. name: of
    a line that names no sections.
    """
    told = line.get("sections") or [{"name": name, "length_km": line.get("length_km")}]
    found: "list[list[Section]]" = []
    leading: "dict[str, list[Section]]" = {"": []}
    for one in told:
        section = _section(one, line)
        source = one.get("from", "")
        if section is None or source not in leading:
            return []
        way = leading[source] + [section]
        leading[section.name] = way
        found = [each for each in found if each != leading[source]] + [way]
    return found


def _section(one: "Line", line: "Line") -> "Section | None":
    r1, x1, r0, x0 = [one.get(key, line.get(key)) for key in _CONSTANTS]
    km = one.get("length_km")
    if km is None or r1 is None or x1 is None:
        return None
    return Section(one["name"], km, r1, x1, r0, x0)
