"""What the commands of contract.md section 4 do on this terminal: link's hands, and nothing else.

    restart-link         link ends and the supervisor starts it again; guard goes on
    time-challenge       nothing: the result tells the terminal's clocks, as every result does
    fetch-record record  a waveform record into lane w, as `ask` does
    drill-start drill    the order of that name on the shelf of drills (drill.py) is run
    drill-stop           the drill that runs is broken off
    rotate-certificate   refused as long as a terminal has no certificate of its own
    set-drain ...        a brake for this terminal alone, until link ends: bytes_a_second, jitter_s,
                         holds_old; without a word there is none

No operation moves a switch; the list is closed (uplink/command.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agent import drill
from agent.errors import StoreError
from agent.record_requests import ACCEPTED, RecordRequests
from agent.uplink import wire
from agent.uplink.command import DONE, EXECUTING, FAILED
from agent.uplink.topics import check_name

if TYPE_CHECKING:
    from agent.uplink.command import Arguments
    from agent.uplink.hearing import Brake

# Of each operation: the arguments that it takes, and those that it cannot do without.
_TEXTS = {"fetch-record": ("record",), "drill-start": ("drill",)}
_DRAIN = ("bytes_a_second", "jitter_s", "holds_old")
RESTART = "restart-link"


class Operations:
    """drills: the folder of drills. requests: of waveform records; brake: sets the own one; end:
    ends link, politely and soon.
    """

    def __init__(
        self,
        *,
        drills: Path,
        requests: RecordRequests,
        brake: Callable[[Brake], None],
        end: Callable[[], None],
    ) -> None:
        self._drills = drills
        self._requests = requests
        self._brake = brake
        self._end = end

    def lasts(self, operation: str) -> bool:
        """Whether its end is known only after a restart."""
        return operation == RESTART

    def check(self, operation: str, arguments: Arguments) -> None:
        """Raises: ValueError for arguments that the operation does not take."""
        if operation == "rotate-certificate":
            raise ValueError("the terminal has no certificate of its own yet")
        if operation == "set-drain":
            _brake_of(arguments)
            return
        names = _TEXTS.get(operation, ())
        if tuple(arguments) != names or any(type(each) is not str for each in arguments.values()):
            wanted = " and ".join(names) or "no arguments"
            raise ValueError(f"arguments {', '.join(arguments) or 'none'}; expected {wanted}")
        if operation == "drill-start":
            check_name(str(arguments["drill"]))

    def obey(self, operation: str, arguments: Arguments) -> tuple[str, str]:
        """(DONE or FAILED, detail); EXECUTING where its end comes after a restart."""
        if operation == RESTART:
            self._end()
            return EXECUTING, ""
        if operation == "fetch-record":
            answer, detail = self._requests.answer(str(arguments["record"]))
            told = answer if detail is None else f"{answer}: {detail}"
            return DONE if answer == ACCEPTED else FAILED, told
        if operation == "set-drain":
            self._brake(_brake_of(arguments))
        if operation.startswith("drill"):
            return self._drill(operation, arguments)
        return DONE, ""

    def _drill(self, operation: str, arguments: Arguments) -> tuple[str, str]:
        try:
            if operation == "drill-start":
                name = str(arguments["drill"])
                drill.order(self._drills, name)
                return DONE, f"{name} is ordered"
            drill.stop(self._drills)
        except StoreError as error:
            return FAILED, str(error)
        return DONE, "it is being broken off"


def _brake_of(arguments: Arguments) -> Brake:
    """Raises: ValueError."""
    for name in arguments:
        if name not in _DRAIN:
            raise ValueError(f"argument {name}; expected {', '.join(_DRAIN)}")
    told: dict[int, object] = {0: wire.VERSION}
    for key, name in enumerate(_DRAIN, 1):
        if name in arguments:
            told[key] = arguments[name]
    return wire.open_drain(told)
