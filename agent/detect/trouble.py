"""Something that is wrong as long as it is seen so: told when it has stood, and when it is over.

Portable.
"""

TYPE_CHECKING = False

QUIET, BEGUN, OVER = 0, 1, 2


class Trouble:
    """after: looks in a row that must see it; until: looks in a row that must see it gone.

    told: it stands.
    """

    def __init__(self, after: int, until: int = 3) -> None:
        self._after = after
        self._until = until
        self._seen = 0
        self._gone = 0
        self.told = False

    def step(self, seen: "bool | None") -> int:
        """BEGUN or OVER when that is to be told. seen: None where it cannot be seen."""
        if seen is None:
            self._seen = 0
            return QUIET
        self._seen = self._seen + 1 if seen else 0
        self._gone = 0 if seen else self._gone + 1
        if not self.told and self._seen >= self._after:
            self.told = True
            return BEGUN
        if self.told and self._gone >= self._until:
            self.told = False
            return OVER
        return QUIET
