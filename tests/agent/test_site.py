"""The site file: what is taken, what is refused, and that both are told in whole."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import site_keys
from agent.errors import SiteError
from agent.site import (
    Bay,
    Device,
    Outage,
    Purpose,
    SensorConfig,
    Site,
    SiteFile,
    Store,
    Uplink,
    load,
    load_text,
)
from agent.site_keys import TABLES, read_keys, reference
from agent.site_kinds import Later, Place

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))

SITE = '[site]\nutility = "China Southern"\nfeeder = "10 kV 东风线"\nname = "dongfeng"\n'
DEVICE = '[device]\nid = "ftu-7"\nmodel = "rpi4"\ndata_dir = "data"\n'
SENSOR = '[[sensor]]\nname = "s1"\ndriver = "comtrade"\n'
BAY = """[[bay]]
name = "b1"
section = "S1"
nominal_volts = 10000
frequency_hz = 50
earthing = "isolated"
rating_amps = 400
"""
WHOLE = SITE + DEVICE + SENSOR + BAY


def findings(text: str, purpose: Purpose = "run", folder: Path | None = None) -> list[str]:
    """What is told about a file, without its name."""
    with pytest.raises(SiteError) as caught:
        load_text(text, "f.toml", purpose, folder)
    assert str(caught.value).splitlines() == list(caught.value.findings)
    assert all(line.startswith("f.toml: ") for line in caught.value.findings)
    return [line.removeprefix("f.toml: ") for line in caught.value.findings]


def bay(key: str, value: str) -> str:
    """A whole file with one value of its bay changed."""
    lines = [line for line in BAY.splitlines() if not line.startswith(f"{key} ")]
    return SITE + DEVICE + SENSOR + "\n".join([*lines, f"{key} = {value}"])


def test_a_whole_file_becomes_records(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "plan.toml").touch()
    path = tmp_path / "site.toml"
    path.write_text(
        SITE
        + 'locale = "zh_CN"\ntime_zone = "Europe/Berlin"\n'
        + DEVICE
        + SENSOR
        + 'speed = "fast"\n'
        + BAY
        + 'ct_ratio = "600/5"\nvt_ratio = 100\n'
        + 'channels = { ia = "s1.IA", ub = "s1.U.B" }\n'
        + "line = { r1_ohms_per_km = 0.27, x1_ohms_per_km = 0.36, length_km = 8 }\n"
        + '[uplink]\nbroker = "mqtts://broker.example:8884"\nprotocol = 5\n'
        + 'consumers = ["scada", "oms"]\n'
        + 'ack = "puback"\nusername = "ftu-7"\npassword_file = "password"\n'
        + "[store]\nquota_mb = { h = 12.5 }\nfree_floor_mb = 0\n"
        + '[outage]\nplans = ["plan.toml"]\n'
    )

    read = load(path)

    assert read == SiteFile(
        site=Site("China Southern", "10 kV 东风线", "dongfeng", "zh_CN", "Europe/Berlin"),
        device=Device("ftu-7", "rpi4", tmp_path / "data"),
        sensors=(SensorConfig("s1", "comtrade", {"speed": "fast", "loop": False}),),
        bays=(
            Bay(
                name="b1",
                section="S1",
                nominal_volts=10000.0,
                frequency_hz=50,
                earthing="isolated",
                rating_amps=400.0,
                ct_ratio=120.0,
                vt_ratio=100.0,
                channels={"ia": "s1.IA", "ub": "s1.U.B"},
                line={"r1_ohms_per_km": 0.27, "x1_ohms_per_km": 0.36, "length_km": 8.0},
            ),
        ),
        uplink=Uplink(
            broker="mqtts://broker.example:8884",
            protocol="5",
            consumers=("scada", "oms"),
            ack="puback",
            username="ftu-7",
            password_file=tmp_path / "password",
        ),
        store=Store({"a": 64.0, "h": 12.5, "w": 256.0, "s": 24.0, "x": 8.0}, 0.0),
        outage=Outage((tmp_path / "plan.toml",)),
        digest=read.digest,
    )


def test_the_shortest_files_have_defaults_for_the_rest() -> None:
    run = load_text(WHOLE, "f.toml")
    replay = load_text(BAY.replace('section = "S1"\n', ""), "f.toml", "replay")

    assert (run.uplink, run.outage) == (Uplink(), Outage())
    assert (run.bays[0].ct_ratio, run.bays[0].channels, run.bays[0].line) == (1.0, {}, {})
    assert (run.site.locale, run.site.time_zone) == ("en", "Asia/Shanghai")
    assert (replay.sensors, replay.bays[0].section) == ((), "b1")


@pytest.mark.parametrize(
    ("purpose", "text", "expected"),
    [
        ("replay", "", ["[[bay]]: missing; expected at least one for `replay`"]),
        (
            "run",
            BAY,
            [
                "[site]: missing; expected one for `run`",
                "[device]: missing; expected one for `run`",
                "[[sensor]]: missing; expected at least one for `run`",
            ],
        ),
        ("check", DEVICE + SENSOR + BAY, ["[site]: missing; expected one for `run`"]),
    ],
)
def test_what_must_be_there_depends_on_the_purpose(
    purpose: Purpose, text: str, expected: list[str]
) -> None:
    assert findings(text, purpose) == expected


@pytest.mark.parametrize("text", [BAY, SENSOR + BAY])
def test_check_takes_a_file_without_site_and_device_as_one_for_replay(text: str) -> None:
    assert load_text(text, "f.toml", "check") == load_text(text, "f.toml", "replay")


def test_a_table_that_replay_does_not_need_must_still_be_right() -> None:
    assert findings("[site]\nname = 5\n" + BAY, "replay") == [
        "[site] name = 5: not a name that topics can carry;"
        " expected 1 to 32 of the characters A-Z a-z 0-9 _ -"
    ]


NUMBERS = [
    ("rating_amps", "0.1", 0.1),
    ("rating_amps", "10000", 10_000.0),
    ("nominal_volts", "50", 50.0),
    ("nominal_volts", "330e3", 330_000.0),
    ("frequency_hz", "60", 60),
    ("frequency_hz", "50.0", 50),
    ("ct_ratio", "0.5", 0.5),
    ("ct_ratio", '" 400 / 1 "', 400.0),
    ("vt_ratio", '"10000/100"', 100.0),
    ("vt_ratio", '"110.5/0.1"', 1105.0),
]


@pytest.mark.parametrize(("key", "value", "expected"), NUMBERS)
def test_numbers_within_their_range_are_taken(key: str, value: str, expected: float) -> None:
    read = getattr(load_text(bay(key, value), "f.toml").bays[0], key)

    assert read == expected
    assert type(read) is type(expected)


VOLTS = "expected a number from 50 to 1000000 V"
RATIO = 'expected a number from 0.001 to 1000000, or a text like "600/5"'
REFUSED = [
    ("nominal_volts", "49.9", "= 49.9: out of range; " + VOLTS),
    ("nominal_volts", "1000001", "= 1000001: out of range; " + VOLTS),
    ("nominal_volts", "nan", "= nan: out of range; " + VOLTS),
    ("nominal_volts", "-inf", "= -inf: out of range; " + VOLTS),
    ("nominal_volts", "1e400", "= inf: out of range; " + VOLTS),
    ("nominal_volts", "true", "= true: not a number; " + VOLTS),
    ("nominal_volts", '"10 kV"', "= '10 kV': not a number; " + VOLTS),
    ("nominal_volts", "2026-11-24", "= 2026-11-24: not a number; " + VOLTS),
    ("nominal_volts", "{ a = 1 }", "= a table of 1: not a number; " + VOLTS),
    ("nominal_volts", "0x" + "f" * 5000, "= a number of 20000 bits: out of range; " + VOLTS),
    ("frequency_hz", "55", "= 55: unknown; expected one of 50, 60"),
    ("frequency_hz", "true", "= true: unknown; expected one of 50, 60"),
    ("frequency_hz", '"50"', "= '50': unknown, did you mean 50?; expected one of 50, 60"),
    (
        "earthing",
        '"Resonant"',
        "= 'Resonant': unknown, did you mean resonant?;"
        " expected one of isolated, resonant, low_resistance, solid",
    ),
    ("ct_ratio", "0", "= 0: out of range; " + RATIO),
    ("ct_ratio", "-1", "= -1: out of range; " + RATIO),
    ("ct_ratio", "nan", "= nan: out of range; " + RATIO),
    ("ct_ratio", "true", "= true: not a ratio; " + RATIO),
    ("ct_ratio", '"600/0"', "= '600/0': out of range; " + RATIO),
    ("ct_ratio", '"600:5"', "= '600:5': not a ratio; " + RATIO),
    ("vt_ratio", '"٦٠٠/5"', "= '٦٠٠/5': not a ratio; " + RATIO),
    ("channels", "5", "= 5: not a table; expected { ia, ib, ic, i0, ua, ub, uc, u0, u_load_a,"
     " u_load_b, u_load_c, switch }"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "expected"), REFUSED)
def test_a_value_that_is_not_one_is_refused_with_its_range(
    key: str, value: str, expected: str
) -> None:
    assert findings(bay(key, value)) == [f"[[bay]] 1 (b1) {key} {expected}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            WHOLE + '[uplnk]\nbroker = "mqtt://b"\n',
            "uplnk: unknown table, did you mean uplink?; expected one of"
            " [site] [device] [[sensor]] [[bay]] [uplink] [store] [console] [outage]",
            id="unknown-table",
        ),
        pytest.param(
            WHOLE + '[uplink]\nbrokr = "mqtt://b"\n',
            "[uplink] brokr = 'mqtt://b': unknown key, did you mean broker?; expected one of"
            " broker, protocol, consumers, ack, waveforms, username, password_file, ca, trusted,"
            " live_ms, certificate, key",
            id="unknown-key",
        ),
        pytest.param(
            WHOLE + '["up\\nlink"]\n',
            "'up\\nlink': unknown table, did you mean uplink?; expected one of"
            " [site] [device] [[sensor]] [[bay]] [uplink] [store] [console] [outage]",
            id="a-key-with-a-line-end-stays-on-its-line",
        ),
        pytest.param(
            SITE + DEVICE + SENSOR + BAY.replace("[[bay]]", "[bay]"),
            "bay = a table of 6: not a list of tables; expected [[bay]]",
            id="one-table-instead-of-several",
        ),
        pytest.param(
            WHOLE.replace("[site]", "[[site]]"),
            "site = a list of 1: not a table; expected [site]",
            id="several-tables-instead-of-one",
        ),
        pytest.param(
            WHOLE.replace("rating_amps = 400", ""),
            "[[bay]] 1 (b1) rating_amps: missing; expected a number from 0.1 to 10000 A",
            id="missing-key",
        ),
        pytest.param(
            WHOLE + BAY,
            "[[bay]] 2 (b1) name = 'b1': stands twice; expected each name once",
            id="two-bays-of-one-name",
        ),
        pytest.param(
            WHOLE.replace("comtrade", "iio"),
            "[[sensor]] 1 (s1) driver = 'iio': comes with a later part; expected one of "
            + ", ".join(site_keys.DRIVERS),
            id="driver-of-a-later-part",
        ),
        pytest.param(
            WHOLE.replace('"comtrade"\n', '"comtrad"\nfoo = "whatever"\n'),
            "[[sensor]] 1 (s1) driver = 'comtrad': unknown, did you mean comtrade?;"
            " expected one of " + ", ".join(site_keys.DRIVERS),
            id="keys-of-an-unknown-driver-are-not-judged",
        ),
        pytest.param(
            WHOLE + "[store]\nquota_mb = { z = 1 }\n",
            "[store] quota_mb.z = 1: unknown key; expected one of a, h, w, s, x",
            id="quota-of-a-lane-that-is-none",
        ),
        pytest.param(
            WHOLE + "[store]\nquota_mb = { a = 0.2 }\n",
            "[store] quota_mb.a = 0.2: out of range; expected a number from 1 to 1000000 MB",
            id="quota-of-less-than-a-few-segments",
        ),
        pytest.param(
            WHOLE.replace("ftu-7", "_ctl"),
            "[device] id = '_ctl': not a name that topics can carry;"
            " expected 1 to 32 of the characters A-Z a-z 0-9 _ -, but not _host or _ctl",
            id="reserved-name",
        ),
        pytest.param(
            WHOLE.replace("dongfeng", "东风"),
            "[site] name = '东风': not a name that topics can carry;"
            " expected 1 to 32 of the characters A-Z a-z 0-9 _ -",
            id="name-that-topics-cannot-carry",
        ),
        pytest.param(
            SITE + 'time_zone = "America"\n' + DEVICE + SENSOR + BAY,
            "[site] time_zone = 'America': no such time zone;"
            " expected a name of the IANA time zone database, like Asia/Shanghai",
            id="folder-of-the-time-zones",
        ),
        pytest.param(
            SITE + DEVICE + SENSOR + 'path = "no.cfg"\n' + BAY,
            "[[sensor]] 1 (s1) path = 'no.cfg': does not exist; expected an existing file",
            id="record-that-is-not-there",
        ),
        pytest.param(
            WHOLE + '[outage]\nplans = ["no.toml"]\n',
            "[outage] plans.1 = 'no.toml': does not exist; expected an existing file",
            id="plan-that-is-not-there",
        ),
        pytest.param(
            WHOLE + "[console]\nssh = true\n",
            "[console] ssh = true: comes with a later part; expected the key to be left out",
            id="setting-that-nothing-obeys-yet",
        ),
    ],
)
def test_a_finding_says_where_what_and_what_was_expected(text: str, expected: str) -> None:
    assert findings(text) == [expected]


S2 = '[[sensor]]\nname = "s2"\ndriver = "comtrade"\n'
TWO = SITE + DEVICE + SENSOR + S2
B2 = BAY.replace("b1", "b2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            WHOLE + 'channels = { ia = "s3.IA" }\n',
            [
                "[[bay]] 1 (b1) channels.ia = 's3.IA': no such sensor;"
                ' expected "s1.CHANNEL"',
                "[[sensor]] 1 (s1) name = 's1': feeds no bay;"
                " expected a bay whose channels name it",
            ],
            id="unknown-sensor",
        ),
        pytest.param(
            WHOLE + 'channels = { ia = "s1.", ib = "s1" }\n',
            [
                "[[bay]] 1 (b1) channels.ia = 's1.': names no channel of a sensor;"
                ' expected "s1.CHANNEL"',
                "[[bay]] 1 (b1) channels.ib = 's1': names no channel of a sensor;"
                ' expected "s1.CHANNEL"',
            ],
            id="no-channel-of-the-sensor",
        ),
        pytest.param(
            WHOLE + 'channels = { ia = "s1.IA", ib = "s1.IA" }\n',
            [
                "[[bay]] 1 (b1) channels.ib = 's1.IA': serves ia already;"
                " expected a channel of its own"
            ],
            id="one-channel-for-two-roles",
        ),
        pytest.param(
            TWO + BAY + 'channels = { ia = "s1.IA", ua = "s2.UA" }\n',
            [
                "[[bay]] 1 (b1) channels = a table of 2: sampled by s1 and s2;"
                " expected one sensor for a bay"
            ],
            id="two-sensors-sample-one-bay",
        ),
        pytest.param(
            TWO + BAY,
            ["[[bay]] 1 (b1) channels: missing; expected the bay's channels,"
             " since there are 2 sensors"],
            id="nobody-can-say-which-sensor",
        ),
        pytest.param(
            TWO + BAY + 'channels = { ia = "s1.IA" }\n',
            ["[[sensor]] 2 (s2) name = 's2': feeds no bay; expected a bay whose channels name it"],
            id="sensor-that-feeds-no-bay",
        ),
        pytest.param(
            WHOLE + B2.replace("= 50", "= 60"),
            ["[[bay]] 2 (b2) frequency_hz = 60: another bay of sensor s1 has 50;"
             " expected one frequency for a sensor"],
            id="two-frequencies-at-one-sensor",
        ),
    ],
)  # fmt: skip
def test_wiring_that_cannot_be_is_refused(text: str, expected: list[str]) -> None:
    assert findings(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            TWO + BAY + 'channels = { ia = "s1.IA", switch = "s2.52A" }\n',
            id="the-switch-may-have-a-sensor-of-its-own",
        ),
        pytest.param(
            TWO
            + BAY
            + 'channels = { ia = "s1.IA" }\n'
            + B2.replace("= 50", "= 60")
            + 'channels = { ia = "s2.IA" }\n',
            id="two-networks-at-two-sensors",
        ),
        pytest.param(
            WHOLE
            + 'channels = { ia = "s1.I1", ua = "s1.UA" }\n'
            + B2
            + 'channels = { ia = "s1.I2", ua = "s1.UA" }\n',
            id="two-bays-share-the-busbar-voltage",
        ),
    ],
)
def test_wiring_that_can_be_is_taken(text: str) -> None:
    assert load_text(text, "f.toml").bays[0].channels


def test_a_file_without_sensors_may_name_channels_plainly() -> None:
    read = load_text(BAY + 'channels = { ia = "IL1", ub = "U.B" }\n', "f.toml", "replay")

    assert read.bays[0].channels == {"ia": "IL1", "ub": "U.B"}


BROKER = "not a broker; expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT], port 1 to 65535"


@pytest.mark.parametrize(
    "url",
    [
        "mqtt://127.0.0.1",
        "mqtt://[::1]:1883",
        "mqtts://broker.example:65535",
        "mqtt://mosquitto_1/",
    ],
)
def test_a_broker_is_a_scheme_a_host_and_perhaps_a_port(url: str) -> None:
    assert load_text(f'{WHOLE}[uplink]\nbroker = "{url}"\n', "f.toml").uplink.broker == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "broker",
        "http://broker",
        "mqtt://",
        "mqtt://:1883",
        "mqtt://b:0",
        "mqtt://b:65536",
        "mqtt://b:x",
        "mqtt://b/path",
        "mqtt://b?x=1",
        "mqtt://a b",
        "mqtt://[::1",
        "MQTT://b",
        "mqtt://b\\n",
    ],
)
def test_anything_else_is_no_broker(url: str) -> None:
    (found,) = findings(f'{WHOLE}[uplink]\nbroker = "{url}"\n')

    assert found.startswith("[uplink] broker = ")
    assert found.endswith(": " + BROKER)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    (found,) = findings(f'{WHOLE}[uplink]\nbroker = "mqtt://ftu:topsecret@b"\n')

    assert "topsecret" not in found
    assert "user and password do not belong here" in found


@pytest.mark.parametrize(
    ("uplink", "expected"),
    [
        (
            'password_file = "f"',
            "[uplink] username: missing; expected the user of password_file",
        ),
        (
            'broker = "mqtt://b"\nca = "f"',
            "[uplink] broker = 'mqtt://b': is not TLS; expected mqtts://, since ca is given",
        ),
        (
            'broker = "mqtts://b"\nca = "g"',
            "[uplink] ca = 'g': does not exist; expected an existing file",
        ),
        (
            "consumers = []",
            "[uplink] consumers = []: not such a list; expected a list of 1 to 16,"
            " each 1 to 32 of the characters A-Z a-z 0-9 _ -",
        ),
        (
            'consumers = ["a", "b", "a"]',
            "[uplink] consumers = 'a': stands twice; expected each value once",
        ),
        (
            'consumers = ["a", "b/c"]',
            "[uplink] consumers.2 = 'b/c': not a name that topics can carry;"
            " expected 1 to 32 of the characters A-Z a-z 0-9 _ -",
        ),
        ("protocol = 3", "[uplink] protocol = 3: unknown; expected one of auto, 5, 311"),
    ],
)
def test_an_identity_that_would_not_be_used_is_refused(
    uplink: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "f").touch()

    assert findings(f"{WHOLE}[uplink]\n{uplink}\n", folder=tmp_path) == [expected]


@pytest.mark.parametrize("protocol", ['"auto"', "5", "311", '"5"', '"311"'])
def test_the_protocol_may_be_a_number_or_a_text(protocol: str) -> None:
    read = load_text(f"{WHOLE}[uplink]\nprotocol = {protocol}\n", "f.toml")

    assert read.uplink.protocol == protocol.strip('"')


def test_files_need_not_exist_where_the_recording_is_replayed() -> None:
    read = load_text(SENSOR + 'path = "no.cfg"\n' + BAY, "f.toml", "replay", Path("/there"))

    assert read.sensors[0].options["path"] == Path("/there/no.cfg")


def test_everything_that_is_wrong_is_told_at_once() -> None:
    text = bay("rating_amps", "-1").replace('"dongfeng"', "7").replace("ftu-7", "f/7")

    assert [line.partition(" = ")[0] for line in findings(text)] == [
        "[site] name",
        "[device] id",
        "[[bay]] 1 (b1) rating_amps",
    ]


# --- files that are not even TOML ---


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[site\n", "(at line 1, column 6)"),
        (b"a = 1\nb = \n", "(at line 2, column 5)"),
        (b"a = 1\na = 2\n", "(at line 2, column 6)"),
        (b"a = 1\nb = '\xff'\n", "line 2: not UTF-8; expected TOML"),
        (b"a = " + b"9" * 5000, "not TOML: "),
        (b"a = " + b"[" * 5000, "not TOML: nested too deeply"),
        (b"a" * 5000, "at end of document"),
        (b"#" * 300_000, "too long; expected at most 262144 bytes"),
    ],
)
def test_a_file_that_is_not_toml_is_one_finding(
    content: bytes, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(content)

    with pytest.raises(SiteError) as caught:
        load(path)

    (line,) = caught.value.findings
    assert line.startswith(f"{path}: ")
    assert expected in line
    assert len(line) < len(str(path)) + 220


@pytest.mark.parametrize("name", ["missing.toml", ".", "a\0b", "x" * 300])
def test_a_path_that_is_no_file_is_one_finding(name: str, tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="cannot be read"):
        load(tmp_path / name)


def test_the_mark_that_windows_editors_write_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(b"\xef\xbb\xbf" + BAY.encode())

    assert load(path, "replay").bays[0].name == "b1"


# --- properties ---


def taken_or_told(text: str) -> None:
    """A file is taken, or every finding is one line that says where."""
    for purpose in ("run", "replay", "check"):
        try:
            load_text(text, "f.toml", purpose)
        except SiteError as error:
            assert error.findings
            for line in error.findings:
                assert line.startswith("f.toml: ")
                assert line.isprintable()
                assert len(line) < 600


@given(st.text(st.characters(), max_size=200))
def test_any_text_is_taken_or_told(text: str) -> None:
    taken_or_told(text)
    taken_or_told(f"{WHOLE}[uplink]\n{text}\n")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_taken_or_told(tmp_path: Path, content: bytes, whole: bool) -> None:
    path = tmp_path / "any.toml"
    path.write_bytes((WHOLE.encode() if whole else b"") + content)

    try:
        load(path)
    except SiteError as error:
        assert error.findings


TEXTS = st.text(max_size=40) | st.sampled_from(["s1.IA", "comtrade", "a", "600/5", "mqtt://b", "."])
SCALARS = (
    TEXTS
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.booleans()
    | st.datetimes()
    | st.dates()
    | st.times()
)
KEYS = st.sampled_from(
    sorted({key.name for table in TABLES for key in table.keys} | {*site_keys.ROLES})
) | st.text(max_size=10)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=6,
)
TABLE_NAMES = st.sampled_from([table.name for table in TABLES]) | st.text(max_size=6)
DOCUMENTS = st.dictionaries(
    TABLE_NAMES,
    st.dictionaries(KEYS, VALUES, max_size=6)
    | st.lists(st.dictionaries(KEYS, VALUES, max_size=6), max_size=3)
    | VALUES,
    max_size=6,
)


def toml(value: Any) -> str:
    """A value as TOML has it; everything in one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" for c in value) + '"'
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return value.isoformat() if hasattr(value, "isoformat") else repr(value)


@settings(max_examples=300)
@given(DOCUMENTS)
def test_any_document_is_taken_or_told(document: dict[str, Any]) -> None:
    taken_or_told("\n".join(f"{toml(name)} = {toml(value)}" for name, value in document.items()))


@given(st.sampled_from(WHOLE.splitlines()), VALUES)
def test_a_whole_file_with_any_one_value_is_taken_or_told(line: str, value: Any) -> None:
    key, equals, _ = line.partition(" = ")

    taken_or_told(WHOLE.replace(line, f"{key} = {toml(value)}" if equals else ""))


def test_the_digest_is_of_the_content_alone() -> None:
    plain = load_text(WHOLE, "f.toml").digest
    commented = load_text("# words\n" + WHOLE.replace(" = ", "="), "g.toml", "check").digest
    other = load_text(WHOLE.replace("400", "401"), "f.toml").digest

    assert plain == commented != other
    assert len(plain) == 16


# --- the table, the records and the page say the same ---


@pytest.mark.parametrize(
    ("table", "record"),
    [
        (site_keys.SITE, Site),
        (site_keys.DEVICE, Device),
        (site_keys.BAY, Bay),
        (site_keys.UPLINK, Uplink),
        (site_keys.OUTAGE, Outage),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_keys_and_fields_are_the_same(table: site_keys.Table, record: type) -> None:
    keys = {key.name for key in table.keys if not isinstance(key.kind, Later)}

    assert keys == {field.name for field in dataclasses.fields(record)}


@pytest.mark.parametrize(
    ("table", "record"), [(site_keys.UPLINK, Uplink()), (site_keys.OUTAGE, Outage())]
)
def test_an_empty_table_means_what_an_absent_one_does(
    table: site_keys.Table, record: Uplink | Outage
) -> None:
    place = Place(table.title, "", Path(), look=True, findings=[])

    assert type(record)(**read_keys({}, table.keys, place)) == record
    assert place.findings == []


def test_the_page_is_printed_from_the_table() -> None:
    assert (ROOT / "docs/site-file.md").read_text() == reference(), "make docs"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_right(path: Path) -> None:
    assert load(path, "check").bays


def test_the_examples_show_each_driver() -> None:
    drivers = {sensor.driver for path in EXAMPLES for sensor in load(path, "check").sensors}

    assert drivers == set(site_keys.DRIVERS)
