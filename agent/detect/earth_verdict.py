"""What is told of an inquiry into a suspected earth fault: a direction, or nothing.

`forward` raises an alarm, so that it needs everything: something to earth, ahead, and no switching.

Portable.
"""

from agent.detect.earth_direction import FORWARD, REVERSE, UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.earth_inquiry import Inquiry

# Quadratures of noise reach this many sigma once in ten thousand cycles.
NOISE_SIGMAS = 4.0
# What a change of the phase currents by that much may feign in 3I0: a core around all three leaks
# by some tenths of a per cent; three transformers of class 5P differ by 3 %, and tenfold while a
# heavy or offset current is on its way. A reading of 3I0 may be a star point's of the same three
# transformers, too: where U0 does not prove the fault, load must not have changed by much more.
CORE_LEAK, LOAD_SHARE, SUM_ERROR = 0.004, 0.15, 0.3
# Voltages between phases stay where they are in an earth fault; where they move with U0, it is a
# fuse, a sag or a short circuit.
LINE_SHARE = 0.5
# U0 by 3I0 of the lowest resistance that neutrals are earthed through, by half: a current that
# displaces the neutral by less is no earth fault but an open transformer. Nothing is known of how
# a solid earth divides. [ohm]
LEAST_OHM = 3.0
# A displacement that proves that something is to earth. Less is told of other feeders only with
# this current.
DISPLACED, TOLD_AMPS = 0.03, 0.3
# An arc may be out again where it displaced the neutral by that much, or by so much in its first
# cycle, to which poles that close 5 ms apart do not come; else so much of the least current must go
# on.
OUT_SHARE, STRUCK_SHARE, LASTING_SHARE = 0.1, 0.3, 0.25
# U0 before by the phase voltage, and after by that before, of a fault that goes.
GOING_FROM, GOING_TO = 0.1, 0.8
# Sure enough at the first look, and at the last one; to say reverse, which wakes nobody, less will
# do.
SURE, FAIR, LIKELY = 0.8, 0.7, 0.55


class Limits:
    """Of one bay: nominal phase voltage, and the least of U0 and 3I0 that is asked for.

    earthing: as in the site file.
    """

    def __init__(
        self, phase_volts: float, start_volts: float, start_amps: float, earthing: str
    ) -> None:
        self.phase_volts = phase_volts
        self.earthing = earthing
        self.least_ohm = 0.0 if earthing == "solid" else LEAST_OHM
        self.start_volts = start_volts
        self.start_amps = start_amps


def like_a_fault(found: "Inquiry", limits: Limits) -> bool:
    """Whether U0 and 3I0 are such as an earth fault makes them."""
    flows = _flows(found, limits, limits.start_amps)
    most_volts = found.neutral_volts + NOISE_SIGMAS * found.neutral_noise
    if limits.least_ohm * found.residual_amps > most_volts and found.neutral_noise > 0.0:
        return False
    if not flows:
        volts = _displacement(found, limits)
        if volts < max(limits.start_volts, NOISE_SIGMAS * found.neutral_noise):
            return False
        if found.line_volts > LINE_SHARE * volts:
            return False
    return not going(found, limits)


def going(found: "Inquiry", limits: Limits) -> bool:
    """Whether a displacement went away: such adds as much as one that comes."""
    less = found.u0_after < GOING_TO * found.u0_before
    return less and found.u0_before >= GOING_FROM * limits.phase_volts


def proven(found: "Inquiry", limits: Limits) -> bool:
    """Whether something is to earth for certain: it stands out in one phase, or displaces the
    neutral. Load that is composed otherwise, switching, and what three transformers' errors sum up
    to do neither, though they may look as if they came from ahead.
    """
    return found.phase != "" or _displacement(found, limits) >= DISPLACED * limits.phase_volts


def word(found: "Inquiry", limits: Limits, last: bool) -> str:
    """The direction to tell; "": nothing, or not yet."""
    if not like_a_fault(found, limits):
        return ""
    share = _displacement(found, limits) / limits.phase_volts
    sure = found.confidence >= (FAIR if last else SURE)
    if found.direction == FORWARD and sure:
        if _stands(found, limits, last):
            return FORWARD
        if share < OUT_SHARE and found.residual_amps < _feigned(found, limits):
            return ""  # a load went at the same time: a pole, or a torn wire, unbalances as much
    if found.direction == REVERSE and found.confidence >= (LIKELY if last else SURE):
        seen = share >= DISPLACED / 3 and found.residual_amps >= TOLD_AMPS
        return REVERSE if share >= DISPLACED or seen else ""
    if found.through and last and found.neutral_noise == 0.0:
        return UNKNOWN  # there are no voltages
    return UNKNOWN if last and share >= DISPLACED and _worth_telling(found, share) else ""


def _displacement(found: "Inquiry", limits: Limits) -> float:
    """What was added to U0, be it over again where it was much. [V]"""
    if found.struck_volts < STRUCK_SHARE * limits.phase_volts:
        return found.neutral_volts
    return max(found.struck_volts, found.neutral_volts)


def _worth_telling(found: "Inquiry", share: float) -> bool:
    """Neither side nor phase is known: that is a neutral which swings after a switching, and least
    of all is it this line's where the line is off.
    """
    return found.phase != "" or (share >= OUT_SHARE and not found.dead)


def _stands(found: "Inquiry", limits: Limits, last: bool) -> bool:
    """Whether it is more than poles that opened or closed apart, which also begins ahead.

    Such is over soon, and leaves U0 a little higher where the network around a coil is another one
    now. So what moves U0 by little must still flow at the second look, and only what moves it by
    more than any switching may be over, as an arc that went out.
    """
    share = _displacement(found, limits) / limits.phase_volts
    if share >= OUT_SHARE:
        return True
    if share >= DISPLACED:
        return _flows(found, limits, LASTING_SHARE * limits.start_amps)
    return last and _flows(found, limits, limits.start_amps)


def _flows(found: "Inquiry", limits: Limits, least_amps: float) -> bool:
    """Whether so much was added to 3I0 and is still there, and neither is noise nor feigned."""
    least = max(least_amps, NOISE_SIGMAS * found.residual_noise, _feigned(found, limits))
    return min(found.residual_amps, found.lasting_amps) >= least


def _feigned(found: "Inquiry", limits: Limits) -> float:
    """What the change of the phase currents may show of itself in 3I0."""
    displaced = found.neutral_volts >= DISPLACED * limits.phase_volts
    share = SUM_ERROR if found.summed else CORE_LEAK if displaced else LOAD_SHARE
    return share * found.phase_amps
