"""Which phases the fault is on, from what it added to the currents rather than from their size.

A load may be larger than what a resistive fault adds, so the phases are compared by the change
since the inception. Ground takes part when the residual current is a real share of the largest
phase current: sums of three phase CTs err by a few per cent, a fault to earth does not.

Portable.
"""

# A healthy phase changes by up to a third in earthed networks (the zero sequence divides
# differently from the positive); of three faulted ones the smallest, with the worst offset and
# seen for 5/8 of a cycle, shows 0.48 of the largest (0.38 after half a cycle).
INVOLVED_SHARE = 0.4
GROUND_SHARE = 0.2


def involved(shares: tuple[float, float, float]) -> str:
    """Phases whose share is at least INVOLVED_SHARE of the largest: "A" ... "ABC"."""
    least = INVOLVED_SHARE * max(shares)
    return "".join([name for name, share in zip("ABC", shares) if share >= least])


def not_alone(shares: tuple[float, float, float]) -> str:
    """The same where one phase cannot be alone, for nothing flows to earth: its current returns in
    the others, and what their saturated transformers deliver of it is held against itself.
    """
    largest = max(shares)
    returning = max([share for share in shares if share != largest] + [0.0])
    least = INVOLVED_SHARE * (returning if returning > 0.0 else largest)
    return "".join([name for name, share in zip("ABC", shares) if share >= least])


def name(phases: str, grounded: bool) -> str:
    """Of a fault on these phases; one alone, and never three, has earth in it for sure."""
    if len(phases) == 3:
        return "ABC"
    if len(phases) == 1:
        return phases + "G"
    pair = "CA" if phases == "AC" else phases
    return pair + "G" if grounded else pair
