"""Rows of integers as bits and back: what makes a backlog of history small. Lossless.

Rows belong to series (a bay, say), and neighbours in a series differ by little. The first column
counts rounds (quarter hours, say): it is foretold to stay what it was in the row before, and to
rise by one where the series begin anew. Any other value is foretold as its series' last one, plus
what another quantity has just done: the same column of the row before in the same round (bays on
one busbar share its voltage and frequency), or a share of an earlier column of this row (phases
swing together, power follows current). The rest is written in a Rice code.

    packed  = width 6, count 12, series 8, {group 8, present: width bits} per series,
              {source 6, share 10 if source >= 2, k 6, k of a round's first row 6 if source = 1}
              per column, then row after row:
    row     = order, {value} per present column; whole values in the first row of a series
    order   = 0: the series after that of the row before; 1, series 8
    value   = zigzag of (value - foretold), as bits.py writes it

Whatever bytes come in, they open to rows within the limits below or raise ValueError.

Portable.
"""

from agent.uplink import bits

TYPE_CHECKING = False
if TYPE_CHECKING:
    Row = list[int | None]
    Move = tuple[Row, bool, bool, bool]
    # source, share, k, k of the rows that open a round
    Code = tuple[int, ...]

WIDEST = 63  # columns
LONGEST = (1 << 12) - 1  # rows
MOST_VALUES = 1 << 16  # a few bytes can say that so many values stand still, and no more
MOST_SERIES = (1 << 8) - 1
MOST_GROUPS = 1 << 8

# The last so many rows show what foretells a column: looking at all takes twice the time.
SAMPLE = 128
# What moves so many times as far as usual says nothing about how two quantities move together.
LEAP = 16
_LIMIT = 1 << 63
# A share is in 32nds, from -16 to 16: hectowatts against centiamperes at 35 kV have some 6.
_SHARE_BITS, _SHARE_SHIFT = 10, 5
_NOTHING, _ROW_BEFORE, _COLUMNS = 0, 1, 2


def pack(rows: "list[Row]", groups: "list[int]") -> bytes:
    """The rows, all of one width, each of the group at its place in `groups`.

    A series is a group with the same columns present (not null). Raises: ValueError beyond the
    limits above, for integers beyond 64 bits, and for more series than MOST_SERIES.
    """
    width = _checked(len(rows), len(rows[0]) if rows else 0)
    series, places = _sorted(rows, groups)
    moves = _moves(_changes(rows, places, len(series)), places)
    columns = [_fitted(moves, column) for column in range(width)]
    out = bits.Writer()
    for number, size in ((width, 6), (len(rows), 12), (len(series), 8)):
        out.write(number, size)
    for group, present in series:
        out.write(group, 8)
        out.write(present, width)
    for code, _ in columns:
        _write_column(out, code)
    before = len(series) - 1
    for at, place in enumerate(places):
        if place == (before + 1) % len(series):
            out.write(0, 1)
        else:
            out.write(1 << 8 | place, 9)
        before = place
        _write_row(out, columns, moves[at], at)
    return out.end()


def unpack(data: bytes) -> "tuple[list[Row], list[int]]":
    """The inverse of `pack`. Raises: ValueError for bytes that are not packed rows."""
    source = bits.Reader(data)
    width, count, number = source.read(6), source.read(12), source.read(8)
    _checked(count, width)
    series = [(source.read(8), source.read(width)) for _ in range(number)]
    columns = [_read_column(source, column) for column in range(width)]
    last: "list[list[int]]" = [[0] * width for _ in series]
    begun: "set[int]" = set()
    rows: "list[Row]" = []
    groups = []
    moved: "Row" = []
    place, now = number - 1, 0
    for _ in range(count):
        before = place
        place = source.read(8) if source.read(1) else (place + 1) % max(1, number)
        if place >= number:
            raise ValueError(f"series {place}; expected one of {number}")
        group, present = series[place]
        known = last[place]
        known[0] = now
        standing = (place in begun, place <= before)
        moved = _read_row(source, columns, standing, present, known, moved)
        now = known[0]
        begun.add(place)
        rows.append([None if change is None else known[c] for c, change in enumerate(moved)])
        groups.append(group)
    source.end()
    return rows, groups


def _checked(count: int, width: int) -> int:
    """The width. Raises: ValueError."""
    if not 0 < width <= WIDEST or not 0 < count <= LONGEST or count * width > MOST_VALUES:
        raise ValueError(
            f"{count} rows of {width} columns; expected 1 to {LONGEST} of 1 to {WIDEST}, "
            f"{MOST_VALUES} values at most"
        )
    return width


def _sorted(rows: "list[Row]", groups: "list[int]") -> "tuple[list[tuple[int, int]], list[int]]":
    """The series (group, present columns as bits), and the place of each row's among them.

    They stand in the order in which the first whole round has them.
    """
    keys = [(group, _present(row)) for row, group in zip(rows, groups)]
    begin = 0
    for at in range(len(rows) - 1, 0, -1):
        if rows[at][0] != rows[at - 1][0]:
            begin = at
    places: "dict[tuple[int, int], int]" = {}
    series: "list[tuple[int, int]]" = []
    for key in keys[begin:] + keys[:begin]:
        if key not in places:
            places[key] = len(series)
            series.append(key)
    if len(series) > MOST_SERIES or not all(0 <= group < MOST_GROUPS for group in groups):
        raise ValueError(f"{len(series)} series; expected at most {MOST_SERIES}")
    return series, [places[key] for key in keys]


def _present(row: "Row") -> int:
    """The columns that are not null, as bits. Raises: ValueError."""
    present = 0
    for value in row:
        present = present << 1 | (value is not None)
        if value is not None and not -_LIMIT <= value < _LIMIT:
            raise ValueError(f"{value}; expected 64 bits")
    return present


def _moves(changes: "list[Row]", places: "list[int]") -> "list[Move]":
    """Each row's changes, whether it is not the first of its series, whether it opens a round,
    and whether the series begin anew with it.
    """
    begun: "set[int]" = set()
    before = MOST_SERIES
    moves = []
    for row, place in zip(changes, places):
        moves.append((row, place in begun, _opens(row), place <= before))
        begun.add(place)
        before = place
    return moves


def _changes(rows: "list[Row]", places: "list[int]", number: int) -> "list[Row]":
    """What each value differs from the one before it in its series; from 0 where it is the first.

    The first column's from the row before.
    """
    last: "list[list[int]]" = [[0] * len(rows[0]) for _ in range(number)]
    changes: "list[Row]" = []
    now = 0
    for row, place in zip(rows, places):
        known = last[place]
        known[0] = now
        changes.append([None if v is None else v - known[c] for c, v in enumerate(row)])
        for c, value in enumerate(row):
            if value is not None:
                known[c] = value
        now = known[0]
    return changes


def _fitted(moves: "list[Move]", column: int) -> "tuple[Code, list[int]]":
    """The code of a column, and what it leaves of each row: the fewest bits for the last rows."""
    ends = [move for move in moves if move[1]][-SAMPLE:] or moves
    best = None
    for source in range(_COLUMNS + column if column else 1):
        share = 0
        if source >= _COLUMNS:
            share = _share(ends, column, source - _COLUMNS)
            if share == 0:
                continue
        cost = sum([bits.length(z) for z in _left(ends, column, source, share)])
        cost += _SHARE_BITS if share else 0
        if best is None or cost < best[0]:
            best = (cost, source, share)
    _, source, share = best or (0, _NOTHING, 0)
    left = _left(moves, column, source, share)
    ks = [_k(_written(moves, left, column, which)) for which in ([False], [True], [False, True])]
    return (source, share) + tuple(ks[:2] if source == _ROW_BEFORE else ks[2:] * 2), left


def _written(
    moves: "list[Move]", left: "list[int]", column: int, openers: "list[bool]"
) -> "list[int]":
    """What is written in a Rice code: of rows that open a round, that do not, or both."""
    return [
        z
        for (row, later, opens, _), z in zip(moves, left)
        if later and opens in openers and row[column] is not None
    ]


def _share(moves: "list[Move]", column: int, other: int) -> int:
    """How much `column` moves with `other`, least squares over all but leaps. [32nds]"""
    both = [(move[0][column], move[0][other]) for move in moves]
    pairs = [(a, b) for a, b in both if a is not None and b is not None]
    typical = sorted([abs(b) for _, b in pairs])[len(pairs) // 2] if pairs else 0
    pairs = [(a, b) for a, b in pairs if abs(b) <= LEAP * typical]
    square = sum([b * b for _, b in pairs])
    if not square:
        return 0
    share = (sum([a * b for a, b in pairs]) << _SHARE_SHIFT) // square
    most = 1 << _SHARE_BITS - 1
    return max(-most, min(most - 1, share))


def _left(moves: "list[Move]", column: int, source: int, share: int) -> "list[int]":
    """Zigzag of each change less what the source foretells; 0 where there is no value."""
    left = []
    before: "Row | None" = None
    for row, _, opens, anew in moves:
        change = row[column]
        if change is None:
            left.append(0)
        else:
            foretold = _foretold(row, None if opens else before, column, source, share)
            left.append(_zigzag(change - (foretold if column else anew)))
        before = row
    return left


def _opens(row: "Row") -> bool:
    """Whether a row is the first of its round, by its changes."""
    return row[0] is not None and row[0] != 0


def _foretold(row: "Row", before: "Row | None", column: int, source: int, share: int) -> int:
    """By how much the column should change now; before: the row before in the same round."""
    if source == _NOTHING:
        return 0
    if source == _ROW_BEFORE:
        return (before[column] or 0) if before else 0
    return (row[source - _COLUMNS] or 0) * share >> _SHARE_SHIFT


def _k(left: "list[int]") -> int:
    """The length of the Rice code's plain part that takes the fewest bits."""
    if not any(left):
        return bits.STILL
    middle = sum([bits.length(z) for z in left]) // len(left)
    tried = range(max(0, middle - 3), min(bits.STILL - 1, middle + 2) + 1)
    return min([(sum([bits.cost(z, k) for z in left]), k) for k in tried])[1]


def _write_column(out: "bits.Writer", code: "Code") -> None:
    source, share, k, k_opens = code
    out.write(source, 6)
    if source >= _COLUMNS:
        out.write(share & (1 << _SHARE_BITS) - 1, _SHARE_BITS)
    out.write(k, 6)
    if source == _ROW_BEFORE:
        out.write(k_opens, 6)


def _write_row(
    out: "bits.Writer", columns: "list[tuple[Code, list[int]]]", move: "Move", at: int
) -> None:
    """What the columns leave of the row at this place."""
    row, later, opens, _ = move
    for (code, left), change in zip(columns, row):
        if change is not None:
            out.value(left[at], code[3 if opens else 2] if later else None)


def _read_column(data: "bits.Reader", column: int) -> "Code":
    source = data.read(6)
    if source >= _COLUMNS + column:
        raise ValueError(f"column {column} from source {source}; expected an earlier one")
    share = data.read(_SHARE_BITS) if source >= _COLUMNS else 0
    if share >> _SHARE_BITS - 1:
        share -= 1 << _SHARE_BITS
    k = data.read(6)
    return source, share, k, data.read(6) if source == _ROW_BEFORE else k


def _read_row(
    data: "bits.Reader",
    columns: "list[Code]",
    standing: "tuple[bool, bool]",
    present: int,
    last: "list[int]",
    before: "Row",
) -> "Row":
    """The changes of the next row of a series, whose last values move on.

    standing: whether it is not the first of its series, and whether the series begin anew with it.
    """
    later, anew = standing
    width = len(columns)
    row: "Row" = [None] * width
    for column in range(width):
        if present >> width - 1 - column & 1:
            source, share, k, k_opens = columns[column]
            opens = not before or _opens(row)
            z = data.value((k_opens if opens else k) if later else None)
            foretold = _foretold(row, None if opens else before, column, source, share)
            change = (foretold if column else anew) + (z >> 1 ^ -(z & 1))
            if not -_LIMIT <= last[column] + change < _LIMIT:
                raise ValueError(f"column {column}: {last[column] + change}; expected 64 bits")
            row[column] = change
            last[column] += change
    return row


def _zigzag(number: int) -> int:
    """0, -1, 1, -2, ... as 0, 1, 2, 3, ..."""
    return number << 1 if number >= 0 else -1 - (number << 1)
