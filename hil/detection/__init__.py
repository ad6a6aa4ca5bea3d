"""docs/detection.md: what detection is worth, printed from marks of cases and from records."""
