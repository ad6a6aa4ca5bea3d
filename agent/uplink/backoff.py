"""How long to stay away from a broker that failed: back-off with full jitter.

A thousand feeders lose their broker in the same second; the jitter is what keeps them from coming
back in the same second. No clock and no socket in here. Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# contract.md section 4, promise 6.
FIRST_US = 1_000_000
LONGEST_US = 300_000_000
# A broker that lets us in and throws us out again at once has not recovered.
GOOD_LINK_US = 60_000_000
# A broker that does not want us, or two terminals that throw each other out under one identity:
# only a person ends that, so there is no hurry, and a storm would only hide it. Half of it at
# least, so that the two come back no oftener than every seven minutes.
LASTING_US = 900_000_000


class Backoff:
    """Delays between connection attempts: 0 up to a ceiling that doubles from 1 s to 300 s; where
    the reason lasts, a quarter of an hour or half of it.

    `random_below(n)` answers an integer 0 <= x < n; it is injected, so that a test decides.
    """

    def __init__(
        self,
        random_below: "Callable[[int], int]",
        first_us: int = FIRST_US,
        longest_us: int = LONGEST_US,
        good_link_us: int = GOOD_LINK_US,
        lasting_us: int = LASTING_US,
    ) -> None:
        self._random_below = random_below
        self._first_us = first_us
        self._longest_us = longest_us
        self._good_link_us = good_link_us
        self._lasting_us = lasting_us
        self._ceiling_us = first_us
        self._up_since_us: int | None = None

    @property
    def ceiling_us(self) -> int:
        """The longest delay that `failed` may answer next. [us]"""
        return self._ceiling_us

    def connected(self, now_us: int) -> None:
        """The link stands since `now_us`; it has yet to prove that it is a good one."""
        self._up_since_us = now_us

    def failed(self, now_us: int, *, lasting: bool = False) -> int:
        """The attempt failed or the link broke: how long to wait before the next one. [us]

        lasting: for a reason that trying again does not change.
        """
        up_since_us = self._up_since_us
        if up_since_us is not None and now_us - up_since_us >= self._good_link_us:
            self._ceiling_us = self._first_us
        self._up_since_us = None
        if lasting:
            least_us = self._lasting_us // 2
            return least_us + self._random_below(self._lasting_us - least_us + 1)
        delay_us = self._random_below(self._ceiling_us + 1)
        self._ceiling_us = min(self._longest_us, self._ceiling_us * 2)
        return delay_us
