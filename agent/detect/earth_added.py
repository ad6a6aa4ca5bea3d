"""What an earth fault added to a channel: its samples less those of the same instants in whole
cycles before the inception.

Loads, standing asymmetries, harmonics and the errors of sensors under a steady current fall out of
the difference; what is left is the fault's own, as if the network had been dead before.

Portable: whole numbers, so that sums made of them are exact.
"""

# Cycles are no whole number of samples: places between two samples are multiples of 1 / PARTS.
PARTS = 1024
# A cycle is looked at in so many sums of neighbouring samples at most: enough for an eighteenth
# harmonic, and the same work at any rate of sampling.
FINEST = 128
# The inception may have been dated too late by this share of a cycle.
MISDATED = 0.25
_TWICE = 2 * PARTS


class Span:
    """Where to look: `length` sums of `step` samples each. The inception lies at `onset` of them,
    the last of them ends `late` samples before the newest one. lag: cycles back to the reference.
    """

    def __init__(self, window: int, cycle: int, before: int, after: int, late: int = 0) -> None:
        """before, after: samples to look at on both sides of the inception. window: see raw.py;
        cycle: samples of a true one, in 1 / PARTS.
        """
        self.step = (window + FINEST - 1) // FINEST
        self.onset = before // self.step
        self.length = (before + after) // self.step
        self.samples = self.length * self.step
        self.late = late
        self.cycle = cycle
        self.per_cycle = cycle / (PARTS * self.step)
        reach = (after + int(MISDATED * window)) * PARTS
        self.lag = max(1, (reach + cycle - 1) // cycle)

    def needed(self, references: int = 2) -> int:
        """Samples that it takes with so many cycles of reference."""
        shift = (self.lag + references - 1) * self.cycle // PARTS
        return self.samples + shift + 2 + self.late


class Added:
    """values: what was added, `length` numbers of which one counts `unit` amperes or volts.
    noise: mean square of them where nothing was added. [the same unit, squared]
    """

    def __init__(self, values: "list[int]", noise: float, unit: float) -> None:
        self.values = values
        self.noise = noise
        self.unit = unit

    def since(self, first: int) -> "Added":
        """The same without what lies before `first`."""
        return Added(self.values[first:], self.noise, self.unit)


def added(samples: "list[int]", scale: float, span: Span) -> "Added | None":
    """None: there are not enough samples before the inception.

    samples: the newest last, as many as there are; scale: primary units of a count.
    """
    references = 2 if len(samples) >= span.needed(2) else 1
    if len(samples) < span.needed(references):
        return None
    one = _before(samples, span, span.lag)
    other = _before(samples, span, span.lag + 1) if references > 1 else one
    now = recent(samples, span)
    values = summed([_TWICE * x - a - b for x, a, b in zip(now, one, other)], span.step)
    if references > 1:
        # The two references differ by twice the noise's square; two of the newest less their sum
        # have three times that.
        apart = summed([a - b for a, b in zip(one, other)], span.step)
        noise = 3.0 * squares(apart) / span.length
    else:
        quiet = values[: max(1, span.onset * 3 // 4)]
        noise = squares(quiet) / len(quiet)
    # No converter is better than its last digit.
    least = span.step * _TWICE**2 / 12.0
    return Added(values, max(noise, least), scale / (_TWICE * span.step))


def recent(samples: "list[int]", span: Span) -> "list[int]":
    """The samples of the span themselves."""
    end = len(samples) - span.late
    return samples[max(0, end - span.samples) : end]


def summed(values: "list[int]", step: int) -> "list[int]":
    """Sums of `step` neighbours each."""
    if step == 1:
        return values
    return [sum(values[k : k + step]) for k in range(0, len(values) - step + 1, step)]


def squares(values: "list[int]") -> float:
    """Their sum, one after the other: beyond 2^53 whole numbers are not turned into floats alike
    everywhere.
    """
    total = 0.0
    for x in values:
        total += float(x) * float(x)
    return total


def _before(samples: "list[int]", span: Span, cycles: int) -> "list[int]":
    """The samples of the span so many true cycles earlier, between two samples where need be."""
    shift = cycles * span.cycle
    whole, part = shift // PARTS, shift % PARTS
    end = len(samples) - span.late - whole
    begin = end - span.samples
    late, early = samples[begin:end], samples[begin - 1 : end - 1]
    return [(PARTS - part) * x + part * y for x, y in zip(late, early)]
