"""The port to MQTT against brokers that do what a real one does rarely, wrongly or never.

What mosquitto can show is shown by mosquitto, in test_mqtt.py; the bytes here are written by hand
from the standard (MQTT 5.0 and 3.1.1, OASIS).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from agent.errors import UplinkError
from agent.uplink import mqtt_port
from agent.uplink.mqtt import Ended, Message, Port, Refused, connect
from hil.faults.proxy import Proxy
from hil.loopback import LOOPBACK, free_port
from tests.agent.uplink.broker import eventually, mosquitto, run, scripted, serving

WELCOME = b"\x20\x03\x00\x00\x00"


def connack(reason: int, properties: bytes = b"", flags: int = 0) -> bytes:
    body = bytes([flags, reason, len(properties)]) + properties
    return bytes([0x20, len(body)]) + body


def publish(packet: bytes) -> bool:
    return packet[0] & 0xF0 == 0x30


def puback(number: bytes, reason: int = 0) -> bytes:
    return b"\x40\x03" + number + bytes([reason])


def text(identifier: int, value: str) -> bytes:
    return bytes([identifier]) + len(value).to_bytes(2, "big") + value.encode()


REASON, REFERENCE = 0x1F, 0x1C  # properties with a text


# Refusals.


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        pytest.param(connack(0x86), 0x86, "user name or password is wrong", id="password"),
        pytest.param(connack(0x87), 0x87, "has no right to do that", id="rights"),
        pytest.param(connack(0x89), 0x89, "too much to do", id="busy"),
        pytest.param(connack(0x97), 0x97, "a limit, and we have reached it", id="quota"),
        pytest.param(connack(0x9F), 0x9F, "no more connections for now", id="rate"),
        pytest.param(
            connack(0x9C, text(REFERENCE, "evil.example:1883")),
            0x9C,
            'not followed: the site file says where to go: "evil.example:1883"',
            id="another-server",
        ),
        pytest.param(
            connack(0x9D, text(REASON, "moved\x1b[2J\n")), 0x9D, r'"moved?[2J?"', id="moved"
        ),
        pytest.param(connack(0, b"\x25\x00"), 0x9A, "keeps no retained", id="nothing-retained"),
        pytest.param(connack(0, b"\x24\x00"), 0x9B, "does not confirm", id="quality-0-only"),
        pytest.param(connack(0, b"\x28\x00"), 0xA2, "wildcards", id="no-wildcards"),
    ],
)
def test_a_refusal_is_one_plain_line_with_its_code(answer: bytes, code: int, words: str) -> None:
    async def scenario() -> None:
        async with scripted(connack=answer) as url:
            with pytest.raises(Refused) as caught:
                async with connect(url, "one", protocol="5"):
                    pass
        assert caught.value.code == code
        assert words in str(caught.value)
        assert str(caught.value).isprintable()

    run(scenario())


@pytest.mark.parametrize("code", [0x80, 0x87, 0x91, 0x97, 0x99])
def test_every_puback_from_0x80_on_is_a_refusal_and_the_link_stands(code: int) -> None:
    def answer(packet: bytes) -> bytes:
        return puback(packet[5:7], code) if publish(packet) else b""

    async def scenario() -> None:
        async with scripted(answer) as url, connect(url, "one", protocol="5") as port:
            with pytest.raises(Refused) as caught:
                await port.publish("t", b"x")
            assert caught.value.code == code
            assert not port.closed.is_set()

    run(scenario())


@pytest.mark.parametrize("codes", [b"", b"\x01", b"\x01\x01\x01"], ids=["none", "one", "three"])
def test_two_subscriptions_are_not_granted_by_any_other_number_of_codes(codes: bytes) -> None:
    def answer(packet: bytes) -> bytes:
        return b"\x90" + bytes([3 + len(codes)]) + packet[2:4] + b"\x00" + codes

    async def scenario() -> None:
        async with scripted(answer) as url:
            with pytest.raises(UplinkError, match="answered 2 subscriptions by"):
                async with connect(url, "one", protocol="5") as port:
                    await port.subscribe("a", "b")

    run(scenario())


def test_an_answer_to_a_subscription_confirms_no_message() -> None:
    def answer(packet: bytes) -> bytes:
        number = packet[5:7]
        return b"\x90\x04" + number + b"\x00\x01" + puback(number, 0x87)

    async def scenario() -> None:
        async with scripted(answer) as url, connect(url, "one", protocol="5") as port:
            with pytest.raises(Refused):
                await port.publish("t", b"x")

    run(scenario())


def test_a_broker_that_ends_the_link_is_quoted_with_its_code_and_its_words() -> None:
    properties = text(REASON, "too\nmuch")
    goodbye = bytes([0xE0, 2 + len(properties), 0x97, len(properties)]) + properties

    async def scenario() -> None:
        async with scripted(lambda packet: goodbye) as url:
            with pytest.raises(Ended) as caught:
                async with connect(url, "one", protocol="5") as port:
                    await port.publish("t", b"x")
            assert caught.value.code == 0x97
            assert '"too?much"' in str(caught.value)

    run(scenario())


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"\x20\x03\x00\x01\x00", id="a-reason-that-is-none"),
        pytest.param(b"\x20\x05\x00\x00\x02\x7f\x00", id="a-property-that-is-none"),
        pytest.param(b"\x20\x00", id="empty"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n" + b"Server: x\r\n" * 9, id="a-web-server"),
        pytest.param(connack(0, b"\x21\x00\x00"), id="a-receive-maximum-of-0"),
    ],
)
def test_an_answer_to_connect_that_is_none_is_heard_at_once(answer: bytes) -> None:
    async def scenario() -> None:
        async with scripted(connack=answer) as url:
            with pytest.raises(UplinkError) as caught:
                # Nothing here waits for half of this, as for silence.
                async with asyncio.timeout(15), connect(url, "one", connect_timeout_s=60):
                    pass
            assert str(caught.value).isprintable()

    run(scenario())


# What a CONNACK may ask for.


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(connack(0, flags=1), id="a-session-that-nobody-asked-for"),
        pytest.param(connack(0, b"\x22\x00\x0a"), id="topic-aliases"),
        pytest.param(connack(0, text(0x12, "other")), id="another-client-identifier"),
    ],
)
def test_an_odd_welcome_is_taken_and_messages_go_out(answer: bytes) -> None:
    def confirm(packet: bytes) -> bytes:
        return puback(packet[5:7]) if publish(packet) else b""

    async def scenario() -> None:
        async with (
            scripted(confirm, connack=answer) as url,
            connect(url, "one", protocol="5") as port,
        ):
            assert await asyncio.wait_for(port.publish("t", b"x"), 5) == 0

    run(scenario())


def test_we_ping_as_often_as_the_broker_asks_for_and_never_less_than_we_wanted() -> None:
    """An hour, or never, would leave a dead link unnoticed."""

    def server(keepalive_s: int) -> bytes:
        return connack(0, b"\x13" + keepalive_s.to_bytes(2, "big"))

    async def pinged(keepalive_s: float, server_s: int) -> None:
        pings = asyncio.Event()

        def answer(packet: bytes) -> bytes:
            if packet[0] == 0xC0:
                pings.set()
            return b"\xd0\x00"

        async with (
            scripted(answer, server(server_s)) as url,
            connect(url, "one", protocol="5", keepalive_s=keepalive_s),
        ):
            await asyncio.wait_for(pings.wait(), 6)

    async def scenario() -> None:
        await asyncio.gather(pinged(2, 0), pinged(2, 3600), pinged(30, 2))

    run(scenario())


def test_a_dead_link_is_noticed_although_the_broker_asked_for_no_pings() -> None:
    async def scenario() -> None:
        async with scripted(connack=connack(0, b"\x13\x00\x00")) as url:
            with pytest.raises(UplinkError, match="Keep alive"):
                async with connect(url, "one", protocol="5", keepalive_s=2) as port:
                    await asyncio.wait_for(port.closed.wait(), 6)
                    await port.publish("t", b"x")

    run(scenario())


# What comes in beyond every bound.


def test_a_packet_of_a_quarter_of_a_gigabyte_ends_the_link_before_it_is_taken() -> None:
    huge = b"\x32\xff\xff\xff\x7f" + b"x" * 1000

    async def scenario() -> None:
        async with scripted(lambda packet: huge) as url:
            with pytest.raises(UplinkError, match="a packet of 268435455 bytes; expected at most"):
                async with connect(url, "one", protocol="5") as port:
                    await port.publish("t", b"x")

    run(scenario())


def test_a_message_of_exactly_once_delivery_ends_the_link() -> None:
    """paho would keep it until it is released, and as many more as somebody likes to send."""

    async def scenario() -> None:
        async with scripted(lambda packet: b"\x34\x08\x00\x01t\x00\x09\x00xx") as url:
            with pytest.raises(UplinkError, match="QoS 2"):
                async with connect(url, "one", protocol="5") as port:
                    await port.publish("t", b"x")

    run(scenario())


def test_a_broker_that_forgets_what_we_announced_cannot_fill_our_memory() -> None:
    payload = b"x" * 250_000
    body = b"\x00\x01t\x00\x01\x00" + payload
    size = len(body)
    length = bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14])
    flood = (b"\x32" + length + body) * (mqtt_port.INBOX_BYTES // len(payload) + 10)

    async def scenario() -> None:
        async with scripted(lambda packet: flood if publish(packet) else b"") as url:
            with pytest.raises(UplinkError, match="messages unread; more would be lost"):
                async with connect(url, "one", protocol="5") as port:
                    await port.publish("t", b"x")
            assert port._inbox_bytes <= mqtt_port.INBOX_BYTES + len(payload)

    run(scenario())


# How long an answer may take.


def test_a_slow_line_may_need_longer_for_a_window_than_for_a_message(tmp_path: Path) -> None:
    async def scenario() -> None:
        with mosquitto(tmp_path) as broker:
            async with Proxy(broker.port) as between:
                between.slow(bytes_per_s=40_000)
                async with connect(between.url, "one", answer_timeout_s=1.0) as port:
                    # 80 kB, so two seconds, in which each is answered in its turn.
                    await asyncio.gather(*(port.publish("t", b"x" * 4000) for _ in range(20)))

    run(scenario())


def test_a_broker_that_leaves_one_message_out_is_given_up_however_many_it_answers() -> None:
    first: list[bytes] = []

    def all_but_the_first(packet: bytes) -> bytes:
        said = b""
        for number in (part[5:7] for part in whole(packet) if publish(part)):
            if first[:1] in ([], [number]):
                first[:] = [number]
            else:
                said += puback(number)
        return said

    def whole(packet: bytes) -> list[bytes]:
        return [packet[at : at + 9] for at in range(0, len(packet), 9)]

    async def keep_publishing(port: Port) -> None:
        while True:
            await port.publish("t", b"x")
            await asyncio.sleep(0.02)

    async def scenario() -> None:
        async with scripted(all_but_the_first) as url:
            with pytest.raises(UplinkError, match=r"no answer to publish on t within 0\.5 s"):
                async with connect(url, "one", protocol="5", answer_timeout_s=0.5) as port:
                    left_out = asyncio.create_task(port.publish("t", b"x"))
                    others = asyncio.create_task(keep_publishing(port))
                    await asyncio.wait([left_out, others])
                    await left_out

    run(scenario())


# The socket.


def test_small_messages_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Nagle's algorithm holds a small one back until the one before it is confirmed."""

    async def scenario() -> None:
        with mosquitto(tmp_path) as broker:
            async with connect(broker.url, "one") as port:
                sock = port._paho.socket()
                assert isinstance(sock, socket.socket)
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(scenario())


def test_a_name_that_is_not_found_is_one_plain_line() -> None:
    async def scenario() -> None:
        with pytest.raises(UplinkError, match="its name is not found") as caught:
            async with connect("mqtt://no-such-broker.invalid", "one"):
                pass
        assert str(caught.value).isprintable()

    run(scenario())


def test_a_resolver_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """No real one can be made to hang without a network of its own, so the call is replaced."""
    held = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: held.wait(20))

    async def scenario() -> None:
        before_s = time.monotonic()
        with pytest.raises(UplinkError, match=r"no answer within 0\.2 s"):
            async with connect("mqtt://broker", "one", protocol="5", connect_timeout_s=0.2):
                pass
        assert time.monotonic() - before_s < 5
        held.set()

    run(scenario())


# Encryption.


def test_an_encryption_that_never_comes_about_is_given_up_and_leaves_nothing() -> None:
    ended: list[int] = []

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        ended.append(1)

    async def scenario() -> None:
        async with serving(mute) as port:
            with pytest.raises(UplinkError, match="no answer within"):
                async with connect(f"mqtts://{LOOPBACK}:{port}", "one", connect_timeout_s=0.6):
                    pass
            await eventually(lambda: ended)
        await eventually(lambda: not any(t.name == "MQTT connect" for t in threading.enumerate()))

    run(scenario())


def certificate(folder: Path, name: str, address: str, days: tuple[int, int]) -> tuple[Path, Path]:
    """Self-signed for an address, valid from and until so many days from now; and its key."""
    made, key = folder / f"{name}.crt", folder / f"{name}.key"
    now = dt.datetime.now(dt.UTC)
    begin, end = ((now + dt.timedelta(days=d)).strftime("%Y%m%d%H%M%SZ") for d in days)
    configuration = folder / f"{name}.cnf"
    configuration.write_text(
        f"[ca]\ndefault_ca=me\n[me]\ndatabase={folder}/{name}.db\nnew_certs_dir={folder}\n"
        f"serial={folder}/{name}.srl\ndefault_md=sha256\npolicy=any\nx509_extensions=ext\n"
        f"unique_subject=no\n[any]\ncommonName=supplied\n[ext]\nsubjectAltName=IP:{address}\n"
        "basicConstraints=CA:TRUE\n"
    )
    (folder / f"{name}.db").touch()
    (folder / f"{name}.srl").write_text("01\n")
    asked = folder / f"{name}.csr"
    for command in (
        ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={address}",
         "-keyout", str(key), "-out", str(asked)],
        ["ca", "-selfsign", "-batch", "-config", str(configuration), "-keyfile", str(key),
         "-in", str(asked), "-out", str(made), "-startdate", begin, "-enddate", end, "-notext"],
    ):  # fmt: skip
        subprocess.run(["openssl", *command], check=True, capture_output=True, timeout=30)
    return made, key


@pytest.mark.parametrize(
    ("address", "days", "words"),
    [
        pytest.param(LOOPBACK, (-9, -2), "has expired, or our clock is wrong", id="expired"),
        pytest.param(LOOPBACK, (2, 9), "not valid yet, or our clock is wrong", id="not-yet-valid"),
        pytest.param("192.0.2.1", (-1, 9), "is not trusted: IP address mismatch", id="another-s"),
    ],
)
def test_a_certificate_that_is_not_taken_is_one_plain_line(
    tmp_path: Path, address: str, days: tuple[int, int], words: str
) -> None:
    made, key = certificate(tmp_path, "broker", address, days)

    async def scenario(port: int) -> None:
        with pytest.raises(UplinkError, match=words) as caught:
            async with connect(f"mqtts://{LOOPBACK}:{port}", "one", ca=made):
                pass
        assert "_ssl.c" not in str(caught.value)

    with mosquitto(tmp_path, extra=f"cafile {made}\ncertfile {made}\nkeyfile {key}") as broker:
        run(scenario(broker.port))


def test_a_broker_without_encryption_is_one_plain_line(tmp_path: Path) -> None:
    async def scenario(port: int) -> None:
        with pytest.raises(UplinkError, match="no connection") as caught:
            async with connect(f"mqtts://{LOOPBACK}:{port}", "one", connect_timeout_s=3):
                pass
        assert "_ssl.c" not in str(caught.value)

    with mosquitto(tmp_path) as broker:
        run(scenario(broker.port))


def test_a_link_that_was_given_up_is_never_watched_again() -> None:
    """Its number may be another connection's by then: aiomqtt would read and write on that."""
    alien: list[str] = []

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: alien.append(str(told)))
        async with scripted(lambda packet: b"\xe0\x02\x8b\x00") as url:
            for _ in range(20):
                with pytest.raises(UplinkError):
                    async with connect(url, "one", protocol="5") as port:
                        await asyncio.gather(*(port.publish("t", b"x") for _ in range(5)))
                await asyncio.sleep(0)
        # What the hand-written server's own tasks say when they are cancelled is not asked about.
        assert not [told for told in alien if "add_reader" in told or "add_writer" in told]

    run(scenario())


def test_a_port_that_nobody_listens_on_is_one_plain_line() -> None:
    async def scenario() -> None:
        with pytest.raises(UplinkError) as caught:
            async with connect(f"mqtt://{LOOPBACK}:{free_port()}", "one"):
                pass
        assert str(caught.value).endswith("no connection (Connection refused)")

    run(scenario())


def test_a_message_comes_in_over_an_odd_broker_as_it_is() -> None:
    """The hand-written broker itself: what the others are built on delivers what it says."""

    async def scenario() -> None:
        hello = b"\x30\x05\x00\x01t\x00x"
        async with scripted(lambda packet: hello) as url, connect(url, "one", protocol="5") as port:
            await port.publish("go", b"", qos=0)
            async for message in port.messages():
                assert message == Message("t", b"x", False)
                break

    run(scenario())
