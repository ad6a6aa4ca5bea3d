"""What a relay test set would take, read by an independent reader and by the agent's."""

from __future__ import annotations

from pathlib import Path

import comtrade as reader  # type: ignore[import-untyped]
import numpy as np
import pytest

from agent.sensors import comtrade as agents
from hil.errors import BenchError
from hil.instruments.comtrade_export import Form, Ratio, export
from tests.hil.instruments.waves import ROLES, feeder

CT, VT = Ratio(600, 5), Ratio(10_000, 100)


@pytest.mark.parametrize("revision", [1999, 2013])
@pytest.mark.parametrize("form", ["BINARY", "ASCII"])
@pytest.mark.parametrize("contacts", [0, 1, 17])
def test_every_form_is_read_as_it_was_measured(
    revision: int, form: Form, contacts: int, tmp_path: Path
) -> None:
    states = {f"c{k}": np.arange(400) % (k + 2) == 0 for k in range(contacts)}
    recording = feeder(seconds=0.1, fault_s=None, contacts=states)

    path = export(tmp_path, recording, station="rig", ct=CT, vt=VT, revision=revision, form=form)

    read = reader.load(str(path), str(path.with_suffix(".dat")))
    assert (read.rev_year, read.station_name, read.rec_dev_id) == (str(revision), "rig", "head")
    assert (read.frequency, read.total_samples, read.cfg.ft) == (50.0, 400, form)
    assert read.analog_channel_ids == list(ROLES)
    assert read.status_channel_ids == list(states)
    for k, role in enumerate(ROLES):
        ratio, channel = CT if role[0] == "i" else VT, read.cfg.analog_channels[k]
        assert (channel.primary, channel.secondary, channel.pors) == (
            ratio.primary,
            ratio.secondary,
            "S",
        )
        secondary = recording.values(role) * ratio.secondary / ratio.primary
        np.testing.assert_allclose(read.analog[k], secondary, rtol=1e-6, atol=1e-6)
    for k, trace in enumerate(states.values()):
        assert (np.array(read.status[k], dtype=bool) == trace).all()


@pytest.mark.parametrize(("revision", "form"), [(1999, "ASCII"), (2013, "BINARY")])
def test_the_agent_finds_the_primary_values_again(
    revision: int, form: Form, tmp_path: Path
) -> None:
    recording = feeder(seconds=0.1)
    path = export(tmp_path, recording, station="rig", ct=CT, vt=VT, revision=revision, form=form)

    record = agents.read(path)

    assert (record.counts == recording.counts).all()
    assert [channel.name for channel in record.layout.channels] == list(ROLES)


def test_what_no_test_set_takes_is_one_clear_line(tmp_path: Path) -> None:
    recording = feeder(seconds=0.1)
    with pytest.raises(BenchError, match="revision 1991"):
        export(tmp_path, recording, station="rig", ct=CT, vt=VT, revision=1991)
    with pytest.raises(BenchError, match="rated values above 0"):
        export(tmp_path, recording, station="rig", ct=Ratio(0, 5), vt=VT)
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match=r"file/head\.cfg: "):
        export(tmp_path / "file", recording, station="rig", ct=CT, vt=VT)
