"""The first thing a newcomer runs."""

from __future__ import annotations

import re
import subprocess
import sys


def test_the_demo_shows_a_fault_its_way_and_its_acknowledgement_and_ends_well() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent", "demo", "--seconds", "14"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAULT, bay head, BC" in done.stdout
    assert re.search(r"its way: decided [\d.]+ ms after inception, logged \+", done.stdout)
    assert "acknowledged by the consumer" in done.stdout
    assert "PLAN P-001 rev 1, section hebin-1" in done.stdout
    assert re.search(r"duration \+1\.9\d\d to \+2\.0\d\d s", done.stdout)
    received, kept = re.search(r"(\d+) of (\d+) records received", done.stdout).groups()  # type: ignore[union-attr]
    assert received == kept
    assert "log intact" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
