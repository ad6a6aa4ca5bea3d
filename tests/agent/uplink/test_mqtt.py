"""The port to MQTT against a real mosquitto: each trap of the libraries is closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from amqtt.broker import Broker as Amqtt  # type: ignore[import-untyped]

from agent.errors import UplinkError
from agent.uplink import mqtt, mqtt_client, mqtt_port
from agent.uplink.broker import Broker, parse_broker
from agent.uplink.mqtt import Message, Port, Refused, Will, connect
from hil.faults.broker import Mosquitto
from hil.faults.proxy import Proxy
from hil.loopback import LOOPBACK, free_port
from tests.agent.uplink.broker import eventually, mosquitto, run, scripted, serving


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


async def take(port: Port, count: int) -> list[Message]:
    """The next `count` messages."""
    got: list[Message] = []
    async for message in port.messages():
        got.append(message)
        if len(got) == count:
            break
    return got


# Where the broker is.


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://host", Broker("host", 1883, False)),
        ("mqtts://host", Broker("host", 8883, True)),
        ("mqtt://host:1884/", Broker("host", 1884, False)),
        ("mqtt://[::1]:1884", Broker("::1", 1884, False)),
        ("mqtts://node:p%40ss@host", Broker("host", 8883, True, "node", "p@ss")),
    ],
)
def test_a_broker_is_named_by_a_url(url: str, expected: Broker) -> None:
    assert parse_broker(url) == expected


@pytest.mark.parametrize(
    "url",
    ["", "host", "host:1883", "http://host", "mqtt://", "mqtt://host:0x5", "mqtt://host/topic",
     "mqtt://host:70000", "mqtt://[::1"],
)  # fmt: skip
def test_anything_else_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(UplinkError) as caught:
        parse_broker(url)

    assert "expected mqtt://host[:port]" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_password_is_never_shown() -> None:
    assert "secret" not in str(parse_broker("mqtt://me:secret@host"))
    with pytest.raises(UplinkError) as caught:
        parse_broker("http://me:secret@host")
    assert "secret" not in str(caught.value)


# Protocols.


@pytest.mark.parametrize("protocol", ["5", "311"])
def test_a_message_comes_back_as_it_went(broker: Mosquitto, protocol: str) -> None:
    async def scenario() -> None:
        async with connect(broker.url, "one", protocol=protocol) as port:
            assert port.protocol == protocol
            await port.subscribe("t/#")
            await port.publish("t/1", b"\x00\xff", retain=True)
            await port.publish("t/0", b"", qos=0)
            assert await take(port, 2) == [
                Message("t/1", b"\x00\xff", False),
                Message("t/0", b"", False),
            ]
            await port.subscribe("t/1")
            assert await take(port, 1) == [Message("t/1", b"\x00\xff", True)]

    run(scenario())


def test_mqtt_5_is_tried_first(broker: Mosquitto) -> None:
    async def scenario() -> None:
        async with connect(broker.url, "one") as port:
            assert port.protocol == "5"

    run(scenario())


@pytest.mark.parametrize(
    ("answer", "attempts"),
    [
        pytest.param(b"\x20\x03\x00\x84\x00", [5, 4], id="refused-as-mqtt-5-says-it"),
        pytest.param(b"\x20\x02\x00\x01", [5, 4], id="refused-as-mqtt-311-says-it"),
        pytest.param(b"", [5, 5, 4], id="hung-up-twice"),
    ],
)
def test_a_broker_without_mqtt_5_gets_311(
    broker: Mosquitto, answer: bytes, attempts: list[int]
) -> None:
    async def scenario() -> None:
        async with Proxy(broker.port, refusal=answer) as between:
            async with connect(between.url, "one") as port:
                assert port.protocol == "311"
                await port.subscribe("t")
                await port.publish("t", b"x")
                assert await take(port, 1) == [Message("t", b"x", False)]
            assert between.connects == attempts

    run(scenario())


@contextlib.asynccontextmanager
async def amqtt() -> AsyncIterator[str]:
    """The demo's embedded broker: it knows only MQTT 3.1.1."""
    port = free_port()
    allow = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    listener = {"type": "tcp", "bind": f"{LOOPBACK}:{port}"}
    embedded = Amqtt({"listeners": {"default": listener}, "plugins": allow})
    await embedded.start()
    try:
        yield f"mqtt://{LOOPBACK}:{port}"
    finally:
        await embedded.shutdown()


def test_the_demos_embedded_broker_is_reached_by_311(caplog: pytest.LogCaptureFixture) -> None:
    will = Will("state", b"gone")

    async def scenario() -> None:
        async with amqtt() as url, connect(url, "one", connect_timeout_s=2, will=will) as port:
            assert port.protocol == "311"
            await port.subscribe("t/+")
            await port.publish("t/1", b"x")
            assert await take(port, 1) == [Message("t/1", b"x", False)]

    with caplog.at_level(logging.CRITICAL, "amqtt"):
        run(scenario())


def test_a_protocol_that_is_asked_for_is_not_replaced(broker: Mosquitto) -> None:
    async def scenario() -> None:
        async with Proxy(broker.port, refusal=b"\x20\x03\x00\x84\x00") as between:
            with pytest.raises(Refused) as caught:
                async with connect(between.url, "one", protocol="5"):
                    pass
            assert caught.value.code == 0x84

    run(scenario())


def test_an_unknown_protocol_is_an_error() -> None:
    async def scenario() -> None:
        with pytest.raises(UplinkError, match='"auto", "5" or "311"'):
            async with connect("mqtt://localhost", "one", protocol="3"):
                pass

    run(scenario())


# No connection.


def test_a_broker_that_is_not_there_is_an_error_at_once() -> None:
    async def scenario() -> None:
        with pytest.raises(UplinkError, match="no connection"):
            async with connect(f"mqtt://{LOOPBACK}:{free_port()}", "one"):
                pass

    run(scenario())


def test_a_peer_that_takes_the_connection_and_says_nothing_is_given_up() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append((await reader.read())[8])

    async def scenario() -> None:
        async with serving(mute) as port:
            with pytest.raises(UplinkError, match=r"no answer within 0\.3 s"):
                async with connect(f"mqtt://{LOOPBACK}:{port}", "one", connect_timeout_s=0.3):
                    pass
            # Neither attempt is left open behind our back.
            await eventually(lambda: ended == [5, 4])

    ended: list[int] = []
    run(scenario())


def test_a_cancelled_attempt_leaves_no_connection_behind() -> None:
    async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.append(1)
        await reader.read()
        ended.append(1)

    async def scenario() -> None:
        async with serving(until_closed) as port:
            for turns in range(60):
                attempt = asyncio.create_task(one_attempt(f"mqtt://{LOOPBACK}:{port}"))
                for _ in range(turns):
                    await asyncio.sleep(0.0002)
                attempt.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await attempt
            # Each of those that reached the server was closed again by us: read() saw the end.
            await eventually(lambda: begun and len(ended) == len(begun))
        await eventually(lambda: len(asyncio.all_tasks()) == 1)

    async def one_attempt(url: str) -> None:
        async with connect(url, "one", protocol="5"):
            pass

    begun: list[int] = []
    ended: list[int] = []
    run(scenario())


def test_a_wrong_password_is_refused_with_its_code(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch()
    passwords.chmod(0o600)
    subprocess.run(
        ["mosquitto_passwd", "-b", str(passwords), "node", "right"], check=True, timeout=10
    )
    extra = f"password_file {passwords}\nallow_anonymous false"

    async def scenario(broker: Mosquitto) -> None:
        for protocol in ("auto", "5", "311"):
            with pytest.raises(Refused) as caught:
                async with connect(
                    broker.url, "one", protocol=protocol, username="node", password="wrong"
                ):
                    pass
            assert caught.value.code == 0x87
        async with connect(broker.url, "one", username="node", password="right"):
            pass
        async with connect(f"mqtt://node:right@{LOOPBACK}:{broker.port}", "one"):
            pass

    with mosquitto(tmp_path, extra=extra) as broker:
        run(scenario(broker))


# Encryption.


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1, and its key."""
    made, key = directory / f"{name}.crt", directory / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(made)],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return made, key


def test_mqtts_trusts_only_the_given_certificates(tmp_path: Path) -> None:
    ours, key = certificate(tmp_path, "ours")
    other, _ = certificate(tmp_path, "other")
    extra = f"cafile {ours}\ncertfile {ours}\nkeyfile {key}"

    async def scenario(broker: Mosquitto) -> None:
        url = f"mqtts://{LOOPBACK}:{broker.port}"
        async with connect(url, "one", ca=ours) as port:
            await port.subscribe("t")
            for n in range(50):
                await port.publish("t", b"%d" % n * 1000)
            assert len(await take(port, 50)) == 50
        for trusted in (other, None):
            with pytest.raises(UplinkError, match="is not trusted: self-signed certificate"):
                async with connect(url, "one", ca=trusted):
                    pass
        with pytest.raises(UplinkError):
            async with connect(broker.url, "one"):
                pass
        with pytest.raises(UplinkError, match="PEM certificates"):
            async with connect(url, "one", ca=key):
                pass

    with mosquitto(tmp_path, extra=extra) as broker:
        run(scenario(broker))


# Refusals.

ACL = "topic readwrite free/#\ntopic read readable/#\n"


def test_a_refused_publish_does_not_look_delivered(tmp_path: Path) -> None:
    async def scenario(broker: Mosquitto) -> None:
        async with connect(broker.url, "one", protocol="5") as port:
            with pytest.raises(Refused) as caught:
                await port.publish("readable/t", b"x")
            assert caught.value.code == 0x87
            assert "readable/t" in str(caught.value)
            # The link stands.
            assert not port.closed.is_set()
            assert await port.publish("free/t", b"x") == mqtt.NO_SUBSCRIBERS
            await port.subscribe("free/#")
            assert await port.publish("free/t", b"x") == 0

    with mosquitto(tmp_path, acl=ACL) as broker:
        run(scenario(broker))


@pytest.mark.parametrize("protocol", ["5", "311"])
def test_a_refused_subscription_is_an_error(protocol: str) -> None:
    """mosquitto 2.0 grants any subscription and then delivers nothing, so one is scripted."""

    def grant_the_first(packet: bytes) -> bytes:
        head = b"\x00" if protocol == "5" else b""
        if packet[0] != 0x82:
            return b""
        return bytes([0x90, 4 + len(head)]) + packet[2:4] + head + b"\x01\x87"

    async def scenario() -> None:
        async with (
            scripted(grant_the_first) as url,
            connect(url, "one", protocol=protocol) as port,
        ):
            with pytest.raises(Refused, match=r"subscription to secret/# refused \(0x87\)"):
                await port.subscribe("free/#", "secret/#")
            assert not port.closed.is_set()

    run(scenario())


def test_a_payload_beyond_the_brokers_limit_is_refused_and_the_link_stands(tmp_path: Path) -> None:
    async def scenario(broker: Mosquitto) -> None:
        async with connect(broker.url, "one", protocol="5") as port:
            limit = port.payload_limit("t", 8192)
            assert limit < 1000
            with pytest.raises(Refused) as caught:
                await port.publish("t", b"x" * (limit + 1))
            assert caught.value.code == 0x95
            await port.subscribe("t")
            await port.publish("t", b"x" * limit)
            assert len((await take(port, 1))[0].payload) == limit

    with mosquitto(tmp_path, extra="max_packet_size 1000") as broker:
        run(scenario(broker))


def test_the_brokers_receive_maximum_is_obeyed(tmp_path: Path) -> None:
    async def scenario(broker: Mosquitto) -> None:
        async with connect(broker.url, "one", protocol="5") as port:
            assert port.receive_maximum == 3
            await port.subscribe("t")
            await asyncio.gather(*(port.publish("t", b"%d" % n) for n in range(100)))
            assert [m.payload for m in await take(port, 100)] == [b"%d" % n for n in range(100)]

    with mosquitto(tmp_path, extra="max_inflight_messages 3") as broker:
        run(scenario(broker))


@pytest.mark.parametrize("topic", ["a/+", "a/#", ""])
def test_an_impossible_topic_is_an_error_and_the_link_stands(broker: Mosquitto, topic: str) -> None:
    async def scenario() -> None:
        async with connect(broker.url, "one", protocol="311") as port:
            with pytest.raises(UplinkError, match="cannot be published"):
                await port.publish(topic, b"")
            await port.publish("t", b"x")

    run(scenario())


# The link breaks.


@pytest.mark.parametrize("protocol", ["5", "311"])
def test_whoever_waits_when_the_broker_is_killed_hears_it_at_once(
    broker: Mosquitto, protocol: str
) -> None:
    async def scenario() -> None:
        async with Proxy(broker.port) as between:
            with pytest.raises(UplinkError):
                async with connect(between.url, "one", protocol=protocol) as port:
                    between.silence()
                    waits = [
                        asyncio.create_task(port.publish("t", b"x")),
                        asyncio.create_task(port.subscribe("t")),
                        asyncio.create_task(take(port, 1)),
                        *(asyncio.create_task(port.publish("t", b"y")) for _ in range(30)),
                    ]
                    await asyncio.sleep(0)
                    broker.kill()
                    between.cut()
                    done, pending = await asyncio.wait(waits, timeout=5)
                    assert not pending
                    assert all(isinstance(task.exception(), UplinkError) for task in done)
                    assert port.closed.is_set()
                    with pytest.raises(UplinkError, match="the link broke"):
                        await port.publish("t", b"x")
                    await port.subscribe("t")

    run(scenario())


def test_a_new_connection_knows_nothing_of_the_old_one(broker: Mosquitto) -> None:
    async def scenario() -> None:
        async with Proxy(broker.port) as between:
            with contextlib.suppress(UplinkError):
                async with connect(between.url, "one") as port:
                    await port.subscribe("t")
                    between.silence()
                    publishing = asyncio.create_task(port.publish("t", b"lost"))
                    await asyncio.sleep(0)
                    broker.kill()
                    between.cut()
                    await publishing
        broker.start()
        async with connect(broker.url, "one") as port:
            # No session: nothing is subscribed any more, and nothing of the old link is sent.
            assert await port.publish("t", b"x") == mqtt.NO_SUBSCRIBERS
        assert broker.log.count("Received PUBLISH from one") == 1

    run(scenario())


@pytest.mark.parametrize(
    ("code", "words"),
    [(0x8B, "Server shutting down"), (0x8E, "Session taken over"), (0x97, "Quota exceeded")],
)
def test_a_broker_that_ends_the_link_is_quoted(code: int, words: str) -> None:
    async def scenario() -> None:
        async with scripted(lambda packet: bytes([0xE0, 2, code, 0])) as url:
            with pytest.raises(UplinkError, match=words):
                async with connect(url, "one", protocol="5") as port:
                    await port.publish("t", b"x")
            assert f"0x{code:02X}" in port.reason

    run(scenario())


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param(b"\xff\xff\xff\xff\xff\xff", id="no-packet-at-all"),
        pytest.param(b"\x40\x00", id="a-puback-of-nothing"),
        pytest.param(b"\x40\x03\x00\x01\x01", id="a-puback-with-an-unknown-reason"),
        pytest.param(b"\x90\x01\x00", id="a-suback-cut-short"),
        pytest.param(b"\x30\x01\x00", id="a-publish-without-a-topic"),
        pytest.param(b"\x30\x05\x00\x01t\x02\x7f", id="a-publish-with-unknown-properties"),
        pytest.param(b"\x20\x00", id="an-empty-connack"),
        pytest.param(b"\xe0\x01\x01", id="a-disconnect-with-an-unknown-reason"),
        pytest.param(b"\xf0\x00", id="an-auth-nobody-asked-for"),
    ],
)
def test_a_broker_that_talks_nonsense_is_one_clear_error(nonsense: bytes) -> None:
    async def scenario() -> None:
        async with scripted(lambda packet: nonsense) as url:
            with pytest.raises(UplinkError, match="the link broke"):
                async with connect(url, "one", protocol="5") as port:
                    await port.publish("t", b"x")
        await eventually(lambda: len(asyncio.all_tasks()) == 1)

    run(scenario())


def test_a_topic_that_is_not_text_is_left_out(broker: Mosquitto) -> None:
    publish = b"\x32\x08\x00\x02\xff\xfe\x00\x07\x00x" + b"\x32\x07\x00\x01t\x00\x08\x00y"

    async def scenario() -> None:
        async with (
            scripted(lambda packet: publish if packet[0] == 0x30 else b"") as url,
            connect(url, "one", protocol="5") as port,
        ):
            await port.publish("go", b"", qos=0)
            assert await take(port, 1) == [Message("t", b"y", False)]
            assert port.dropped == 1

    run(scenario())


def test_a_link_that_goes_silent_is_noticed(broker: Mosquitto) -> None:
    async def noticed(trouble: Callable[[Proxy], None]) -> None:
        async with Proxy(broker.port) as between:
            with pytest.raises(UplinkError):
                async with connect(between.url, str(trouble), keepalive_s=2) as port:
                    trouble(between)
                    # 1.5 keep-alives, and the second in which aiomqtt may not look.
                    await asyncio.wait_for(port.closed.wait(), 6)
                    await port.publish("t", b"x")

    def half_open(between: Proxy) -> None:
        between.half_open("broker")

    async def scenario() -> None:
        await asyncio.gather(*map(noticed, (Proxy.silence, Proxy.swallow, half_open)))

    run(scenario())


def test_a_quiet_link_that_lives_is_kept(broker: Mosquitto) -> None:
    async def scenario() -> None:
        async with connect(broker.url, "one", keepalive_s=1) as port:
            await eventually(lambda: broker.log.count("PINGREQ from one") >= 2)
            assert not port.closed.is_set()

    run(scenario())


def test_a_broker_that_never_confirms_is_given_up(broker: Mosquitto) -> None:
    async def scenario() -> None:
        async with Proxy(broker.port) as between:
            with pytest.raises(UplinkError, match=r"no answer to publish on t within 0\.2 s"):
                async with connect(between.url, "one", answer_timeout_s=0.2) as port:
                    between.silence()
                    await port.publish("t", b"x")

    run(scenario())


def test_a_cancelled_publish_does_no_harm_to_the_others(broker: Mosquitto) -> None:
    async def scenario() -> None:
        async with connect(broker.url, "one") as port:
            for n in range(50):
                task = asyncio.create_task(port.publish("t", b"%d" % n))
                await asyncio.sleep(0)
                task.cancel()
            assert await port.publish("t", b"last") in (0, mqtt.NO_SUBSCRIBERS)

    run(scenario())


# The will.


@pytest.mark.parametrize("protocol", ["5", "311"])
@pytest.mark.parametrize(
    ("end", "last"),
    [
        pytest.param(None, b"online", id="leaving-in-peace-leaves-the-last-word-to-us"),
        pytest.param(asyncio.CancelledError(), b"online", id="so-does-being-cancelled"),
        pytest.param(UplinkError("a", "b"), b"will", id="an-error-leaves-it-to-the-will"),
        pytest.param(KeyError("bug"), b"will", id="so-does-a-mistake-of-ours"),
    ],
)
def test_who_has_the_last_word(
    broker: Mosquitto,
    monkeypatch: pytest.MonkeyPatch,
    protocol: str,
    end: BaseException | None,
    last: bytes,
) -> None:
    monkeypatch.setattr(mqtt_client, "WILL_DELAY_S", 1)

    async def scenario() -> None:
        with contextlib.suppress(UplinkError, KeyError, asyncio.CancelledError):
            will = Will("state", b"will")
            async with connect(broker.url, "one", protocol=protocol, will=will) as port:
                await port.publish("state", b"online", retain=True)
                if end is not None:
                    raise end

        async def said() -> bool:
            async with connect(broker.url, "reader") as reader:
                await reader.subscribe("state")
                return (await take(reader, 1))[0].payload == last

        await eventually(said)
        await eventually(lambda: re.search("Client one (disc|closed)", broker.log))

    run(scenario())


def test_a_link_that_comes_back_in_time_keeps_the_will_unsaid(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_client, "WILL_DELAY_S", 1)
    will = Will("state", b"will")

    async def scenario() -> None:
        async with connect(broker.url, "watcher") as watcher:
            await watcher.subscribe("state", "later")
            with contextlib.suppress(UplinkError):
                async with connect(broker.url, "one", will=will):
                    raise UplinkError("here", "something broke")
            async with connect(broker.url, "one", will=will) as port:
                await port.publish("state", b"online")
                with contextlib.suppress(UplinkError):
                    async with connect(broker.url, "two", will=Will("later", b"will")):
                        raise UplinkError("here", "something broke")
                # When two's will has come, the time of one's will was over before.
                assert [m.payload for m in await take(watcher, 2)] == [b"online", b"will"]

    run(scenario())


# What comes in.


@pytest.mark.parametrize("protocol", ["5", "311"])
def test_unread_messages_stay_with_the_broker_and_none_is_lost(
    broker: Mosquitto, protocol: str
) -> None:
    async def scenario() -> None:
        async with (
            connect(broker.url, "reader", protocol=protocol) as reader,
            connect(broker.url, "writer") as writer,
        ):
            await reader.subscribe("t")
            for n in range(2000):
                await writer.publish("t", b"%d" % n)
            assert len(reader._inbox) <= mqtt_client.RECEIVE_MAXIMUM
            got = await take(reader, 2000)
            assert [message.payload for message in got] == [b"%d" % n for n in range(2000)]
            assert reader.dropped == 0

    run(scenario())


def test_live_values_that_nobody_reads_are_dropped_and_counted(broker: Mosquitto) -> None:
    async def scenario() -> None:
        async with (
            connect(broker.url, "reader") as reader,
            connect(broker.url, "writer") as writer,
        ):
            await reader.subscribe("t")
            for n in range(mqtt_port.INBOX_LIVE + 50):
                await writer.publish("t", b"%d" % n, qos=0)
            await eventually(lambda: reader.dropped == 50)
            assert len(await take(reader, mqtt_port.INBOX_LIVE)) == mqtt_port.INBOX_LIVE

    run(scenario())


def test_a_flood_without_flow_control_ends_the_link_instead_of_dropping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_port, "INBOX", 10)

    async def scenario(broker: Mosquitto) -> None:
        async with connect(broker.url, "writer") as writer:
            with pytest.raises(UplinkError, match="10 messages unread"):
                async with connect(broker.url, "reader", protocol="311") as reader:
                    await reader.subscribe("t")
                    for n in range(11):
                        await writer.publish("t", b"%d" % n)
                    await asyncio.wait_for(reader.closed.wait(), 5)
                    await take(reader, 100)

    with mosquitto(tmp_path, extra="max_inflight_messages 0") as broker:
        run(scenario(broker))


def test_an_expiring_message_is_gone_after_its_time(broker: Mosquitto) -> None:
    async def scenario() -> None:
        async with (
            connect(broker.url, "one", protocol="5") as port,
            connect(broker.url, "old", protocol="311") as old,
        ):
            await port.publish("short", b"x", retain=True, expiry_s=3)
            await port.publish("long", b"x", retain=True)
            await old.publish("old", b"x", retain=True, expiry_s=3)

            async def retained() -> list[str]:
                async with connect(broker.url, "reader") as reader:
                    await reader.subscribe("#")
                    await reader.publish("end", b"")
                    topics = []
                    async for message in reader.messages():
                        if message.topic == "end":
                            break
                        topics.append(message.topic)
                    return sorted(topics)

            async def gone() -> bool:
                return await retained() == ["long", "old"]

            assert await retained() == ["long", "old", "short"]
            await eventually(gone)

    run(scenario())


def test_nothing_of_a_connection_is_left_when_it_is_over(broker: Mosquitto) -> None:
    async def scenario() -> None:
        for protocol in ("5", "311"):
            async with connect(broker.url, "one", protocol=protocol) as port:
                await port.publish("t", b"x")
        await eventually(lambda: len(asyncio.all_tasks()) == 1)

    run(scenario())
