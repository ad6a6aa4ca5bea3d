"""One file per figure that we claim, each measured beside its reference in the same run."""
