"""Where a high-impedance fault lies and on which phase, from what its arc added to the phasors.

In a network that is earthed through a resistor the arc's current comes from there: ahead of the bay
it flows against U0 and with the voltage of its phase; a bay elsewhere only charges its own
capacitance, a quarter of a turn off. In isolated and coil-earthed networks 50 Hz alone cannot tell,
and the transient of the earth fault does (earth_faults.py).

Portable.
"""

from agent.detect.sequences import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    Phasor = tuple[float, float]

FORWARD, UNKNOWN = "forward", "unknown"
EARTHED = ("low_resistance", "solid")
# Against U0 within 37 degrees; with the phase's voltage within 26 where U0 is too small to ask: a
# charging current stands 30 degrees and more from any of the three.
AGAINST, WITH, WITH_ALONE = 0.8, 0.8, 0.9
# A U0 that is asked: a thousandth of the phase voltage, and well beyond its own straying.
LEAST_SHARE, STRAYS = 0.001, 5.0


def place(
    earthing: str,
    added: "Phasor",
    neutral: "Phasor",
    neutral_noise: float,
    voltages: "list[Phasor]",
    phase_volts: float,
) -> "tuple[str, str, float]":
    """Direction, phase ("" where unknown) and confidence.

    added: what the arc added to 3I0; neutral: to U0; voltages: of the three phases now, all against
    one reference. [A, V RMS primary]
    """
    if earthing not in EARTHED or len(voltages) < 3:
        return UNKNOWN, "", 0.0
    phase, along = _phase(added, voltages)
    if size(neutral) >= max(LEAST_SHARE * phase_volts, STRAYS * neutral_noise):
        against = -_cosine(added, neutral)
        if against >= AGAINST and along >= WITH:
            return FORWARD, phase, against * along
        return UNKNOWN, "", 0.0
    return (FORWARD, phase, along * along) if along >= WITH_ALONE else (UNKNOWN, "", 0.0)


def _phase(added: "Phasor", voltages: "list[Phasor]") -> "tuple[str, float]":
    cosines = [_cosine(added, volts) for volts in voltages]
    best = max(cosines)
    return "ABC"[cosines.index(best)], best


def _cosine(one: "Phasor", other: "Phasor") -> float:
    lengths = size(one) * size(other)
    return (one[0] * other[0] + one[1] * other[1]) / lengths if lengths > 0.0 else 0.0
