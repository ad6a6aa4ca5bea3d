"""When an arc to earth strikes: each time the voltage of its phase collapses, U0 jumps.

A jump is what a second difference over a fortieth of a cycle shows: fundamental and low harmonics
leave little in it, a collapse of some hundred volts much. After a strike all is quiet for a while;
what follows sooner is its own ringing.

Portable.
"""

# A fortieth of a cycle, half a millisecond: the filter before the slowest converter passes that.
STEP_SHARE = 40
# A jump by the phase voltage's peak: arcs strike at some tenths of it and more; sensors' noise of
# 1 % of the rating, 40 dB, shows with six sigma at most.
JUMP_SHARE = 0.12
# Of the second difference of a U0 of one and a half times the phase voltage.
MOST_NEUTRAL = 1.5
# Arcs strike at most once in a half cycle; the ringing after it is over in a sixth of a cycle.
APART_SHARE = 6


def strikes(u0: "list[int]", window: int, peak_counts: float, since: int) -> "list[int]":
    """Places of strikes in `u0`, none before `since`, each the beginning of what belongs to it.

    peak_counts: of the nominal phase voltage.
    """
    step = max(1, window // STEP_SHARE)
    turn = 6.2832 * step / window
    limit = peak_counts * (JUMP_SHARE + MOST_NEUTRAL * turn * turn)
    apart = window // APART_SHARE
    found: "list[int]" = []
    last = -apart
    for k in range(2 * step, len(u0)):
        if abs(u0[k] - 2 * u0[k - step] + u0[k - 2 * step]) < limit:
            continue
        if k - last >= apart and k >= since:
            found.append(k)
        last = k
    return found
