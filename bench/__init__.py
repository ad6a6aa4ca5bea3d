"""One file per figure that we claim, each measured beside its reference in the same run."""

import agent  # noqa: F401  says how numpy is to be run, before any bench imports numpy
