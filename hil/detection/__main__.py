"""Print the tables and plots of docs/detection.md anew.

    python -m hil.detection --page docs/detection.md --marks FILE... [--records FOLDER]

The marks are of `ftu-hil score --marks FILE`; the folder holds real records and their INDEX.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hil.detection import page, records
from hil.device.replay import command
from hil.errors import CaseError, RigError


def main(arguments: Sequence[str] | None = None) -> int:
    """0 done, 2 wrong use or bad input."""
    parser = argparse.ArgumentParser(prog="python -m hil.detection", description=__doc__)
    parser.add_argument("--page", type=Path, required=True)
    parser.add_argument("--marks", type=Path, nargs="+", required=True)
    parser.add_argument("--records", type=Path)
    asked = parser.parse_args(arguments)
    try:
        _print(asked)
    except RigError as error:
        sys.stderr.write(f"hil.detection: {error}\n")
        return 2
    return 0


def _print(asked: argparse.Namespace) -> None:
    marks = page.read(asked.marks)
    judged = records.judged(asked.records, command("agent")) if asked.records else None
    try:
        before = asked.page.read_text()
        asked.page.write_text(page.filled(before, page.parts(marks, judged)))
        for name, drawing in page.plots(marks).items():
            (asked.page.parent / name).write_text(drawing)
    except OSError as error:
        raise CaseError(str(error.filename), f"{error.strerror}", "a page to fill") from error


if __name__ == "__main__":
    sys.exit(main())
