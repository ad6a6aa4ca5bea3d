"""One target under atheris, or its corpus again and again.

    python -m hil.fuzz TARGET --seconds S --seed N [--found DIR]   steer by coverage
    python -m hil.fuzz TARGET --rounds N [--found DIR]             memory over so many rounds

Steering: new inputs go to DIR; a defect ends it with status 77 and the input in DIR. Rounds: prints
by how much the process grew. libFuzzer's own options may follow behind `--`.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hil.fuzz.unit import ROOMS

# What is steered by, for each module of targets: what of the agent takes their bytes, and of the
# libraries in Python. Taking in more would cost its time at every start.
STEERED = {
    "uplink": ["agent.uplink", "agent.store", "agent.listen", "agent.words", "paho"],
    "waves": ["agent.uplink", "agent.waveform", "agent.wave_vectors", "agent.sensors"],
    "stored": ["agent.store", "agent.uplink.marks", "tinydb"],
    "handed": ["agent", "tomllib"],
    "lines": ["agent.sensors", "agent.live", "agent.uplink", "pymodbus.framer", "pymodbus.pdu"],
}
_PAGE = os.sysconf("SC_PAGESIZE")
_WARM_ROUNDS = 3  # caches, lazy imports, allocator


def main(arguments: list[str] | None = None) -> int:
    """Status 0: no defect."""
    asked = _parser().parse_args(arguments)
    folder = asked.found or Path(tempfile.mkdtemp(prefix="ftu-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    if asked.rounds:
        return _grow(asked.target, asked.rounds, folder)
    return _steer(asked, folder)


def _steer(asked: argparse.Namespace, folder: Path) -> int:
    """Never returns: libFuzzer ends the process."""
    import atheris  # type: ignore[import-untyped]

    room = next(room for room, names in ROOMS.items() if asked.target in names)
    steered = STEERED[room.removeprefix("fuzz-")]
    with atheris.instrument_imports(include=steered, enable_loader_override=False):
        from hil.fuzz.oracle import LONGEST_INPUT, check
        from hil.fuzz.targets import CORPUS, TARGETS
    target = TARGETS[asked.target]
    for number, example in enumerate(target.examples()):
        (folder / f"example-{number}").write_bytes(example)

    def one(data: bytes) -> None:
        check(target.entrance, data)

    options: list[Any] = [
        f"-max_total_time={asked.seconds}",
        f"-seed={asked.seed + 1}",  # 0 would draw one
        f"-max_len={LONGEST_INPUT}",
        "-timeout=30",
        "-rss_limit_mb=1500",
        "-print_final_stats=1",
        f"-artifact_prefix={folder}/defect-",
        *asked.options,
        str(folder),
        *([str(CORPUS / asked.target)] if (CORPUS / asked.target).is_dir() else []),
    ]
    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()
    return 0


def _grow(name: str, rounds: int, folder: Path) -> int:
    from hil.fuzz.oracle import check
    from hil.fuzz.targets import TARGETS, kept

    target = TARGETS[name]
    inputs = [*target.examples(), *kept(name)]
    inputs += [path.read_bytes() for path in sorted(folder.glob("*"))]

    def go(count: int) -> int:
        for _ in range(count):
            for data in inputs:
                check(target.entrance, data)
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE

    before = go(_WARM_ROUNDS)
    sys.stdout.write(f"grown {go(rounds) - before} bytes in {rounds * len(inputs)} inputs\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hil.fuzz", description=__doc__)
    parser.add_argument("target", choices=[name for room in ROOMS.values() for name in room])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--found", type=Path)
    parser.add_argument("options", nargs="*")
    return parser


if __name__ == "__main__":
    sys.exit(main())
