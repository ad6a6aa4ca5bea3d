"""What the slow looks tell of earth faults: how noisy U0 and 3I0 are, whether one was there from
the start, and whether the one that was told still stands.

Portable.
"""

from agent.detect.earth_added import PARTS
from agent.detect.look import CYCLES
from agent.detect.sequences import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.look import Channel, Look

    Phasor = tuple[float, float]

# Natural displacement ends here: by their rules networks with a coil stay below 15 % of the phase
# voltage.
NATURAL = 0.15
# Voltages between phases of a network that is sound but for the earth fault differ by less.
BALANCED = 0.85
LOW_SHARE = 0.5  # as of earth_phase.py
# It is over when U0 and 3I0 are back to what they were but for this: sensors' errors, another
# natural displacement, by the phase voltage; and by the most that stood.
BACK_VOLTS, BACK_SHARE, BACK_AMPS_SHARE = 0.02, 0.2, 0.3
# Of a noise that falls, so much of what was known is kept at each look.
EASE = 0.75


def true_cycle(look: "Look") -> int:
    """Samples of a true cycle, in 1 / PARTS; 0 where nothing is looked at."""
    for channel in look.channels.values():
        samples = CYCLES * channel.window - 1
        micros = look.t_us - look.since_us
        return int(PARTS * 1e9 / look.frequency_mhz * samples / micros + 0.5)
    return 0


def sizes(channel: "Channel | None") -> "list[float]":
    """RMS of the fundamental, cycle by cycle; [] where there is no sensor."""
    return [] if channel is None else [size(channel.cycle(k)) for k in range(CYCLES)]


def noise(known: float, channel: "Channel | None") -> float:
    """What a cycle adds when nothing happens: grows at once, falls slowly."""
    now = 0.0 if channel is None else max(channel.jitter())
    return max(now, EASE * known + (1.0 - EASE) * now)


def displaced(look: "Look", phase_volts: float) -> "str | None":
    """The phase of an earth fault that stands, "" where that cannot be told; None: there is none.

    U0 alone is no proof: a blown fuse shows it too, but unequal voltages between phases with it.
    """
    volts = sizes(look.channels.get("u0"))
    phases = [look.channels[role].phasor() for role in ("ua", "ub", "uc") if role in look.channels]
    if len(phases) < 3 or not volts or min(volts) < NATURAL * phase_volts:
        return None
    line = [size((a[0] - b[0], a[1] - b[1])) for a, b in zip(phases, phases[1:] + phases[:1])]
    if min(line) < BALANCED * max(line) or min(line) < phase_volts:
        return None
    order = sorted((0, 1, 2), key=lambda k: size(phases[k]))
    low = size(phases[order[0]]) <= LOW_SHARE * size(phases[order[1]])
    return "ABC"[order[0]] if low else ""


class Standing:
    """An earth fault that was told. usual, most: of U0 and 3I0, before it and while it stands."""

    def __init__(self, usual: "tuple[float, float]", most: "tuple[float, float]") -> None:
        self._usual = usual
        self._most = most

    def over(self, look: "Look", phase_volts: float, start_amps: float) -> bool:
        """Whether U0 and 3I0 were back in every cycle of this look."""
        volts = max(sizes(look.channels.get("u0")) + [0.0])
        amps = max(sizes(look.channels.get("i0")) + [0.0])
        self._most = max(self._most[0], volts), max(self._most[1], amps)
        back_volts = max(BACK_VOLTS * phase_volts, BACK_SHARE * self._most[0])
        back_amps = max(start_amps, BACK_AMPS_SHARE * self._most[1])
        return volts <= self._usual[0] + back_volts and amps <= self._usual[1] + back_amps
