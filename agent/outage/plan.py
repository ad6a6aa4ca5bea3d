"""Plans of outages (D2) as a utility hands them over: TOML in, frozen records out.

A plan says what is expected; it is never proof that a line is dead. It holds no person: names,
phones and addresses are refused by their key. A revision never overwrites an earlier one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.errors import SiteError

KINDS = ("planned", "temporary", "rationing")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_PERSONAL = re.compile(
    r"name|phone|mobile|tel|mail|address|contact|person|customer|wechat|姓名|电话|手机|地址|联系",
    re.IGNORECASE,
)
_PHASES = re.compile(r"A?B?C?")
# A window is worked in minutes; a minute early or late is on time.
TOLERANCE_S = 60
_LONGEST_S = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Plan:
    """One revision of one planned outage of one section.

    start_us, end_us: the window; issued_us: when it was made known. [UTC, us]
    phases: expected dead, "A" ... "ABC". tolerance_s: how far off is still on time.
    """

    plan: str
    revision: int
    kind: str
    section: str
    start_us: int
    end_us: int
    phases: str = "ABC"
    issued_us: int | None = None
    cancelled: bool = False
    tolerance_s: int = TOLERANCE_S


def load(paths: Iterable[Path], sections: Iterable[str] | None = None) -> tuple[Plan, ...]:
    """All plans of all files; only the newest revision of each is carried out.

    sections: those that exist here; None: not checked. Raises: SiteError with every finding.
    """
    known = None if sections is None else set(sections)
    plans: dict[tuple[str, int], Plan] = {}
    findings: list[str] = []
    for path in paths:
        for plan in _of_file(path, findings):
            key = plan.plan, plan.revision
            if plans.get(key, plan) != plan:
                findings.append(
                    f"{path}: plan {plan.plan} revision {plan.revision} differs from the one"
                    " known; expected a higher revision"
                )
            elif known is not None and plan.section not in known:
                findings.append(
                    f"{path}: plan {plan.plan}: section = {plan.section!r}: is not of this"
                    f" device; expected one of {', '.join(sorted(known))}"
                )
            plans.setdefault(key, plan)
    if findings:
        raise SiteError("plans", tuple(findings))
    return tuple(plans.values())


def newest(plans: Iterable[Plan]) -> tuple[Plan, ...]:
    """The highest revision of each plan and section."""
    latest: dict[tuple[str, str], Plan] = {}
    for plan in sorted(plans, key=lambda plan: plan.revision):
        latest[plan.plan, plan.section] = plan
    return tuple(latest.values())


def _of_file(path: Path, findings: list[str]) -> list[Plan]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        findings.append(f"{path}: cannot be read ({error.strerror})")
        return []
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or digits by the thousand
        findings.append(f"{path}: is not TOML: {error}")
        return []
    unknown = [key for key in document if key != "plan"]
    findings += [f"{path}: {key}: unknown; expected [[plan]]" for key in unknown]
    tables = document.get("plan", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        findings.append(f"{path}: plan: expected one [[plan]] for each plan")
        return []
    plans = [_Reader(f"{path}: [[plan]] {n}", t, findings) for n, t in enumerate(tables, start=1)]
    return [plan for reader in plans if (plan := reader.plan()) is not None]


class _Reader:
    """One [[plan]] table, key by key."""

    def __init__(self, where: str, table: Mapping[str, Any], findings: list[str]) -> None:
        self._where = where
        self._left = dict(table)
        self._findings = findings
        self._clean = True

    def plan(self) -> Plan | None:
        """The plan, or None when anything about it was found wrong."""
        values = {
            "plan": self._take("id", _is_name, "1 to 32 of A-Z a-z 0-9 _ -"),
            "revision": self._take("revision", _is_count, "a whole number from 1", 1),
            "kind": self._take("kind", KINDS.__contains__, f"one of {', '.join(KINDS)}", "planned"),
            "section": self._take("section", _is_name, "1 to 32 of A-Z a-z 0-9 _ -"),
            "start_us": self._instant("start"),
            "end_us": self._instant("end"),
            "phases": self._take("phases", _is_phases, "A, B, C, AB, BC, AC or ABC", "ABC"),
            "issued_us": self._instant("issued_at", required=False),
            "cancelled": self._take("cancelled", _is_truth, "true or false", default=False),
            "tolerance_s": self._take(
                "tolerance_s", _is_tolerance, "0 to 3600 seconds", TOLERANCE_S
            ),
        }
        for key in self._left:
            if _PERSONAL.search(key):
                self._wrong(key, "a plan on the device holds no person; expected counts and tokens")
            else:
                self._wrong(key, "unknown key")
        if self._clean and not 0 < values["end_us"] - values["start_us"] <= _LONGEST_S * 1_000_000:
            self._wrong("end", "expected after start, and within 30 days of it")
        return Plan(**values) if self._clean else None

    def _take(self, key: str, fits: Any, expected: str, default: Any = None) -> Any:
        value = self._left.pop(key, default)
        try:
            if fits(value):
                return value
        except TypeError:  # a list or table where a plain value belongs
            pass
        self._wrong(key, f"{value!r}; expected {expected}" if value is not None else expected)
        return default

    def _instant(self, key: str, *, required: bool = True) -> int | None:
        value = self._left.pop(key, None)
        if value is None and not required:
            return None
        if not isinstance(value, datetime) or value.utcoffset() is None:
            self._wrong(key, "expected a date and time with its offset: 2026-11-24T08:30:00+08:00")
            return None
        try:
            return round(value.timestamp()) * 1_000_000
        except (OverflowError, ValueError):
            self._wrong(key, f"{value}: expected a time of this century")
            return None

    def _wrong(self, key: str, what: str) -> None:
        self._clean = False
        self._findings.append(f"{self._where} {key}: {what}")


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000


def _is_phases(value: Any) -> bool:
    return isinstance(value, str) and value != "" and _PHASES.fullmatch(value) is not None


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _is_tolerance(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 3600
