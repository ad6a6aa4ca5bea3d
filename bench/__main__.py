"""`make bench`: every figure beside its reference, in one table.

    python -m bench [--quick] [NAME...]

Exit status: 0 every bar is held, 1 some are not, 2 wrong use.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from bench.table import HEAD, Bench, Row, line, missed

# In the order of the table; a bench is a module with a function `rows(quick)`.
BENCHES: tuple[str, ...] = (
    "detection",
    "records",
    "waves",
    "log",
    "evidence",
    "wire",
    "ingest",
    "drain",
    "gateway",
    "footprint",
    "kills",
)


def main(arguments: list[str] | None = None) -> int:
    """Run the benches named, or all, and print their rows as they come."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHES)}")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in BENCHES]
    if unknown:
        parser.error(f"no bench {', '.join(unknown)}; expected one of {', '.join(BENCHES)}")
    print(HEAD, flush=True)
    told: list[Row] = []
    for name in chosen.names or BENCHES:
        bench: Bench = import_module(f"bench.{name}").rows
        for row in bench(chosen.quick):
            told.append(row)
            print(line(row), flush=True)
    late = missed(told)
    print(f"{len(told)} figures, {len(late)} miss their bar")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
