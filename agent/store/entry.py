"""What a record holds: the one table of record types and their columns.

An entry is a flat list, [type, boot, mono_us, utc_us, source, error_us, column, column, ...]:
integers, text, bytes, null and flat lists of all but bytes, never a float. The six of the header
say when, on which clock and how sure; COLUMNS says what follows for each type. Absent is null, and
trailing nulls are cut. Amperes, volts and the like are integers scaled as POINTS says. Tables of
names only ever grow at their end, as do the columns of a type, so that old records stay readable.
Bytes, files and floats stay outside: see cbor.py, journal.py and entries.py.

Portable.
"""

from agent.store import cbor_size, fitting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Item = Any  # null, an integer, text, bytes, a list or a map
    Entry = list[Any]
    What = str | tuple[str, ...]
    Column = tuple[str, What, bool]

size, short = cbor_size.size, cbor_size.short

# What a column may hold, null apart; a tuple of names stands for the position in it.
UINT, INT, INSTANT, TEXT, MASK = (
    fitting.UINT,
    fitting.INT,
    fitting.INSTANT,
    fitting.TEXT,
    fitting.MASK,
)
BYTES, LIST, QUANTITIES = fitting.BYTES, fitting.LIST, fitting.QUANTITIES

EVENT, WHY, BLIND, PLAN_VARIANCE, AUDIT, HISTORY, EXTREMES, TIMEMAP = 1, 2, 3, 4, 5, 6, 7, 8
DRILL, HEAD, METRICS, WAVE, ANSWER = 9, 10, 11, 12, 13
CHANNELS, READINGS = 14, 15
TYPE_NAMES = {
    EVENT: "event",
    WHY: "why",
    BLIND: "blind",
    PLAN_VARIANCE: "plan_variance",
    AUDIT: "audit",
    HISTORY: "history",
    EXTREMES: "extremes",
    TIMEMAP: "timemap",
    DRILL: "drill",
    HEAD: "head",
    METRICS: "metrics",
    WAVE: "wave",
    ANSWER: "answer",
    CHANNELS: "channels",
    READINGS: "readings",
}

EVENTS = (
    "fault",
    "operate",
    "fault_cleared",
    "intermittent_earth_fault",
    "high_impedance_fault",
    "broken_conductor",
    "overload",
    "inrush",
    "voltage_loss",
    "voltage_restored",
    "dip",
    "swell",
    "unbalance",
    "backfeed",
    "bypass_suspected",
    "sensor_trouble",
    "interruption",
    "plan_variance",
    "blind",
    "started",
    "stopped",
    "log_loss",
    "frequency",
)
KINDS = ("AG", "BG", "CG", "AB", "BC", "CA", "ABG", "BCG", "CAG", "ABC")
DIRECTIONS = ("forward", "reverse", "unknown")
OUTCOMES = ("permanent", "self_cleared", "open")
SOURCES = ("unknown", "holdover", "ntp", "gnss")
PHASES = "ABC"

# What a drill's record tells: its beginning with the whole script, a step, its end, or that it was
# cut off or could not be taken.
DRILL_WHATS = ("started", "step", "ended", "aborted")

# Bits of an event's flags.
ALARM = 1
EXERCISE = 2  # of a drill: never the real thing

# Bits of the quality of a history or of extremes.
UNEVEN = 1  # some value was known for less time than observed_s says
STEPPED = 2  # the clock was set within the interval
CUT = 4  # the agent stopped before the interval ended
QUALITIES = ("uneven", "stepped", "cut")

# Bits of the doubt about a reading, from the lowest on.
READING_DOUBTS = ("gap", "stale", "invalid", "overrange")

# Quantity, unit, and the power of ten of one count: what `birth` tells a consumer.
POINTS = (
    ("current", "A", -2),
    ("voltage", "V", -1),
    ("confidence", "1", -2),
    ("distance", "m", 0),
    ("power", "W", 2),
    ("reactive power", "var", 2),
    ("frequency", "Hz", -3),
)

# What a bay measures, in the order of live values, of a history and of each list of extremes.
METERED = (
    "current_a_centiamps",
    "current_b_centiamps",
    "current_c_centiamps",
    "residual_centiamps",
    "voltage_a_decivolts",
    "voltage_b_decivolts",
    "voltage_c_decivolts",
    "neutral_decivolts",
    "active_hectowatts",
    "reactive_hectovars",
    "frequency_millihertz",
    "negative_centiamps",
    "negative_decivolts",
)

# (name, what it holds, whether it must be there). What every fault has comes first, so that the
# rest is cut where it is absent.
COLUMNS = {
    EVENT: (
        ("event", EVENTS, True),
        ("bay", TEXT, True),
        ("flags", UINT, True),
        ("kind", KINDS, False),
        ("direction", DIRECTIONS, False),
        ("outcome", OUTCOMES, False),
        ("confidence_percent", UINT, False),
        ("current_a_centiamps", INT, False),
        ("current_b_centiamps", INT, False),
        ("current_c_centiamps", INT, False),
        ("voltage_a_decivolts", INT, False),
        ("voltage_b_decivolts", INT, False),
        ("voltage_c_decivolts", INT, False),
        ("residual_centiamps", INT, False),
        ("neutral_decivolts", INT, False),
        ("distance_m", INT, False),
        ("distance_low_m", INT, False),
        ("distance_high_m", INT, False),
        ("onset_before_us", INT, False),  # before the entry's own instant, as the bounds are
        ("element", TEXT, False),
        ("lag_us", INT, False),  # from the event's instant to the making of this record
        ("phases", MASK, False),
        ("earliest_before_us", INT, False),
        ("latest_before_us", INT, False),
        ("undetermined", TEXT, False),
        ("detail", TEXT, False),
    ),
    WHY: (
        ("lane", TEXT, True),
        ("seq", UINT, True),
        ("quantities", QUANTITIES, True),  # see fitting.is_quantity
    ),
    BLIND: (
        ("since_before_us", UINT, False),  # null: nobody knows since when
        ("cause", TEXT, True),
    ),
    PLAN_VARIANCE: (
        ("plan", TEXT, True),
        ("revision", UINT, True),
        ("section", TEXT, True),
        ("expected_phases", MASK, False),
        ("dead_phases", MASK, False),
        ("planned_start_utc_s", INT, False),
        ("planned_end_utc_s", INT, False),
        ("start_earliest_utc_us", INT, False),
        ("start_latest_utc_us", INT, False),
        ("end_earliest_utc_us", INT, False),
        ("end_latest_utc_us", INT, False),
        ("start_deviation_low_ms", INT, False),
        ("start_deviation_high_ms", INT, False),
        ("end_deviation_low_ms", INT, False),
        ("end_deviation_high_ms", INT, False),
        ("duration_deviation_low_ms", INT, False),
        ("duration_deviation_high_ms", INT, False),
        ("verdicts", LIST, False),
        ("clock_source", SOURCES, False),
        ("clock_error_us", UINT, False),
    ),
    AUDIT: (
        ("what", TEXT, True),
        ("who", TEXT, False),
        ("detail", TEXT, False),
        ("result", TEXT, False),  # of a command: a stage of uplink/command.py
    ),
    # Means over the quarter hour of UTC in which the entry's instant lies, or which it ends.
    HISTORY: (("bay", TEXT, True),)
    + tuple([(name, INT, False) for name in METERED])
    + (("observed_s", UINT, True), ("quality", UINT, False)),
    # Of one day of the site's own time; the lists are in the order of METERED.
    EXTREMES: (
        ("bay", TEXT, True),
        ("day_start_utc_s", INT, True),
        ("observed_s", UINT, True),
        ("maxima", LIST, True),
        ("maxima_after_s", LIST, True),  # after the start of the day
        ("minima", LIST, True),
        ("minima_after_s", LIST, True),
        ("quality", UINT, False),
    ),
    # At the entry's instant the relation of UTC to the monotonic clock of this boot was set: an
    # earlier record of the boot stood, by what is known now, at its mono_us + utc_offset_after_us,
    # in error by the entry's error_us and by what the monotonic clock may have drifted since.
    TIMEMAP: (
        ("utc_offset_before_us", INT, False),  # UTC - mono until then; null: UTC was not known
        ("utc_offset_after_us", INT, True),
        ("cause", TEXT, True),
    ),
    # Of lane x only. All that its score needs stands in these and in the events beside them.
    DRILL: (
        ("drill", TEXT, True),  # as the order calls it; the same order may be run again
        ("what", DRILL_WHATS, True),
        ("after_ms", UINT, True),  # since it started, by the monotonic clock
        ("title", TEXT, False),
        ("step", TEXT, False),
        ("role", TEXT, False),  # a token, never a person's name
        ("steps", LIST, False),  # name, due after so many ms, role; again and again
        ("expected", LIST, False),  # bay, event, kind or null; again and again
        ("detail", TEXT, False),
    ),
    # Of lane s: the hash chain of a lane up to and with a seq, signed by the device's key.
    HEAD: (
        ("of_lane", TEXT, True),
        ("of_seq", UINT, True),
        ("chain", BYTES, True),
        ("signer", BYTES, True),  # which key: the beginning of the hash of its public half
        ("signature", BYTES, True),
        ("after_seq", UINT, False),  # the head before it, that this one goes on from; 0: none
        ("lowest_seq", UINT, False),  # that the lane still kept
        ("lost", LIST, False),  # since then: first, last, reason; again and again
    ),
    # Counters since the process started and present depths, by their names.
    METRICS: (
        ("of", TEXT, True),  # the process
        ("values", LIST, True),  # name, value; again and again
    ),
    # Of lane w only: a part of a packed waveform record, in order; the first is part 0.
    WAVE: (
        ("of_record", TEXT, True),  # its name in the folder of records
        ("part", UINT, True),
        ("parts", UINT, True),
        ("body", BYTES, True),
        ("digest", BYTES, False),  # SHA-256 of all parts together, in the last one
    ),
    # Of lane s: what became of something that was asked over the uplink.
    ANSWER: (
        ("asked", TEXT, True),  # the token of the question
        ("asked_for", TEXT, True),
        ("answer", TEXT, True),
        ("detail", TEXT, False),
    ),
    # What the readings of a sensor that is logged whole are called, until other channels are told.
    CHANNELS: (
        ("sensor", TEXT, True),
        ("first", UINT, True),  # place of the first of these among its channels
        ("channels", LIST, True),  # name, unit; again and again
    ),
    # One poll of such a sensor, in thousandths of the channels' units.
    READINGS: (
        ("sensor", TEXT, True),
        ("first", UINT, True),
        ("values_milli", LIST, True),
        ("doubt", UINT, False),  # bits, see READING_DOUBTS
    ),
}

# Where an entry's columns begin, and the header's places.
TYPE, BOOT, MONO, UTC, SOURCE, ERROR, FIRST = 0, 1, 2, 3, 4, 5, 6
_HEADER = (
    ("type", UINT, True),
    ("boot", UINT, True),
    ("mono_us", INSTANT, True),
    ("utc_us", INSTANT, True),
    ("source", SOURCES, True),
    ("error_us", UINT, False),
)

# Half of the largest message (contract.md section 4), so that any record fits in one.
MAX_BYTES = 4096
LARGEST_EXPONENT = 62


def compose(record_type: int, at: "tuple[Item, ...]", values: "dict[str, Item]") -> "Entry":
    """The entry made of `values`, as `as_dict` names them.

    at: (boot, mono_us, utc_us, source, error_us). Raises: ValueError, as `check` does, and for a
    name that is no column or not in its column's table.
    """
    columns = COLUMNS[record_type]
    known = [name for name, _, _ in columns]
    for name in values:
        if name not in known:
            raise ValueError(f"{TYPE_NAMES[record_type]} has no column {name}")
    row = [_coded(what, values.get(name)) for name, what, _ in columns]
    entry = trimmed([record_type] + list(at) + row)
    check(entry)
    return entry


def check(entry: "Item") -> None:
    """Raises ValueError, naming the column and what was expected, unless this is an entry.

    Types and columns that come with a later version pass if they are of the permitted kinds.
    """
    if not _is_sound(entry):
        _refuse(entry)


def _is_sound(entry: "Item") -> bool:
    """Whether this is an entry without any doubt; where there is one, `_refuse` looks closer."""
    if type(entry) is not list or len(entry) < FIRST or type(entry[TYPE]) is not int:
        return False
    specs, needed = _SPECS.get(entry[TYPE], ((), 0))
    return needed <= len(entry) <= len(specs) and fitting.is_sound(entry, specs, MAX_BYTES)


def _refuse(entry: "Item") -> None:
    if type(entry) is not list or len(entry) < FIRST:
        raise ValueError(f"{short(entry)}; expected an entry of {FIRST} columns or more")
    for place in range(FIRST):
        fitting.check_column("entry", _HEADER[place], entry[place])
    name = TYPE_NAMES.get(entry[TYPE], f"type-{entry[TYPE]}")
    columns = COLUMNS.get(entry[TYPE], ())
    for place in range(max(len(columns), len(entry) - FIRST)):
        value = entry[FIRST + place] if FIRST + place < len(entry) else None
        if place < len(columns):
            fitting.check_column(name, columns[place], value)
        elif (
            not fitting.is_plain(value) and not fitting.is_flat(value) and type(value) is not bytes
        ):
            raise ValueError(
                f"{name} column {place}: {short(value)}; expected {fitting.EXPECTED[LIST]}"
            )
    if size(entry) > MAX_BYTES:
        raise ValueError(f"{name} of {size(entry)} bytes; expected at most {MAX_BYTES}")


def as_dict(entry: "Entry") -> "dict[str, Item]":
    """The columns by their names, nulls left out, codes and phases in their letters.

    A type of a later version answers its number and the bare `columns`. Raises: ValueError.
    """
    check(entry)
    shown: "dict[str, Item]" = {"type": TYPE_NAMES.get(entry[TYPE], entry[TYPE])}
    _show(shown, _HEADER[1:], entry[BOOT:FIRST])
    columns = COLUMNS.get(entry[TYPE])
    if columns is None:
        shown["columns"] = entry[FIRST:]
    else:
        _show(shown, columns, entry[FIRST:])
    return shown


def column(record_type: int, name: str) -> int:
    """Place of the column `name` in an entry of this type."""
    return FIRST + [each for each, _, _ in COLUMNS[record_type]].index(name)


def trimmed(entry: "Entry") -> "Entry":
    """The entry without the nulls at its end; its header stays whole."""
    end = len(entry)
    while end > FIRST and entry[end - 1] is None:
        end -= 1
    return entry[:end]


def error_exponent(error_us: "int | None") -> "int | None":
    """The smallest n with error_us <= 2^n; None where the error is unknown or beyond all sense.

    A clock's error drifts from record to record; rounded up to a power of two, neighbours share
    it, and a bound stays a bound.
    """
    if error_us is None or error_us > 1 << LARGEST_EXPONENT:
        return None
    exponent = 0
    while 1 << exponent < error_us:
        exponent += 1
    return exponent


def phase_mask(letters: str) -> int:
    """Phases as bits: A is 1, B is 2, C is 4."""
    if type(letters) is not str:
        raise ValueError(f"phases {short(letters)}; expected letters of {PHASES}")
    mask = 0
    for letter in letters:
        if letter not in PHASES:
            raise ValueError(f"phases {letters!r}; expected letters of {PHASES}")
        mask |= 1 << PHASES.index(letter)
    return mask


def phase_letters(mask: int) -> str:
    """The inverse of `phase_mask`."""
    return "".join([PHASES[bit] for bit in range(3) if mask >> bit & 1])


def code_of(table: "tuple[str, ...]", name: str) -> int:
    """The position of `name` in a table of names."""
    if name not in table:
        raise ValueError(f"{name!r}; expected one of {', '.join(table)}")
    return table.index(name)


def name_of(table: "tuple[str, ...]", code: int) -> str:
    """The name with this code; one of a later version is called by its number."""
    return table[code] if code < len(table) else f"code-{code}"


def _coded(what: "What", value: "Item") -> "Item":
    """A column's value as it is stored."""
    if isinstance(what, tuple):
        return None if value is None else code_of(what, value)
    return phase_mask(value) if what == MASK and value is not None else value


def _named(what: "What", stored: "Item") -> "Item":
    """The inverse of `_coded`."""
    if isinstance(what, tuple):
        return name_of(what, stored)
    return phase_letters(stored) if what == MASK else stored


def _show(shown: "dict[str, Item]", columns: "tuple[Column, ...]", values: "Entry") -> None:
    for (name, what, _), value in zip(columns, values):
        if value is not None:
            shown[name] = _named(what, value)


def _specs(columns: "tuple[Column, ...]") -> "tuple[tuple[Any, ...], int]":
    """Of an entry's columns, header and all; and how many of them must be there."""
    every = _HEADER + columns
    needed = max([place + 1 for place, column in enumerate(every) if column[2]] + [FIRST])
    return tuple([fitting.spec_of(column) for column in every]), needed


_SPECS = {number: _specs(columns) for number, columns in COLUMNS.items()}
