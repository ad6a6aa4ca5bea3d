"""What a count of so many tells of the share behind it.

Source: C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in the
    case of the binomial", Biometrika, vol. 26, 1934.
"""

from __future__ import annotations

import math

CONFIDENCE = 0.95
_HALVINGS = 60  # to 2^-60, beyond what a float shows


def interval(count: int, of: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Two-sided exact interval of a share of which `count` of `of` were seen."""
    beyond = (1 - confidence) / 2
    return 1 - upper_bound(of - count, of, 1 - beyond), upper_bound(count, of, 1 - beyond)


def upper_bound(count: int, of: int, confidence: float = CONFIDENCE) -> float:
    """One-sided exact upper bound; of none among n it is about 3/n (rule of three)."""
    if count >= of:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if at_most(count, of, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def at_most(count: int, of: int, share: float) -> float:
    """Probability of `count` or fewer among `of`, each by itself with this share."""
    if share <= 0.0:
        return 1.0
    if share >= 1.0:
        return 0.0 if count < of else 1.0
    ways = math.lgamma(of + 1)
    terms = (
        math.exp(
            ways
            - math.lgamma(k + 1)
            - math.lgamma(of - k + 1)
            + k * math.log(share)
            + (of - k) * math.log1p(-share)
        )
        for k in range(count + 1)
    )
    return min(1.0, math.fsum(terms))
