"""Phase voltages without those whose sensor lies.

Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

ROLES = ("ua", "ub", "uc")


def trusted(
    volts: "tuple[float, float, float]", distrusted: "AbstractSet[str]"
) -> "tuple[float, float, float] | None":
    """The three, a distrusted one as large as the largest of the others: what befalls all befalls
    it too. None where none is left to go by.
    """
    left = [u for role, u in zip(ROLES, volts) if role not in distrusted]
    if not left:
        return None
    a, b, c = [max(left) if role in distrusted else u for role, u in zip(ROLES, volts)]
    return a, b, c
