"""What the functions of one bay tell each other: who vetoes whom rests on these words alone.

Each field has one writer; bay.py runs the functions in an order in which a writer comes before its
readers.

Portable.
"""


class Situation:
    """kind: of the short circuit that stands, "" where none does. phase_started,
    residual_started: the starts of 50P and 50N. inrush: it was told and still stands.
    (short_circuits.py)

    earth_kind: of the earth fault that stands, "" where none does; earth_direction: as it was
    told. (earth_faults.py)

    supply: DEAD, LIVE or None of each phase. (supplies.py) load_supply: the same of what lies
    behind the switch, where there are voltages too. (load_side.py)

    voltless: there is no voltage to look at. (bay.py)

    distrusted: roles whose sensor is known to lie. (sensor_watch.py)

    disturbed_us: the last instant at which a current or U0 changed fast: what looks slowly leaves
    out the looks that cover it. None: not since the start. (bay.py)
    """

    def __init__(self) -> None:
        self.kind = ""
        self.phase_started = False
        self.residual_started = False
        self.inrush = False
        self.earth_kind = ""
        self.earth_direction = ""
        self.supply: list[int | None] = [None, None, None]
        self.load_supply: list[int | None] = [None, None, None]
        self.voltless = False
        self.distrusted: set[str] = set()
        self.disturbed_us: int | None = None
