"""What a relay with these settings would have tripped by now; see timed.py.

No function like the others: it integrates, so that it is stepped on a grid of its own.
"""

from __future__ import annotations

from agent.detect.levels import Levels
from agent.detect.settings import Settings
from agent.detect.sight import CURRENTS, RESIDUAL
from agent.detect.situation import Situation
from agent.detect.telling import Telling, exactly, three
from agent.detect.timed import TimedStages as Stages
from agent.records import Event


class TimedStages:
    """50P, 50N, 51P and 51N of one bay. timing: some stage runs, or has reason to begin."""

    def __init__(
        self, settings: Settings, cycle_us: int, telling: Telling, situation: Situation
    ) -> None:
        self._stages = Stages(settings, cycle_us)
        self._telling = telling
        self._situation = situation
        self.timing = False

    @property
    def pace(self) -> int:
        """Steps of the grid between two looks."""
        return self._stages.pace

    def narrow(self, low: list[float], high: list[float]) -> None:  # noqa: ARG002  as of others
        """Currents below the starts."""
        for row in range(CURRENTS.start, CURRENTS.stop):
            high[row] = min(high[row], self._stages.phase_start_amps)
        if "i0" not in self._situation.distrusted:
            high[RESIDUAL] = min(high[RESIDUAL], self._stages.residual_start_amps)

    def add_levels(self, levels: Levels) -> None:
        """The starts."""
        levels.currents.append(self._stages.phase_start_amps)
        levels.residual.append(self._stages.residual_start_amps)

    def wake(self, seen: list[float]) -> None:
        """Whether to go on, or to begin, with these currents."""
        self.timing = (
            not self._stages.idle()
            or self._situation.phase_started
            or self._situation.residual_started
            or max(three(seen[CURRENTS])) >= self._stages.phase_start_amps
            or self._residual(seen) >= self._stages.residual_start_amps
        )

    def step(self, seen: list[float], t_us: int, since_us: int) -> list[Event]:
        """`operate`."""
        situation, currents = self._situation, three(seen[CURRENTS])
        starts = situation.phase_started, situation.residual_started
        operated = self._stages.step(t_us, since_us, currents, self._residual(seen), starts)
        self.wake(seen)
        return [
            self._telling.event(
                "operate",
                seen,
                t_us,
                onset_us=onset_us,
                element=element,
                kind=situation.kind or None,
                phases=phases or None,
                why={
                    **why,
                    **exactly("current", seen[CURRENTS]),
                    "residual_amps": seen[RESIDUAL],
                },
            )
            for element, onset_us, phases, why in operated
        ]

    def _residual(self, seen: list[float]) -> float:
        """3I0; what a transformer that is out of order feigns is none."""
        return 0.0 if "i0" in self._situation.distrusted else seen[RESIDUAL]
