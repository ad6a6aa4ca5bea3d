"""docs/asyncapi.yaml against the table it is printed from, and against AsyncAPI's own schema."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent import topic_page
from agent.uplink import topics

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs/asyncapi.yaml"
APART = ROOT / "build/asyncapi"
SCHEMA = APART / "package/schemas/3.0.0-without-$id.json"

# In the environment apart: a reading of YAML and a validator that are not ours.
VALIDATE = """
import json, sys, jsonschema, yaml
document = yaml.safe_load(sys.stdin)
schema = json.load(open(sys.argv[1]))
validator = jsonschema.validators.validator_for(schema)(schema)
found = [f"{list(e.path)}: {e.message[:200]}" for e in validator.iter_errors(document)]
json.dump([document, found], sys.stdout)
"""


def validated(text: str) -> tuple[Any, list[str]]:
    if not SCHEMA.exists():
        pytest.skip(
            "AsyncAPI's schema is not in build/asyncapi; `make test` puts it there with npm"
        )
    done = subprocess.run(
        [APART / "bin/python", "-c", VALIDATE, SCHEMA],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    document, found = json.loads(done.stdout)
    return document, found


def test_the_page_is_the_one_that_make_docs_prints() -> None:
    assert PAGE.read_text(encoding="utf-8") == topic_page.reference()


def test_the_page_holds_as_asyncapi_3() -> None:
    document, found = validated(topic_page.reference())

    assert found == []
    assert document == topic_page.document()


@pytest.mark.parametrize(
    ("old", "new"), [('action: "send"', 'action: "shout"'), ("qos: 1", "qos: 7"), ("info:", "in:")]
)
def test_the_schema_can_refuse(old: str, new: str) -> None:
    _, found = validated(topic_page.reference().replace(old, new, 1))

    assert found


@pytest.mark.parametrize("name", topics.TOPICS)
def test_each_topic_is_there_as_the_table_says(name: str) -> None:
    document = topic_page.document()
    (place,) = [key for key, each in document["channels"].items() if named(each) == name]
    channel, operation = document["channels"][place], document["operations"][place]
    way, _, qos, retain, expiry_s, rule = topics.TOPICS[name]

    assert operation["channel"] == {"$ref": f"#/channels/{place}"}
    assert (operation["action"] == "send") == (way == topics.UP)
    binding = operation["bindings"]["mqtt"]
    assert (binding["qos"], binding["retain"]) == (qos, retain)
    assert binding.get("messageExpiryInterval") == expiry_s
    assert list(channel["messages"]) == [rule]
    assert set(channel["parameters"]) == set(re.findall(r"{(\w+)}", channel["address"]))


def named(channel: dict[str, Any]) -> str:
    """The table's name for what a channel's address means, read by the topics' own parser."""
    return topics.parse(re.sub(r"{\w+}", "x", channel["address"]))[0]


def test_every_payload_is_a_rule_of_the_schema() -> None:
    rules = re.findall(r"^([\w-]+) = ", (ROOT / topic_page.CDDL).read_text(), re.MULTILINE)

    assert set(topic_page.PAYLOADS) <= set(rules)
    assert set(topic_page.PAYLOADS) == {row[5] for row in topics.TOPICS.values()}
