"""The delay of a definite-time stage: it operates once a start has stood long enough.

Portable.
"""


class DefiniteTime:
    """The timer behind a start that another element gives.

    credit_us: how far the start lags behind the inception on average.
    """

    def __init__(self, delay_us: int, credit_us: int) -> None:
        self.delay_us = delay_us
        self.credit_us = credit_us
        self.since_us: "int | None" = None
        self._operated = False

    def idle(self) -> bool:
        """True when a start that is not there would change nothing here."""
        return self.since_us is None

    def remaining_us(self, t_us: int) -> "int | None":
        """How long until it operates, should the start stay; None: it does not."""
        if self.since_us is None or self._operated:
            return None
        return self.since_us + self.delay_us - t_us

    def step(self, t_us: int, started: bool, above: bool) -> bool:
        """True once for each start, when it has stood the delay.

        above: whether the current itself still stands; a start outlasts it by its dropout time,
        in which nothing may operate any more.
        """
        if not started:
            self.since_us = None
            self._operated = False
            return False
        if self.since_us is None:
            self.since_us = t_us
        stood_us = t_us - self.since_us + self.credit_us
        if self._operated or not above or stood_us < self.delay_us:
            return False
        self._operated = True
        return True
