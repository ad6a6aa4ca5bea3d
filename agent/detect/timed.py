"""What a relay with these settings would have tripped by now: the timed stages of one bay.

50P and 50N operate when their start has stood the stage's delay, 51P and 51N by their curves. None
of them makes an alarm: the fault was told at its start.

Portable.
"""

from agent.detect.definite_time import DefiniteTime
from agent.detect.inverse_time import FAR_US, OPERATE, InverseTime
from agent.detect.overcurrent import DROP_RATIO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.settings import Settings

    # Element, start [us], phases that operated ("" where there is one current), thresholds.
    Operation = tuple[str, int, str, dict[str, float | int | str]]

# Three unequal phase CTs may feign a residual of a tenth of a heavy current, not of more.
RESTRAINT_SHARE = 0.1
# A current may change unseen for as long as a step lasts: for a thirty-second of what is left.
FAR_STEPS = 32
PACES = (8, 4, 2)


class TimedStages:
    """50P, 50N, 51P and 51N of one bay; currents RMS, primary; `cycle_us`: one nominal cycle.

    To be stepped every `pace` eighths of a cycle while not idle, or more often: every one of them
    when something is about to operate, one a cycle while that is far away.
    """

    def __init__(self, settings: "Settings", cycle_us: int) -> None:
        self.pace = 1
        self._far_us = FAR_STEPS * cycle_us // 8
        credit = credit_us("definite", cycle_us)
        self.phase = DefiniteTime(_us(settings.phase_delay_ms), credit)
        self.residual = DefiniteTime(_us(settings.residual_delay_ms), credit)
        self._drop_amps = (
            DROP_RATIO * settings.phase_pickup_amps,
            DROP_RATIO * settings.residual_pickup_amps,
        )
        self.phase_inverse = _inverse(settings, "phase", 3, cycle_us)
        self.residual_inverse = _inverse(settings, "residual", 1, cycle_us)

    @property
    def phase_start_amps(self) -> float:
        """Below this a phase current changes nothing while idle."""
        return self.phase_inverse.start_amps if self.phase_inverse else float("inf")

    @property
    def residual_start_amps(self) -> float:
        """Below this 3I0 changes nothing while idle."""
        return self.residual_inverse.start_amps if self.residual_inverse else float("inf")

    def idle(self) -> bool:
        """True when currents below their starts, and no start of 50, would change nothing here."""
        stages = (self.phase, self.residual, self.phase_inverse, self.residual_inverse)
        return not [stage for stage in stages if stage is not None and not stage.idle()]

    def step(
        self,
        t_us: int,
        since_us: int,
        currents: "tuple[float, float, float]",
        residual_amps: float,
        starts: "tuple[bool, bool]",
    ) -> "list[Operation]":
        """The stages that operate at this sample.

        since_us: beginning of the time that the currents cover; starts: whether 50P and 50N
        stand, as short_circuit.py says.
        """
        told: "list[Operation]" = []
        largest = max(currents)
        if starts[0] or not self.phase.idle():
            stands = largest >= self._drop_amps[0]
            told += _timed_out("50P", self.phase, t_us, starts[0], stands)
        if starts[1] or not self.residual.idle():
            stands = residual_amps >= self._drop_amps[1]
            told += _timed_out("50N", self.residual, t_us, starts[1], stands)
        if residual_amps < RESTRAINT_SHARE * largest:
            residual_amps = 0.0
        told += _operated("51P", self.phase_inverse, t_us, since_us, currents)
        told += _operated("51N", self.residual_inverse, t_us, since_us, (residual_amps,))
        self.pace = self._pace(t_us)
        return told

    def _pace(self, t_us: int) -> int:
        dues = [timer.remaining_us(t_us) for timer in (self.phase, self.residual)]
        inverse = (self.phase_inverse, self.residual_inverse)
        dues += [element.remaining_us() for element in inverse if element is not None]
        remaining_us = min([due for due in dues if due is not None] + [FAR_US])
        for pace in PACES:
            if remaining_us >= pace * self._far_us:
                return pace
        return 1


def _timed_out(
    name: str, timer: DefiniteTime, t_us: int, started: bool, stands: bool
) -> "list[Operation]":
    if not timer.step(t_us, started, stands) or timer.since_us is None:
        return []
    return [(name, timer.since_us, "", {"delay_us": timer.delay_us})]


def _inverse(settings: "Settings", which: str, count: int, cycle_us: int) -> "InverseTime | None":
    """The 51 element that the keys `which`_inverse_... describe; None where it is off."""

    def key(name: str) -> "float | str":
        value: "float | str" = getattr(settings, which + "_inverse_" + name)
        return value

    curve = str(key("curve"))
    if curve == "off":
        return None
    definite = curve == "definite"
    return InverseTime(
        count,
        float(key("pickup_amps")),
        curve,
        float(key("delay_ms")) / 1000.0 if definite else float(key("multiplier")),
        credit_us(curve, cycle_us),
        _us(float(key("minimum_ms"))),
        str(key("reset")),
        _us(float(key("reset_ms"))),
    )


def credit_us(curve: str, cycle_us: int) -> int:
    """How far what a stage sees lags behind the current, on average.

    Half a window of the front end. A curve also loses one and a half steps of an eighth of a cycle,
    since its start, a change of the current and the full travel are each seen half a step late. A
    definite time loses the first only, and gains it again where a large current crosses early.
    """
    return cycle_us // 2 if curve == "definite" else cycle_us * 11 // 16


def _operated(
    name: str,
    element: "InverseTime | None",
    t_us: int,
    since_us: int,
    currents: "tuple[float, ...]",
) -> "list[Operation]":
    # Idle below its start: nothing would change (the promise of `idle`).
    if element is None or (max(currents) < element.start_amps and element.idle()):
        return []
    if element.step(t_us, since_us, currents) != OPERATE:
        return []
    phases = "".join(["ABC"[k] for k in element.places]) if len(currents) == 3 else ""
    why: "dict[str, float | int | str]" = {
        "pickup_amps": element.pickup_amps,
        "curve": element.curve,
        "multiplier": element.multiplier,
    }
    return [(name, element.since_us or 0, phases, why)]


def _us(milliseconds: float) -> int:
    return int(milliseconds * 1000 + 0.5)
