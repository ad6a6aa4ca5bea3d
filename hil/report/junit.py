"""The outcomes as JUnit XML, for whatever watches the builds.

A suite for each scenario, since only a suite has properties in every schema that is in use.
Source: junit-10.xsd of Jenkins' xUnit plug-in, the strictest one.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from hil.verdict import BROKEN, FAILED, NOT_YET, Outcome

FILE = "junit.xml"
_CLASS = "hil.scenarios"
# XML 1.0, clause 2.2: what is no Char cannot be written, not even as a reference.
_NO_CHAR = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(outcomes: Sequence[Outcome], folder: Path) -> Path:
    """junit.xml in `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    path.write_bytes(text(outcomes))
    return path


def text(outcomes: Sequence[Outcome]) -> bytes:
    """The document. Failure: failed; error: the bench broke; skipped: not yet, and why."""
    root = ET.Element("testsuites", {"name": "ftu-hil"} | _counts(outcomes))
    del root.attrib["skipped"]  # only suites may count these
    for outcome in outcomes:
        suite = ET.SubElement(
            root, "testsuite", {"name": _legal(outcome.scenario)} | _counts([outcome])
        )
        properties = ET.SubElement(suite, "properties")
        for name, value in _properties(outcome).items():
            ET.SubElement(properties, "property", name=name, value=_legal(value))
        _testcase(suite, outcome)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _counts(outcomes: Sequence[Outcome]) -> dict[str, str]:
    statuses = [outcome.status for outcome in outcomes]
    return {
        "tests": str(len(statuses)),
        "failures": str(statuses.count(FAILED)),
        "errors": str(statuses.count(BROKEN)),
        "skipped": str(statuses.count(NOT_YET)),
        "time": f"{sum(outcome.seconds for outcome in outcomes):.3f}",
    }


def _properties(outcome: Outcome) -> dict[str, str]:
    rows = {"rows": " ".join(outcome.rows)} if outcome.rows else {}
    return {"title": outcome.title, "seed": str(outcome.seed), "case": outcome.case} | rows


def _testcase(suite: ET.Element, outcome: Outcome) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        name=_legal(outcome.scenario),
        classname=_CLASS,
        time=f"{outcome.seconds:.3f}",
    )
    failed = [check for check in outcome.checks if not check.passed]
    lines = [f"{check.name}: {check.evidence}" for check in failed]
    if outcome.status == FAILED:
        message = lines[0] if lines else outcome.problem or "no check says why"
        _say(case, "failure", message, "\n".join(lines), kind="check")
    elif outcome.status == BROKEN:
        _say(case, "error", outcome.problem or "the bench failed", outcome.problem, kind="bench")
    elif outcome.status == NOT_YET:
        ET.SubElement(case, "skipped", message=_legal(outcome.not_yet or "not yet"))
    ET.SubElement(case, "system-out").text = _legal(_evidence(outcome))


def _say(case: ET.Element, name: str, message: str, body: str, *, kind: str) -> None:
    ET.SubElement(case, name, message=_legal(message), type=kind).text = _legal(body)


def _evidence(outcome: Outcome) -> str:
    return "\n".join(
        f"{'ok' if check.passed else 'FAILED'} {check.name}: {check.evidence}"
        for check in outcome.checks
    )


def _legal(words: str) -> str:
    return _NO_CHAR.sub("\N{REPLACEMENT CHARACTER}", words)
