"""The databases of the ingester's tests: a file, and a PostgreSQL of the module's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.faults.database import Postgres


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty one."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ingested.db"
    running: Postgres = request.getfixturevalue("postgres")
    return running.emptied()
