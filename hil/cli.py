"""The command `ftu-hil`: words to calls. Each verb imports only what it needs.

Exit status: 0 done, 1 it ran and a scenario failed or the bench broke, 2 wrong use or bad input. An
error is one line on stderr; a traceback is a defect.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from agent.errors import AgentError
from hil.errors import BenchError, RigError

DONE, FOUND, WRONG_USE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; its exit status."""
    try:
        chosen = _parser().parse_args(arguments)
    except SystemExit as ended:  # argparse has said why
        return int(ended.code or 0)
    # What the rig has started ends with it, also when it is told to end as services are.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return int(chosen.verb(chosen))
    except (RigError, AgentError) as error:
        for line in str(error).splitlines():
            _complain(line)
        return WRONG_USE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # `ftu-hil list | head`
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    finally:
        signal.signal(signal.SIGTERM, before)


def _complain(line: str) -> None:
    sys.stderr.write(f"ftu-hil: {line}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ftu-hil",
        description="The rig: breaks an emulated 10 kV network in every known way, plays it into"
        " the device under test, and judges what comes out against the physics' own truth.",
        epilog="Exit status: 0 done, 1 a scenario failed, 2 wrong use or bad input."
        " How to write a scenario and read a verdict: docs/rig.md.",
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for add in (_add_list, _add_run, _add_score, _add_drill, _add_fleet, _add_report):
        add(verbs)
    return parser


if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  argparse has no other name


def _verb(
    verbs: Verbs, name: str, run: Callable[[argparse.Namespace], int], help_text: str, example: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        name,
        help=help_text,
        description=help_text[0].upper() + help_text[1:] + ".",
        epilog=f"Example: ftu-hil {name} {example}".rstrip(),
    )
    parser.set_defaults(verb=run)
    return parser


_ASKED = "names; NAME* takes all that begin so; a path ending in .toml takes a file of your own"


def _add_list(verbs: Verbs) -> None:
    parser = _verb(verbs, "list", _list, "the scenarios of the catalogue", "earth-fault*")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=_ASKED)
    parser.add_argument("--sample", action="store_true", help="only those that `make test` runs")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _list(chosen: argparse.Namespace) -> int:
    from hil.scenarios import language

    for scenario in language.find(chosen.scenarios):
        if chosen.sample and not scenario.sample:
            continue
        if chosen.json:
            told = {
                "name": scenario.name,
                "title": scenario.title,
                "title_zh": scenario.title_zh,
                "rows": scenario.rows,
                "instrument": scenario.instrument,
                "not_yet": scenario.not_yet,
                "sample": scenario.sample,
            }
            print(json.dumps(told, ensure_ascii=False))
        else:
            note = f"  (not yet: {scenario.not_yet})" if scenario.not_yet else ""
            rows = " ".join(scenario.rows)
            print(f"{scenario.name:44}{scenario.instrument:12}{rows:14}{scenario.title}{note}")
    return DONE


def _add_run(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "run",
        _run,
        "run scenarios and say of each what was right and what was not",
        "short-circuit* --report build/rig",
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"all, or {_ASKED}")
    parser.add_argument("--sample", action="store_true", help="only those that `make test` runs")
    _dut(parser)
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="keep everything: page with plots, JUnit file, outcomes, COMTRADE record of each case",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object for each scenario")


def _dut(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dut",
        default="agent",
        metavar="agent|firmware|FILE",
        help="the device under test: the agent here, the firmware, a program that takes the words"
        " of ftu-agent, or a board by its labgrid environment (.yaml)",
    )


def _run(chosen: argparse.Namespace) -> int:
    from hil.scenarios import campaign, language

    scenarios = language.find(chosen.scenarios)
    if chosen.sample:
        scenarios = [scenario for scenario in scenarios if scenario.sample]
    return campaign.run(scenarios, chosen.dut, chosen.report, as_json=chosen.json)


def _add_score(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "score",
        _score,
        "hits, kinds, directions, latencies and false alarms over fresh seeds, with 95 %% bounds",
        "--cases 20 --class earth_fault",
    )
    parser.add_argument(
        "--cases", type=_count, default=5, metavar="N", help="of each class and earthing; default 5"
    )
    parser.add_argument(
        "--first-seed", type=_whole, default=1, metavar="SEED", help="the seeds run on from here"
    )
    parser.add_argument(
        "--class",
        action="append",
        dest="classes",
        metavar="CLASS",
        help="only this; may be given several times",
    )
    parser.add_argument(
        "--wish",
        action="append",
        type=_wish,
        default=[],
        metavar="KEY=VALUE",
        help="of every case, otherwise than drawn: residual=summed, noise_db=40, rate_hz=4000 ...",
    )
    parser.add_argument(
        "--marks", type=Path, metavar="FILE", help="a line of JSON for each terminal, besides"
    )
    _dut(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _wish(word: str) -> tuple[str, object]:
    key, equals, value = word.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{word!r} is no wish; expected KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _score(chosen: argparse.Namespace) -> int:
    score = _room("hil.score")
    status: int = score.run(
        cases=chosen.cases,
        first_seed=chosen.first_seed,
        classes=tuple(chosen.classes or ()),
        wishes=dict(chosen.wish),
        marks=chosen.marks,
        dut=chosen.dut,
        as_json=chosen.json,
    )
    return status


def _add_drill(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "drill",
        _drill,
        "drill a committed case on a running agent, in its lane of exercises, and score it",
        "short-bc --data-dir /var/lib/ftu --broker mqtt://127.0.0.1 --bay head",
    )
    parser.add_argument("case", metavar="CASE", help="a folder of hil/golden, such as short-bc")
    parser.add_argument(
        "--data-dir", required=True, type=Path, metavar="DIR", help="the agent's, of its site file"
    )
    parser.add_argument("--broker", required=True, metavar="URL", help="where it uplinks to")
    parser.add_argument("--bay", required=True, metavar="NAME", help="whose settings judge")
    parser.add_argument(
        "--steps", type=Path, metavar="FILE", help="TOML: [[step]] name, role, due_s, does_s"
    )


def _drill(chosen: argparse.Namespace) -> int:
    from hil import drill
    from hil.plant import golden

    steps = drill.steps(chosen.steps) if chosen.steps else []
    script, recording = drill.of_case(golden.load(chosen.case), chosen.bay, steps)
    return drill.run(chosen.data_dir, chosen.broker, script, recording)


def _add_fleet(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "fleet",
        _fleet,
        "light emulated nodes on a real broker: start storm, steady state, bursts, losses",
        "1000 --seed 7",
    )
    parser.add_argument("nodes", type=_count, metavar="N", help="how many")
    parser.add_argument("--seed", type=_whole, default=1, metavar="SEED", help="default 1")
    parser.add_argument("--broker", metavar="URL", help="one that runs already; else our own")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _fleet(chosen: argparse.Namespace) -> int:
    fleet = _room("hil.fleet")
    status: int = fleet.run(
        chosen.nodes, as_json=chosen.json, seed=chosen.seed, broker=chosen.broker
    )
    return status


def _add_report(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "report",
        _report,
        "the page and the JUnit file anew, from the outcomes that `run --report DIR` kept",
        "build/rig",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `run --report` was given")


def _report(chosen: argparse.Namespace) -> int:
    print(_room("hil.report").again(chosen.folder))
    return DONE


def _room(name: str) -> ModuleType:
    """A part of the rig that this verb stands on. Raises: BenchError when the tree lacks it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("hil"):
            raise BenchError(name, f"{error}", "the environment that `make hil` builds") from error
        raise BenchError(name, "is not in this tree", "a tree with this part of the rig") from error


def _count(text: str) -> int:
    number = _whole(text)
    if number == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number above 0")
    return number


def _whole(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number")
    return int(text)
