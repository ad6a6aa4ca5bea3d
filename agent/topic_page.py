"""docs/asyncapi.yaml: the table of topics as an AsyncAPI 3.0 document, from a node's side.

It says what travels where, which way, with which QoS, retained or not, and for how long; what a
payload looks like stands in ftu.cddl, which it names, because no schema in JSON can say it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from agent.uplink.topics import DOWN, ROOT, SHARED, TOPICS

CDDL = "agent/uplink/ftu.cddl"
# The version of the contract, ftu/1: it grows by keys and columns that readers may ignore.
VERSION = "1"

# Each rule of ftu.cddl that is a payload, in words.
PAYLOADS = {
    "birth": "Who the node is: versions, scales, how far each lane of its log reaches.",
    "state": "Whether it is there, with a connection counter that never falls.",
    "envelope": "Consecutive records of one lane, or one range of its seqs that is lost.",
    "live": "What the bays measure now, for screens; never stored.",
    "ack": "Every seq of each lane up to its mark is committed.",
    "replay": "Send seqs of a lane again, until a deadline.",
    "ask": "A question, answered by a record of lane s.",
    "drain": "The fleet brake: how fast backlogs may leave.",
    "signed-message": "A command, signed for this terminal and operation, with a deadline.",
    "command-result": "What became of a command, stage by stage.",
}
PARAMETERS = {
    "site": "The utility's name for the feeder or the station.",
    "node": "The terminal.",
    "consumer": "Whose acknowledgement or presence it is.",
    "op": "What is to be done, of a closed list without any switch.",
}
NAMES = "1 to 32 of A-Z a-z 0-9 _ -"


def reference() -> str:
    """The file, ready to print."""
    return "\n".join(["# Printed by `make docs` from agent/uplink/topics.py.", *_lines(document())])


def document() -> dict[str, Any]:
    """The document as JSON would hold it."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ftu/1",
            "version": VERSION,
            "description": "A feeder terminal and its central servers over MQTT 5, or 3.1.1 where"
            " a broker knows no other. `send` is what a node sends. Payloads are CBOR in"
            f" deterministic form, described by {CDDL} (RFC 8610).",
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": "application/cbor",
        "channels": {_id(name): _channel(name) for name in TOPICS},
        "operations": {_id(name): _operation(name) for name in TOPICS},
        "components": {"messages": {rule: _message(rule) for rule in PAYLOADS}},
    }


def address(name: str) -> str:
    """The topic with its placeholders, e.g. ftu/1/{site}/{node}/birth."""
    return "/".join([ROOT, "{site}", *([] if name in SHARED else ["{node}"]), name])


def _id(name: str) -> str:
    """A name as keys of the document may be."""
    return re.sub(r"[^A-Za-z0-9]+", "_", re.sub("{.*}", "", name)).strip("_")


def _channel(name: str) -> dict[str, Any]:
    rule = TOPICS[name][5]
    told = re.findall(r"{(\w+)}", address(name))
    return {
        "address": address(name),
        "summary": PAYLOADS[rule],
        "messages": {rule: {"$ref": f"#/components/messages/{rule}"}},
        "parameters": {each: {"description": f"{PARAMETERS[each]} {NAMES}."} for each in told},
    }


def _operation(name: str) -> dict[str, Any]:
    way, who, qos, retain, expiry_s, _ = TOPICS[name]
    binding: dict[str, Any] = {"qos": qos, "retain": retain}
    if expiry_s is not None:
        binding["messageExpiryInterval"] = expiry_s
    return {
        "action": "receive" if way == DOWN else "send",
        "channel": {"$ref": f"#/channels/{_id(name)}"},
        "summary": f"Written by: {who}.",
        "bindings": {"mqtt": {**binding, "bindingVersion": "0.2.0"}},
    }


def _message(rule: str) -> dict[str, Any]:
    return {
        "name": rule,
        "summary": PAYLOADS[rule],
        "contentType": "application/cbor",
        "payload": {
            "schemaFormat": "application/cddl",
            "schema": f"{CDDL}: {rule}",
        },
    }


def _lines(item: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """YAML of maps, texts, numbers and truth: each scalar is JSON, which YAML contains."""
    for key, value in item.items():
        name = key if re.fullmatch(r"[A-Za-z_]\w*", key) else json.dumps(key)
        if isinstance(value, Mapping):
            yield f"{indent}{name}:"
            yield from _lines(value, f"{indent}  ")
        else:
            yield f"{indent}{name}: {json.dumps(value, ensure_ascii=False)}"
    if not indent:
        yield ""
