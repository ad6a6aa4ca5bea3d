"""Promises of the tree as a whole: who imports whom, what is never there, what must agree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import agent

ROOT = Path(__file__).parent.parent
ROOMS = ("sensors", "detect", "store", "outage", "uplink", "console")
FOR_ALL = ("records", "errors", "clock", "site", "site_kinds", "durations", "metrics")
# 20 to 90 MB each at import, or no business of a device.
NEVER = ("scipy", "numba", "pydantic", "textual", "hil", "tests")
# What only a desk has, and the one file that may import it.
DESK_ONLY = {
    "amqtt": "agent/demo.py",
    "rich": "agent/demo.py",
    "matplotlib": "agent/plot.py",
    "psycopg": "agent/ingest_store.py",
}
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def sources(folder: str = "agent") -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[str]:
    """Every imported module by its dotted name, also within functions and for types only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            if base == "agent":
                yield from (f"agent.{alias.name}" for alias in node.names)
            else:
                yield base


def offences(path: str, text: str) -> list[str]:
    """What a file of agent/ imports although its place in the tree forbids it."""
    room = path.split("/")[1] if path.count("/") > 1 else ""
    wrong = []
    for name in imports(ast.parse(text)):
        top, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if top in NEVER or not top or DESK_ONLY.get(top, path) != path:
            wrong.append(name)
        elif top != "agent" or target == "__version__":
            continue
        elif room in ROOMS:
            to_the_left = target in ROOMS and ROOMS.index(target) <= ROOMS.index(room)
            if not to_the_left and target not in FOR_ALL:
                wrong.append(name)
        elif Path(path).stem in FOR_ALL and target in ROOMS:
            wrong.append(name)
    return wrong


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("agent/sensors/x.py", "from agent.store import cbor", ["agent.store"]),
        ("agent/sensors/x.py", "def f():\n import agent.uplink.mqtt", ["agent.uplink.mqtt"]),
        ("agent/detect/x.py", "from agent import guard", ["agent.guard"]),
        ("agent/detect/x.py", "from agent.sensors.contract import Item", []),
        ("agent/store/x.py", "from ..uplink import wire", ["..uplink"]),
        ("agent/uplink/x.py", "from agent import clock, errors", []),
        ("agent/site.py", "from agent.detect import settings", ["agent.detect"]),
        ("agent/app.py", "from agent.detect import settings", []),
        ("agent/link.py", "import scipy.signal", ["scipy.signal"]),
        ("agent/link.py", "from rich.console import Console", ["rich.console"]),
        ("agent/demo.py", "from rich.console import Console", []),
        ("agent/guard.py", "def f():\n import matplotlib.figure", ["matplotlib.figure"]),
        ("agent/plot.py", "def f():\n import matplotlib.figure", []),
    ],
)
def test_the_rule_of_the_rooms_bites(path: str, text: str, expected: list[str]) -> None:
    assert offences(path, text) == expected


@pytest.mark.parametrize("path", sources(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_module_imports_to_its_right(path: Path) -> None:
    assert offences(path.relative_to(ROOT).as_posix(), path.read_text()) == []


@pytest.mark.parametrize("path", sources("hil"), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_rig_never_judges_detection_by_detection_itself(path: Path) -> None:
    judged = ("agent.detect", "agent.replay", "agent.guard", "agent.sensors.simulated")
    found = [name for name in imports(ast.parse(path.read_text())) if name.startswith(judged)]

    assert found == []


# What each process of a device loads: its own rooms, and guard every driver with its library.
LOADS = {
    "guard": (
        "app",
        "guard",
        "in_force",
        "live",
        "past",
        "supply_memory",
        "detect",
        "sensors",
        "store",
    ),
    "link": (
        "app",
        "drill",
        "drill_order",
        "heads",
        "link",
        "live",
        "operations",
        "outage",
        "store",
        "uplink",
    ),
}
LIBRARIES = {"guard": ("pymodbus.client",), "link": ()}


def loaded(role: str) -> set[str]:
    """The packages that the process of this role has in memory when it has loaded everything."""
    modules = [
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for path in sources()
        if path.relative_to(ROOT / "agent").parts[0].removesuffix(".py") in LOADS[role]
        and path.stem != "__init__"
    ]
    program = (
        f"import importlib, sys\nfor name in {[*modules, *LIBRARIES[role]]}:\n"
        " importlib.import_module(name)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize("role", LOADS)
def test_what_a_device_has_no_room_for_is_never_loaded(role: str) -> None:
    found = loaded(role)

    assert "agent" in found
    assert found & {*NEVER, *DESK_ONLY} == set()
    assert ("numpy" in found) == (role == "guard")  # link never pays for it


def test_what_agent_imports_is_declared() -> None:
    servers = PROJECT["project"]["optional-dependencies"]["postgresql"]
    told = [*requirements("run"), *map(Requirement, servers)]
    declared = {canonicalize_name(r.name) for r in told}
    modules = {"paho": "paho-mqtt"}
    outside = {
        name.partition(".")[0]
        for path in sources()
        for name in imports(ast.parse(path.read_text()))
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "agent"}
    }

    assert {modules.get(name, name) for name in outside} <= declared


# --- no switch is ever operated ---

THING = r"(switch|breaker|recloser|sectionali[sz]er|isolator|disconnector|load[ _-]?break)"
OPERATING = re.compile(
    rf"\b(open|close|trip|operate|toggle|reclose)([ _-]the)?[ _-]{THING}\b"
    rf"|\b{THING}[ _-](open|close|trip|operate|toggle|on|off)\b",
    re.IGNORECASE,
)
# What writes to a device over Modbus; reading is all that a terminal may do.
WRITING = re.compile(r"(write|mask_write|readwrite)_(coils?|registers?|multiple_\w+|single_\w+)")


def offered_words(tree: ast.Module) -> Iterator[str]:
    """Names, arguments and texts of a module, without its docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in docstrings:
                yield node.value
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def test_the_search_for_a_switch_command_would_find_one() -> None:
    bad = 'def open_breaker(): client.write_coil(1); say("cmd/close-switch", "trip the recloser")'

    found = [w for w in offered_words(ast.parse(bad)) if OPERATING.search(w) or WRITING.search(w)]

    assert sorted(found) == ["cmd/close-switch", "open_breaker", "trip the recloser", "write_coil"]


@pytest.mark.parametrize("path", sources(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_nothing_offers_to_operate_a_switch(path: Path) -> None:
    words = offered_words(ast.parse(path.read_text()))

    assert [w for w in words if OPERATING.search(w) or WRITING.search(w)] == []


def test_no_command_or_topic_is_one_that_the_contract_does_not_name() -> None:
    from agent.uplink.topics import DOWN, TOPICS

    shown = subprocess.run(
        [sys.executable, "-m", "agent", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    verbs = re.findall(r"^    ([a-z]+)  ", shown, re.MULTILINE)

    assert set(verbs) == {
        "run",
        "demo",
        "check",
        "replay",
        "listen",
        "journal",
        "settings",
        "record",
        "ingest",
    }
    assert {name for name, row in TOPICS.items() if row[0] == DOWN} <= {
        "ack/{consumer}",
        "_host/{consumer}",
        "replay",
        "ask",
        "_ctl/drain",
        "cmd/{op}",
    }


# --- versions, locks, pages ---


def requirements(lock: str) -> list[Requirement]:
    """What pyproject.toml asks for in the environment that `lock` fills."""
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    extras = project["optional-dependencies"]
    asked = {
        "run": project["dependencies"] + extras["demo"] + extras["plot"] + groups["build"],
        "test": project["dependencies"]
        + extras["demo"]
        + extras["plot"]
        + extras["postgresql"]
        + extras["test"],
        "zcbor": groups["zcbor"],
        "labgrid": groups["labgrid"],
        "asyncapi": groups["asyncapi"],
    }[lock]
    return [Requirement(text) for text in asked]


def pins(lock: str) -> dict[str, list[str]]:
    """Versions of each package in a lock file; several where they depend on the interpreter."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / f"locks/{lock}.lock").read_text().splitlines():
        if match := re.match(r"([a-z0-9._-]+)==(\S+)", line):
            found.setdefault(canonicalize_name(match[1]), []).append(match[2])
    return found


@pytest.mark.parametrize("lock", ["run", "test", "zcbor", "labgrid", "asyncapi"])
def test_the_lock_file_covers_every_dependency(lock: str) -> None:
    pinned = pins(lock)

    for requirement in requirements(lock):
        versions = pinned.get(canonicalize_name(requirement.name), [])
        assert versions, f"{requirement} is not in locks/{lock}.lock: make lock"
        assert all(requirement.specifier.contains(version) for version in versions)


@pytest.mark.parametrize("lock", ["run", "test", "zcbor", "labgrid", "asyncapi"])
def test_the_lock_file_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / f"locks/{lock}.lock").read_text()
    entries = re.split(r"^(?=[a-z0-9._-]+==)", text, flags=re.MULTILINE)[1:]

    assert entries
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    assert not re.search(r"https?:|file:|--index|--find-links|--extra", text)


def test_tests_run_what_is_shipped() -> None:
    run, test = pins("run"), pins("test")

    assert {name: test[name] for name in run if name in test} == {
        name: run[name] for name in run if name != "setuptools"
    }


def test_the_version_is_the_head_of_the_changelog() -> None:
    heads = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert heads[:2] == ["Unreleased", PROJECT["project"]["version"]]
    assert agent.__version__ == PROJECT["project"]["version"]


def test_every_dependency_has_its_reason() -> None:
    page = (ROOT / "docs/decisions/0007-dependencies.md").read_text()
    asked = [
        r.name
        for lock in ("run", "test", "zcbor", "labgrid", "asyncapi")
        for r in requirements(lock)
    ]

    assert [name for name in asked if not re.search(rf"\b{re.escape(name)}\b", page)] == []


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs/decisions").glob("*.md")), ids=lambda p: p.stem
)
def test_a_decision_says_date_status_and_outcome_first(page: Path) -> None:
    lines = [line for line in page.read_text().splitlines() if line]

    assert re.fullmatch(rf"# {page.stem[:4]} \S.*", lines[0])
    assert re.match(r"Date: \d{4}-\d{2}-\d{2}\. Status: (accepted|replaced by \d{4})\.", lines[1])
    assert [line for line in lines if line.startswith("## ")] == [
        "## Outcome",
        "## Context",
        "## Options",
    ]


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(page.stem[:4]) for page in (ROOT / "docs/decisions").glob("*.md"))

    assert numbers == list(range(1, len(numbers) + 1))


def test_ci_runs_what_a_developer_runs() -> None:
    run = ROOT / ".ci/run"

    assert run.stat().st_mode & 0o111
    assert run.read_text().rstrip().endswith("exec make test")


@pytest.mark.parametrize(("target", "part"), [("firmware", "G")])
def test_a_target_of_a_later_part_says_so(target: str, part: str) -> None:
    done = subprocess.run(
        ["make", "--silent", target], capture_output=True, text=True, check=False, cwd=ROOT
    )

    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == f"make {target} comes with part {part}"
    assert done.stdout == ""
