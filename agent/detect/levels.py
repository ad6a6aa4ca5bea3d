"""The levels at which some element of a bay would answer differently."""

from __future__ import annotations


class Levels:
    """The levels of one bay's elements, RMS primary."""

    def __init__(self) -> None:
        self.currents: list[float] = []
        self.residual: list[float] = []
        self.stabilised: list[float] = []
        self.voltages: list[float] = []
        self.line: list[float] = []
        self.neutral: list[float] = []
        self.added: list[float] = []
        self.added_residual: list[float] = []
        self.added_neutral: list[float] = []

    def groups(self) -> tuple[list[float], ...]:
        """In the order of crossings.py."""
        phases = self.currents, self.residual, self.stabilised
        changes = self.added, self.added_residual, self.added_neutral
        return *phases, self.voltages, self.line, self.neutral, *changes
