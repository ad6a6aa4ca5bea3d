"""What can go wrong on the rig: one line that says where, what, and what was expected.

RigError
├── CaseError        a case, a network or a scenario file cannot be taken
├── PlantError       the solver failed, or the network cannot be built
└── BenchError       an instrument, a fault or the device under test did not do what it was told
"""

from __future__ import annotations


class RigError(Exception):
    """Base of all; `str` of it is the line to show."""

    def __init__(self, where: str, what: str, expected: str = "") -> None:
        self.where, self.what, self.expected = where, what, expected
        super().__init__(f"{where}: {what}" + (f"; expected {expected}" if expected else ""))


class CaseError(RigError):
    """A file of the rig's cannot be taken."""


class PlantError(RigError):
    """The network's physics could not be computed."""


class BenchError(RigError):
    """What stands around the device did not work, so the verdict would be about nothing."""
