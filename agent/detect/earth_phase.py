"""Which phase an earth fault is on, and its conductance, from what flows and what stands.

The fault current is in phase with the voltage of its phase: it flows through a resistance, however
the rest of the network is earthed. 3I0 of a bay with the fault ahead shows besides what charges the
part ahead, which goes by the derivative of U0. So for each phase p

    i0 = g u_p + b du0/dt,  g > 0

is fitted from the inception on. Through a low resistance so little of u_p is left that its angle
says nothing: then the phase is the one whose voltage is down by half against both others, to which
a displaced neutral alone cannot bring a healthy one.

Portable.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.detect.earth_added import Added

PHASES = "ABC"
LOW_SHARE = 0.5
# What the best phase leaves of i0, by what the next one leaves: more is no difference.
CLEAR_SHARE = 0.8


class Phase:
    """name: "A", "B", "C", or "" where the three cannot be told apart. gain: its g [counts of i0
    a count of u_p]; left: what each phase's fit leaves, as a share of i0's energy.
    """

    def __init__(self, name: str, gain: float, left: "list[float]") -> None:
        self.name = name
        self.gain = gain
        self.left = left


def lowest(squares: "list[float]") -> str:
    """The phase whose voltage is down by half against both others; squares: of the voltages."""
    order = sorted((0, 1, 2), key=lambda k: squares[k])
    low = squares[order[0]] <= LOW_SHARE * LOW_SHARE * squares[order[1]]
    return PHASES[order[0]] if low else ""


def find(residual: "Added", neutral: "Added", volts: "list[list[int]]") -> Phase:
    """Of what was added to 3I0 and U0, and of the voltages as they stand; all since the onset."""
    i = residual.values[1:-1]
    d = [after - before for before, after in zip(neutral.values, neutral.values[2:])]
    squares = _dot(i, i), _dot(d, d), _dot(d, i)
    fits = [_fit(i, d, phase[1:-1], squares) for phase in volts]
    order = sorted((0, 1, 2), key=lambda k: fits[k][1])
    gain, left = fits[order[0]]
    clear = gain > 0 and left <= CLEAR_SHARE * fits[order[1]][1]
    energy = squares[0] if squares[0] > 0.0 else 1.0
    return Phase(PHASES[order[0]] if clear else "", gain, [each[1] / energy for each in fits])


def _fit(
    i: "list[int]", d: "list[int]", u: "list[int]", squares: "tuple[float, float, float]"
) -> "tuple[float, float]":
    """(g, squares that remain of i) of one phase; b >= 0."""
    ii, dd, di = squares
    uu, ui, ud = _dot(u, u), _dot(u, i), _dot(u, d)
    both = uu * dd - ud * ud
    if both > 0:
        g, b = (ui * dd - di * ud) / both, (di * uu - ui * ud) / both
        if g > 0 and b >= 0:
            return g, ii - g * ui - b * di
    if uu <= 0 or ui <= 0:
        return 0.0, ii
    return ui / uu, ii - ui * ui / uu


def _dot(one: "list[int]", other: "list[int]") -> float:
    """Term by term in floats: the whole sum may be beyond 2^53 (see earth_added.squares)."""
    total = 0.0
    for x, y in zip(one, other):
        total += float(x) * float(y)
    return total
