"""The bench without a board: real labgrid, a console that is a program, the real agent on it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hil.device.board import Board
from hil.device.contract import Device
from hil.device.firmware import firmware
from hil.device.listener import Listener
from hil.device.site import compose
from hil.errors import BenchError
from hil.faults.broker import Mosquitto
from tests.agent.uplink.broker import run
from tests.hil.fake_bench import LABGRID, environment
from tests.hil.feeders import ENDED, simulated


@pytest.fixture
def labgrid() -> Path:
    if not LABGRID.exists():
        pytest.skip("labgrid is not in build/labgrid; `make test` puts it there")
    return LABGRID.absolute()


@pytest.mark.timeout(180)
def test_a_board_is_powered_logged_into_started_struck_and_stopped(
    tmp_path: Path, labgrid: Path
) -> None:
    async def scenario() -> None:
        with Mosquitto(tmp_path / "broker") as broker:
            site = compose([simulated()], node="ftu-1", broker=broker.url)
            device: Device = Board(environment(tmp_path), tmp_path / "bench", python=labgrid)
            async with Listener(broker.url, tmp_path / "central") as central, device:
                assert device.log is None
                with pytest.raises(BenchError, match=r"did not start; its last words: .*site"):
                    await device.start("nonsense")
                with pytest.raises(BenchError, match="takes no FTU_HIL_CLOCK"):
                    await device.start(site, {"FTU_HIL_CLOCK": "x"})
                await device.start(site)
                await central.until(lambda: central.told("fault"), "a fault of the board", 60)
                with pytest.raises(BenchError, match="runs already"):
                    await device.start(site)

                assert await device.strike("guard")
                await central.until(lambda: central.told("blind"), "its blind time")
                assert await device.strike("all")
                assert not await device.strike("all")
                assert "guard started" in device.said()

                known = len(central.told("fault"))
                await device.start(site)
                await central.until(lambda: len(central.told("fault")) > known, "one more", 60)
                assert await device.stop() in ENDED
                assert device.said().count("guard started") == 3
                assert (tmp_path / "board" / "agent" / "site.toml").read_text() == site
            assert set(central.arrivals().values()) == {1}
        assert not (tmp_path / "board" / "power").exists()  # left without power

    run(scenario(), 170)


def test_a_bench_that_is_not_there_is_one_clear_line(tmp_path: Path, labgrid: Path) -> None:
    async def opened(board: Board) -> None:
        async with board:
            pass

    missing = Board(tmp_path / "none.yaml", tmp_path / "bench", python=labgrid)
    with pytest.raises(BenchError, match=r"none\.yaml: options: .*none\.yaml") as caught:
        run(opened(missing))
    assert "\n" not in str(caught.value)
    with pytest.raises(BenchError, match="expected labgrid's environment"):
        run(opened(Board(tmp_path / "x", tmp_path / "bench", python=tmp_path / "python")))
    with pytest.raises(BenchError, match="the bench is not open"):
        run(Board(tmp_path / "x", tmp_path / "bench", python=labgrid).start(""))


def test_the_example_of_a_bench_is_what_labgrid_can_read(labgrid: Path, tmp_path: Path) -> None:
    program = (
        "from labgrid.config import Config; import sys\n"
        "c = Config(sys.argv[1]); t = c.get_targets()['main']\n"
        "print(sorted(t['drivers']), c.get_target_option('main', 'command'))"
    )
    example = "hil/device/labgrid/environment.yaml"
    done = subprocess.run(
        [str(labgrid), "-c", program, example], capture_output=True, text=True, check=True
    )
    assert done.stdout == "['NetworkPowerDriver', 'SerialDriver', 'ShellDriver'] ftu-agent\n"


def test_firmware_is_not_there_yet_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="comes with part G"):
        firmware(tmp_path)
