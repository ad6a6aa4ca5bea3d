"""Hostile input at every entrance: what was found is replayed, and hypothesis goes on from it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import AgentError, RecordError, SiteError
from hil.fuzz import unit
from hil.fuzz.oracle import Defect, check, shown
from hil.fuzz.targets import CORPUS, TARGETS, kept

# Each opens and damages whole folders, or begins a connection, so fewer of them fit into the time.
SLOW = {"log": 5, "mqtt": 15, "exported": 15}
KEPT_BYTES = 300_000


@st.composite
def spoilt(draw: st.DrawFn, examples: list[bytes]) -> bytes:
    """A valid input, of which a part is replaced by another one, or by anything."""
    whole = draw(st.sampled_from(examples))
    begin = draw(st.integers(0, len(whole)))
    end = draw(st.integers(begin, min(len(whole), begin + 64)))
    instead = draw(st.binary(max_size=16) | st.sampled_from(examples).map(lambda each: each[:64]))
    return whole[:begin] + instead + whole[end:]


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_once_stays_in_order(name: str) -> None:
    for data in (*TARGETS[name].examples(), *kept(name)):
        check(TARGETS[name].entrance, data)


@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_escape_as_anything_but_one_clear_error(name: str) -> None:
    target = TARGETS[name]
    inputs = st.binary(max_size=64) | spoilt([*target.examples(), *kept(name)])

    @settings(
        max_examples=SLOW.get(name, 30),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(inputs)
    def fed(data: bytes) -> None:
        check(target.entrance, data)

    fed()


@pytest.mark.parametrize("name", TARGETS)
def test_valid_input_is_taken_so_that_the_target_gets_behind_the_door(name: str) -> None:
    taken = 0
    for example in TARGETS[name].examples():
        try:
            TARGETS[name].entrance(example)
        except AgentError:
            continue
        taken += 1

    assert taken > 0


def _raises(error: Exception) -> Callable[[bytes], None]:
    def entrance(_: bytes) -> None:
        raise error

    return entrance


def test_the_oracle_bites() -> None:
    check(_raises(RecordError("x", "a line")), b"")
    check(_raises(SiteError("x", ("one", "two"))), b"")
    with pytest.raises(KeyError):
        check(_raises(KeyError("x")), b"")
    with pytest.raises(Defect, match="a line of"):
        check(_raises(RecordError("x", "y" * 5000)), b"")
    with pytest.raises(Defect, match="control"):
        shown("\x1b[2J")


@pytest.mark.parametrize(
    "error", [RecordError("x\n", "a\x1b[2J", "b\r"), SiteError("x", ("one\ntwo", "three\x9b"))]
)
def test_no_error_of_ours_breaks_its_line_whatever_it_quotes(error: Exception) -> None:
    lines = error.findings if isinstance(error, SiteError) else (str(error),)

    assert all(line.isprintable() for line in lines)
    assert str(error) == "\n".join(lines)


def test_the_corpus_is_small_and_of_targets_that_exist() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]

    assert {path.parent.name for path in files} <= set(TARGETS)
    assert sum(path.stat().st_size for path in files) < KEPT_BYTES


def test_every_target_is_in_a_room_of_the_soak() -> None:
    assert sorted(name for room in unit.ROOMS.values() for name in room) == sorted(TARGETS)
