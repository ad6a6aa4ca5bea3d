from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.report import junit
from hil.verdict import FAILED, PASSED, Check, Outcome
from tests.hil.report import demo_outcomes


@pytest.fixture
def document(tmp_path: Path) -> ET.Element:
    path = junit.write(demo_outcomes.outcomes(tmp_path / "made"), tmp_path / "report")
    return ET.parse(path).getroot()  # noqa: S314  our own


def case(document: ET.Element, name: str) -> ET.Element:
    found = document.find(f"testsuite/testcase[@name='{name}']")
    assert found is not None
    return found


def test_its_structure_is_that_of_the_common_schema(document: ET.Element) -> None:
    allowed = {
        "testsuites": ({"testsuite"}, {"name", "time", "tests", "failures", "errors"}),
        "testsuite": (
            {"properties", "testcase"},
            {"name", "tests", "failures", "errors", "skipped", "time"},
        ),
        "properties": ({"property"}, set()),
        "property": (set(), {"name", "value"}),
        "testcase": (
            {"failure", "error", "skipped", "system-out"},
            {"name", "classname", "time"},
        ),
        "failure": (set(), {"message", "type"}),
        "error": (set(), {"message", "type"}),
        "skipped": (set(), {"message"}),
        "system-out": (set(), set()),
    }
    assert document.tag == "testsuites"
    for element in document.iter():
        children, attributes = allowed[element.tag]
        assert {child.tag for child in element} <= children
        assert set(element.attrib) == attributes


def test_the_counts_are_those_of_what_it_lists(document: ET.Element) -> None:
    for counted in (document, *document.iter("testsuite")):
        for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            assert int(counted.attrib[attribute]) == len(list(counted.iter(tag)))
    assert (document.attrib["tests"], document.attrib["failures"]) == ("14", "2")


def test_a_failure_says_the_first_check_and_lists_all_that_failed(document: ET.Element) -> None:
    failure = case(document, "short-circuit-ab-far").find("failure")

    assert failure is not None
    assert failure.attrib["message"].startswith("F1-head tells the fault in time: asked for fault")
    assert (failure.text or "").splitlines()[1].startswith("F2-head stays quiet: fault AB forward")


def test_a_broken_bench_is_an_error_and_what_is_not_yet_is_skipped_with_its_reason(
    document: ET.Element,
) -> None:
    error = case(document, "rtu-serial-line").find("error")
    skipped = case(document, "planned-outage-on-time").find("skipped")

    assert error is not None
    assert error.attrib["message"].startswith("pty bridge: the slave did not answer within 5 s")
    assert skipped is not None
    assert skipped.attrib["message"] == "part E: plans"


def test_seed_case_and_evidence_are_there(document: ET.Element) -> None:
    suite = document.find("testsuite[@name='short-circuit-00']")
    assert suite is not None

    properties = {p.attrib["name"]: p.attrib["value"] for p in suite.iter("property")}

    assert properties["seed"] == "41"
    assert properties["case"] == "short_circuit-AB-isolated"
    assert properties["title"].endswith("两相短路")
    out = suite.findtext("testcase/system-out") or ""
    assert out.splitlines()[1] == "ok F2-head stays quiet: no event with alarm = true"


@given(st.text())
def test_any_text_gives_a_document_that_can_be_read(text: str) -> None:
    one = Outcome(text, text, (text,), FAILED, (Check(text, False, text),), 0.1, case=text)

    root = ET.fromstring(junit.text([one]))  # noqa: S314  our own

    out = root.findtext("testsuite/testcase/system-out") or ""
    assert out.startswith("FAILED ")


def test_control_characters_are_no_part_of_it() -> None:
    one = Outcome("a\x00\x1b", "", (), PASSED, (), 0.1)

    root = ET.fromstring(junit.text([one]))  # noqa: S314  our own

    assert root[0].attrib["name"] == "a��"
