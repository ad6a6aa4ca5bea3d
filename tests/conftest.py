"""What tests of every room share: the board beside us."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests import portable

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("ours", deadline=None)
hypothesis.settings.load_profile("ours")

Call = tuple[str, str, Sequence[Any]]
Board = Callable[[Sequence[Call]], list[Any]]


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """Makes calls under MicroPython: `board([(module, function, args), ...])` -> answers.

    A call that raised answers `portable.Failure(kind)`; see `portable.run`.
    """
    beside = Path(sys.executable).with_name("micropython")
    micropython = str(beside) if beside.exists() else shutil.which("micropython")
    if micropython is None:
        pytest.skip("the unix port of MicroPython is not installed (no wheel for this processor?)")
    return lambda calls: portable.run(list(calls), micropython, str(tmp_path))
