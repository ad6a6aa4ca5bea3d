"""The lines behind the terminals of a case, as an engineer knows them: constants and lengths.

A saved case does not say how its network was varied; the same seed draws it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hil.case import Case
from hil.errors import CaseError
from hil.plant.draft import EARTHINGS, Wish, draft
from hil.plant.network import BUS, NAMES, Network

_TINY_KM = 2e-3  # truths are rounded to a metre


def asked(case: Case, terminal: str) -> bool:
    """Whether a distance is to be told there: the bar counts short circuits between phases. (Lines
    differ from case to case, and a device starts anew for each site file.)
    """
    truth = case.truth
    ahead = truth.terminals[terminal].distance_km is not None
    return truth.what == "short_circuit" and ahead


def behind(case: Case, terminal: str) -> list[Mapping[str, Any]]:
    """The sections behind a terminal as the site file lists them, its own first; empty where the
    case is of no network that can be drawn again.
    """
    network = _network(case)
    if network is None:
        return []
    own = network.at(terminal)
    names = network.behind(own.name)
    told: list[Mapping[str, Any]] = []
    for section in network.sections():
        if section.name not in names:
            continue
        line = section.line
        told.append(
            {
                "name": section.name,
                **({"from": section.source} if section.name != own.name else {}),
                "length_km": round(section.km, 4),
                "r1_ohms_per_km": line.r1_ohm / section.parallel,
                "x1_ohms_per_km": line.x1_ohm / section.parallel,
                "r0_ohms_per_km": line.r0_ohm / section.parallel,
                "x0_ohms_per_km": line.x0_ohm / section.parallel,
            }
        )
    return told


def _network(case: Case) -> Network | None:
    truth = case.truth
    if truth.network not in NAMES or truth.earthing not in EARTHINGS:
        return None
    for quiet in (False, True):
        wish = Wish(network=truth.network, quiet=quiet)
        network = draft(truth.what, truth.earthing, case.seed, wish).scene.network
        if _agrees(case, network):
            return network
    return None


def _agrees(case: Case, network: Network) -> bool:
    """Whether every terminal's distance leads to one and the same place in the faulted section."""
    truth = case.truth
    if truth.section in ("", BUS):
        return True
    try:
        path = network.path(truth.section)
    except CaseError:
        return False
    into = []
    for terminal, seen in truth.terminals.items():
        if seen.distance_km is None:
            continue
        names = [section.name for section in path]
        first = names.index(network.at(terminal).name)
        into.append(seen.distance_km - sum(section.km for section in path[first:-1]))
    return not into or _one_place(into, path[-1].km)


def _one_place(into: Sequence[float], km: float) -> bool:
    low, high = min(into), max(into)
    return low >= -_TINY_KM and high <= km + _TINY_KM and high - low <= _TINY_KM
