"""docs/settings.md: every key of the protection settings, from the one table of them."""

from __future__ import annotations

from agent.detect.settings import KEYS, RULES, Key, Rule
from agent.setting_lint import CHECKS, Check

_PREFACE = """# Protection settings

The thresholds, curves and times of each bay. `ftu-agent settings` shows, checks, changes and takes
back; every version is kept with its author and reason, and a running agent takes a new one within a
second. A setting sheet is TOML with one table a bay; a key that it does not state has its default,
which follows from what the site file says of the bay:

```toml
[feeder-1]
phase_pickup_amps = 900
phase_inverse_curve = "C"
```

```sh
ftu-agent settings export --site FILE --output sheet.toml    # every key; defaults commented out
ftu-agent settings lint sheet.toml --site FILE               # everything wrong with it, at once
ftu-agent settings try sheet.toml --site FILE                # what it changes on stored records
ftu-agent settings shadow sheet.toml --author ops-2 --reason "study 14" --site FILE  # beside them
ftu-agent settings commit sheet.toml --author ops-2 --reason "study 14" --site FILE
ftu-agent settings rollback --author ops-2 --reason "motor start" --site FILE
```

Amperes are primary RMS; a share is of the nominal voltage that its meaning names.

This page is printed from agent/detect/settings.py (`make docs`)."""


def reference() -> str:
    """The whole page."""
    rows = "\n".join(_row(name, key) for name, key in KEYS.items())
    rules = "\n".join(f"- {_rule(rule)}" for rule in RULES)
    checks = "\n".join(_check(check) for check in CHECKS)
    return f"""{_PREFACE}

## Keys

| key | element | takes | default | meaning | why this default |
|---|---|---|---|---|---|
{rows}

## What must hold between them

{rules}

## What `settings lint` says besides

What breaks a range or a rule above is never taken. An `error` below contradicts itself or physics:
a commit refuses it where the sheet states the key. A `warning` needs a reason, which the engineer
may well have. The checks between bays take a bay of the same voltage and a smaller rating for one
that may lie behind, and look only at what a sheet states for both.

| finding | severity | keys | why |
|---|---|---|---|
{checks}
"""


def _row(name: str, key: Key) -> str:
    cells = (f"`{name}`", key.element, key.expected, key.formula, key.meaning, key.reason)
    return f"| {' | '.join(cells)} |"


def _check(check: Check) -> str:
    keys = ", ".join(f"`{key}`" for key in check.keys)
    return f"| {check.name} | {check.severity} | {keys} | {check.reason} |"


def _rule(rule: Rule) -> str:
    where = f" where `{rule.curve}` is {_one_of(rule.among)}" if rule.curve else ""
    return f"`{rule.lower}` below `{rule.upper}`{where}: {rule.reason}."


def _one_of(words: tuple[str, ...]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
