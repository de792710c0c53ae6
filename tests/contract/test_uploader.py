"""The uploader against a hub over real HTTPS, directly and through a real proxy."""

from __future__ import annotations

import argparse
import asyncio
import gzip
import hashlib
import json
import socket
import sqlite3
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from services.solo import ca
from services.solo.ca import CaFiles, ensure_ca
from services.uploader import send, sent_command
from services.uploader.failures import HubError, NotAnsweredError, NotReachedError
from services.uploader.main import run, uploading
from services.uploader.send import Answer, Hub, fetch_ca, proxy_for, trust
from services.uploader.settings import SettingError, UploaderSettings
from shared.bus.local import LocalBus
from shared.bus.port import DISCOVERY_SCOPE, Delivery
from shared.message import Message
from shared.scope import Scope
from tests.contract.scripted_hub import KEY, Request, ScriptedHub, served
from tests.peers import free_port
from tests.peers.proxy import Proxy
from tests.unit.uploader.messages import NOW, meter_read

_TODAY = datetime.now(UTC)
_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CaFiles:
    return ensure_ca(tmp_path_factory.mktemp("hub") / "ca", [], _TODAY)


@pytest.fixture
def hub(files: CaFiles) -> Iterator[ScriptedHub]:
    with served(files.cert) as running:
        running.ca_pem = files.ca_cert.read_bytes()
        yield running


@pytest.fixture
def settings(tmp_path: Path, files: CaFiles, hub: ScriptedHub) -> UploaderSettings:
    key = tmp_path / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    return UploaderSettings(
        hub_url=hub.url,
        key_file=key,
        ca_file=files.ca_cert,
        spool_file=tmp_path / "agent" / "spool.sqlite",
        ceiling_file=tmp_path / "ceiling.toml",
        gather_s=0.05,
    )


async def asked(
    url: str, ca_file: Path | None, proxy: str | None = None, key: str = KEY
) -> Answer | HubError:
    async with Hub(url, key, trust=trust(ca_file), proxy=proxy) as hub:
        try:
            return await hub.get("/v1/scope")
        except HubError as error:
            assert KEY not in f"{error} {error.__cause__!r}"
            assert "hunter2" not in str(error)
            return error


async def until(true: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    for _ in iter(lambda: true() or time.monotonic() > deadline, True):
        await asyncio.sleep(0.01)
    assert true()


def states(settings: UploaderSettings) -> list[str]:
    with sqlite3.connect(settings.spool_file) as db:
        return [state for (state,) in db.execute("select state from message order by n")]


# -- from the bus to the hub and back ---------------------------------------------------------


async def test_what_the_bus_brings_is_at_the_hub_soon(
    settings: UploaderSettings, hub: ScriptedHub
) -> None:
    bus = LocalBus()
    async with uploading(settings, bus) as relay:
        await asyncio.gather(*(bus.publish(meter_read(host)) for host in range(50)))
        assert len(states(settings)) == 50  # on disk when publish returned
        await until(lambda: len(hub.committed) == 50)
        await until(lambda: relay.problem() is None)
        await bus.stop()
    assert sorted(hub.numbers) == list(range(1, 51))
    assert set(states(settings)) == {"committed"}
    assert meter_read(7).to_json() in hub.committed.values()


async def test_the_scope_comes_back_over_the_bus_at_each_start(
    settings: UploaderSettings, hub: ScriptedHub
) -> None:
    came: list[Message] = []

    async def take(message: Message, delivery: Delivery) -> list[Message]:
        came.append(message)
        return []

    scope = Scope(version=4, author="Ann", changed_at=NOW, segments=["10.0.0.0/24"])
    hub.scope = ('"4"', scope.to_json())
    for _ in range(2):
        bus = LocalBus()
        bus.on(DISCOVERY_SCOPE, take, prefetch=1)
        async with uploading(settings, bus) as relay:
            await until(lambda: relay.problem() is None)
            await bus.stop()
    assert came == [scope, scope]


async def test_run_ends_when_told_to_and_goes_on_where_it_was(
    settings: UploaderSettings, hub: ScriptedHub
) -> None:
    hub.script = [answers(503, b"")]
    bus, stopping = LocalBus(), asyncio.Event()
    running = asyncio.create_task(run(settings, bus, stopping))
    await bus.publish(meter_read(1))
    stopping.set()
    await asyncio.wait_for(running, 10)
    again, ending = LocalBus(), asyncio.Event()
    running = asyncio.create_task(run(settings, again, ending))
    await until(lambda: len(hub.committed) == 1)
    ending.set()
    await asyncio.wait_for(running, 10)


async def test_a_spool_that_was_deleted_between_two_starts_is_declared_to_the_hub(
    settings: UploaderSettings, hub: ScriptedHub
) -> None:
    for host in (1, 2):
        bus = LocalBus()
        async with uploading(settings, bus):
            await bus.publish(meter_read(host))
            await until(lambda: states(settings) == ["committed"])
            await bus.stop()
        settings.spool_file.unlink()
    [first, second] = dict.fromkeys(each["spool"] for each in hub.envelopes)
    declared = [each["began"] for each in hub.envelopes if each.get("began")]
    assert declared == [
        {"before": None, "why": "new", "carried": []},
        {"before": first, "why": "lost", "carried": []},
    ]
    assert hub.envelopes[0]["messages"] == 0
    assert hub.envelopes[-1]["spool"] == second
    assert hub.envelopes[-1]["status"]["waiting"] == 1


# -- a hub or a line that misbehaves ----------------------------------------------------------


def commits_and_resets(request: Request) -> bool:
    request.commit()
    linger = struct.pack("ii", 1, 0)
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    socket.socket(fileno=request.connection.detach()).close()
    request.close_connection = True
    request.wfile = open("/dev/null", "wb")  # noqa: SIM115, PTH123  (the base class closes it)
    return True


def stalls(request: Request) -> bool:
    request.send_response_only(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b'{"results": [')
    request.wfile.flush()
    time.sleep(1.0)
    request.close_connection = True
    return True


def answers(status: int, body: bytes, **headers: str) -> Callable[[Request], bool]:
    def act(request: Request) -> bool:
        request.reply(status, body, headers)
        return True

    return act


@pytest.mark.parametrize(
    "misbehaviour",
    [
        commits_and_resets,
        stalls,
        answers(502, b"<html>Bad Gateway</html>"),
        answers(500, b"Internal Server Error"),
        answers(429, b"", **{"Retry-After": "0"}),
        answers(200, b"<html>log in to the guest network</html>"),
        answers(200, b"x" * 2_500_000),
        answers(200, gzip.compress(b"0" * 50_000_000, mtime=0), **{"Content-Encoding": "gzip"}),
        answers(302, b"", Location="http://127.0.0.1:1/v1/events"),
        answers(200, b'{"results": [{"n": 77, "status": "accepted"}], "last": 1}'),
    ],
)
async def test_after_whatever_the_hub_did_each_message_is_there_once(
    settings: UploaderSettings,
    hub: ScriptedHub,
    misbehaviour: Callable[[Request], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(send, "_SILENCE_S", 0.4)
    monkeypatch.setattr("services.uploader.back_off._FIRST_S", 0.05)
    hub.script = [lambda request: False, lambda request: False, misbehaviour]
    bus = LocalBus()
    async with uploading(settings, bus) as relay:
        await until(lambda: relay.problem() is None)
        await asyncio.gather(*(bus.publish(meter_read(host)) for host in range(3)))
        await until(lambda: not hub.script and states(settings) == ["committed"] * 3)
        await bus.stop()
    assert len(hub.committed) == 3
    assert set(hub.numbers) == {1, 2, 3}


async def test_a_hub_that_trickles_for_ever_is_left(
    hub: ScriptedHub, files: CaFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trickles(request: Request) -> bool:
        request.send_response_only(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        for _ in range(20):
            request.wfile.write(b" ")
            request.wfile.flush()
            time.sleep(0.1)
        return True

    monkeypatch.setattr(send, "_WHOLE_S", 0.5)
    hub.script = [trickles]
    error = await asked(hub.url, files.ca_cert)
    assert isinstance(error, NotAnsweredError)
    assert error.said.endswith("did not answer in time")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (answers(200, b"x" * 2_500_000), "longer than 2000000 bytes"),
        (
            answers(200, gzip.compress(b"0" * 50_000_000, mtime=0), **{"Content-Encoding": "gzip"}),
            "compressed, which was not asked for",
        ),
    ],
)
async def test_an_answer_without_bounds_is_not_read(
    answer: Callable[[Request], bool], words: str, hub: ScriptedHub, files: CaFiles
) -> None:
    hub.script = [answer]
    error = await asked(hub.url, files.ca_cert)
    assert isinstance(error, NotAnsweredError)
    assert words in error.said


async def test_a_hub_that_is_down_is_said_to_refuse(files: CaFiles) -> None:
    error = await asked(f"https://127.0.0.1:{free_port()}", files.ca_cert)
    assert isinstance(error, NotReachedError)
    assert (error.step, "refuses connections" in error.said) == ("tcp", True)


async def test_a_name_that_nobody_knows_is_said_to_be_unknown(files: CaFiles) -> None:
    error = await asked("https://no-such-host.invalid", files.ca_cert)
    assert isinstance(error, NotReachedError)
    assert error.step == "name"
    assert error.said == "no-such-host.invalid: this name is not known here"


# -- whom to believe --------------------------------------------------------------------------


def self_signed(folder: Path) -> Path:
    private = ec.generate_private_key(ec.SECP256R1())
    made = (
        ca._builder("alone", private.public_key(), _TODAY, _TODAY + timedelta(days=9))
        .issuer_name(ca._common_name("alone"))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(private, hashes.SHA256())
    )
    path = folder / "alone.pem"
    path.write_bytes(ca._key_pem(private) + made.public_bytes(Encoding.PEM))
    return path


def for_another_name(files: CaFiles, folder: Path) -> Path:
    authority, signing = ca._load(files.ca_cert, files.ca_cert.with_name("ca.key"))
    ca._make_leaf(folder / "other.pem", authority, signing, ca._san(["127.0.0.1"]), _TODAY)
    return folder / "other.pem"


def expired(folder: Path) -> CaFiles:
    return ensure_ca(folder / "expired", [], _TODAY - timedelta(days=100))


def of_tomorrow(folder: Path) -> CaFiles:
    return ensure_ca(folder / "tomorrow", [], _TODAY + timedelta(days=3))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("expired", "its certificate has expired"),
        ("of tomorrow", "its certificate is not valid yet"),
        ("for another name", "its certificate is for another name"),
        ("self-signed", "its certificate is signed by itself"),
        ("unknown CA", "signed by an authority that is not trusted here"),
    ],
)
async def test_a_certificate_that_is_not_right_is_refused_in_its_own_words(
    case: str, words: str, files: CaFiles, tmp_path: Path
) -> None:
    trusted = files.ca_cert
    if case == "expired":
        trusted, certificate = expired(tmp_path)[:2]
    elif case == "of tomorrow":
        trusted, certificate = of_tomorrow(tmp_path)[:2]
    elif case == "for another name":
        certificate = for_another_name(files, tmp_path)
    elif case == "self-signed":
        certificate = self_signed(tmp_path)
    else:
        certificate = ensure_ca(tmp_path / "unknown", [], _TODAY).cert
    with served(certificate) as wrong:
        error = await asked(wrong.url, trusted)
        assert wrong.requests == []
    assert isinstance(error, NotReachedError)
    assert error.step == "tls"
    assert words in str(error)


async def test_an_address_that_the_certificate_lacks_is_refused(files: CaFiles) -> None:
    with served(files.cert, "127.0.0.2") as hub:
        error = await asked(f"https://127.0.0.2:{hub.port}", files.ca_cert)
    assert "its certificate is not for this address" in str(error)


async def test_tls_older_than_1_2_is_refused(files: CaFiles) -> None:
    with served(files.cert, newest=ssl.TLSVersion.TLSv1_1) as old:
        error = await asked(old.url, files.ca_cert)
    assert "has no TLS 1.2 or newer" in str(error)


async def test_a_port_that_speaks_no_tls_is_said_so(files: CaFiles) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    error = await asked(f"https://127.0.0.1:{port}", files.ca_cert)
    server.close()
    assert "does not speak TLS there" in str(error)


async def test_without_a_ca_file_the_system_s_trust_store_decides(
    hub: ScriptedHub, files: CaFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not trusted here" in str(await asked(hub.url, None))
    monkeypatch.setenv("SSL_CERT_FILE", str(files.ca_cert))
    assert isinstance(await asked(hub.url, None), Answer)


def test_a_ca_file_that_holds_none_is_said_to_hold_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(SettingError, match="holds no certificate"):
        trust(tmp_path / "ca.pem")
    with pytest.raises(SettingError, match="No such file"):
        trust(tmp_path / "missing.pem")


# -- first contact with a pin -----------------------------------------------------------------


async def test_the_ca_that_was_pinned_is_fetched_without_showing_a_secret(
    hub: ScriptedHub, files: CaFiles, tmp_path: Path
) -> None:
    spelled = files.fingerprint.removeprefix("sha256:").upper()
    pem = await fetch_ca(hub.url, ":".join(spelled[i : i + 2] for i in range(0, 64, 2)))
    [(_, path, headers)] = hub.requests
    assert (path, "Authorization" in headers) == ("/v1/ca.pem", False)
    (tmp_path / "ca.pem").write_bytes(pem)
    assert isinstance(await asked(hub.url, tmp_path / "ca.pem"), Answer)


async def test_another_ca_than_the_pinned_is_refused_with_both_fingerprints(
    hub: ScriptedHub, files: CaFiles
) -> None:
    wanted = "sha256:" + hashlib.sha256(b"another").hexdigest()
    with pytest.raises(HubError) as caught:
        await fetch_ca(hub.url, wanted)
    assert wanted in str(caught.value)
    assert files.fingerprint in str(caught.value)


async def test_a_second_certificate_beside_the_pinned_one_is_not_believed(
    hub: ScriptedHub, files: CaFiles, tmp_path: Path
) -> None:
    stranger = ensure_ca(tmp_path / "stranger", [], _TODAY)
    for smuggled in (
        files.ca_cert.read_bytes() + stranger.ca_cert.read_bytes(),
        stranger.ca_cert.read_bytes() + files.ca_cert.read_bytes(),
    ):
        hub.ca_pem = smuggled
        try:
            (tmp_path / "ca.pem").write_bytes(await fetch_ca(hub.url, files.fingerprint))
        except HubError:
            continue
        with served(stranger.cert) as forged:
            assert "not trusted here" in str(await asked(forged.url, tmp_path / "ca.pem"))


@pytest.mark.parametrize("gave", [b"", b"<html>", b"-----BEGIN CERTIFICATE-----\n%%%\n"])
async def test_what_is_no_certificate_is_said_to_be_none(
    gave: bytes, hub: ScriptedHub, files: CaFiles
) -> None:
    hub.ca_pem = gave
    with pytest.raises(HubError, match="gave no CA certificate"):
        await fetch_ca(hub.url, files.fingerprint)


@pytest.mark.parametrize("pin", ["", "sha256:12", "sha1:" + "a" * 40, "x" * 64])
async def test_a_pin_that_is_no_fingerprint_is_refused(pin: str) -> None:
    with pytest.raises(SettingError, match="is no fingerprint"):
        await fetch_ca("https://localhost:1", pin)


# -- through a proxy --------------------------------------------------------------------------


async def test_the_hub_is_reached_through_a_proxy_with_a_password(
    hub: ScriptedHub, files: CaFiles, proxy: Proxy
) -> None:
    assert isinstance(await asked(hub.url, files.ca_cert, proxy.url()), Answer)
    [(_, _, headers)] = hub.requests
    assert "Proxy-Authorization" not in headers


@pytest.mark.parametrize("credentials", ["wrong", "none"])
async def test_a_proxy_that_wants_another_password_is_said_so(
    credentials: str, hub: ScriptedHub, files: CaFiles, proxy: Proxy
) -> None:
    url = proxy.url("guessed-hunter2") if credentials == "wrong" else proxy.bare
    error = await asked(hub.url, files.ca_cert, url)
    assert isinstance(error, NotReachedError)
    assert error.step == "proxy"
    assert f"the proxy 127.0.0.1:{proxy.port} wants proxy authentication" in str(error)
    assert hub.requests == []


async def test_a_proxy_that_is_down_is_said_to_be(hub: ScriptedHub, files: CaFiles) -> None:
    error = await asked(hub.url, files.ca_cert, f"http://me:hunter2@127.0.0.1:{free_port()}")
    assert isinstance(error, NotReachedError)
    assert (error.step, "refuses connections" in error.said) == ("proxy", True)


async def test_a_hub_that_the_proxy_cannot_reach_is_said_so(files: CaFiles, proxy: Proxy) -> None:
    error = await asked(f"https://localhost:{free_port()}", files.ca_cert, proxy.url())
    assert isinstance(error, NotReachedError)
    assert (error.step, "does not connect to localhost" in error.said) == ("proxy", True)


async def test_the_certificate_is_checked_through_a_proxy_too(
    proxy: Proxy, files: CaFiles, tmp_path: Path
) -> None:
    stranger = ensure_ca(tmp_path / "stranger", [], _TODAY)
    with served(stranger.cert) as opened:
        error = await asked(opened.url, files.ca_cert, proxy.url())
    assert "not trusted here" in str(error)


async def test_the_environment_s_proxy_is_used_unless_no_proxy_excepts_the_hub(
    hub: ScriptedHub, files: CaFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    error = await asked(hub.url, files.ca_cert, proxy_for(hub.url, None))
    assert isinstance(error, NotReachedError)
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert isinstance(await asked(hub.url, files.ca_cert, proxy_for(hub.url, None)), Answer)


async def test_messages_go_through_the_proxy(
    settings: UploaderSettings, hub: ScriptedHub, proxy: Proxy, capfd: pytest.CaptureFixture[str]
) -> None:
    bus = LocalBus()
    through = UploaderSettings.model_validate(settings.model_dump() | {"proxy": proxy.url()})
    async with uploading(through, bus):
        await bus.publish(meter_read(1))
        await until(lambda: len(hub.committed) == 1)
        await bus.stop()
    said = capfd.readouterr()
    assert proxy.password not in said.out + said.err
    assert KEY not in said.out + said.err


# -- what the operator asks -------------------------------------------------------------------


def words(module: object, *typed: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)  # type: ignore[attr-defined]
    return parser.parse_args(typed)


async def test_sent_shows_what_left_byte_for_byte_while_the_uploader_runs(
    settings: UploaderSettings,
    hub: ScriptedHub,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    def sent(*typed: str) -> tuple[int, bytes]:
        args = words(sent_command, "--spool", str(settings.spool_file), *typed)
        code = sent_command.run_command(args)
        return code, capfdbinary.readouterr().out

    def rejects(request: Request) -> bool:
        request.reply(
            200, b'{"results": [{"n": 2, "status": "rejected", "reason": "too new"}], "last": 2}'
        )
        return True

    bus = LocalBus()
    async with uploading(settings, bus) as relay:
        await until(lambda: relay.problem() is None)
        await bus.publish(meter_read(1))
        await until(lambda: states(settings) == ["committed"])
        hub.script = [rejects]
        await bus.publish(meter_read(2))
        await until(lambda: states(settings) == ["committed", "rejected"])

        capfdbinary.readouterr()
        assert sent("--body", "1") == (0, meter_read(1).to_json())
        lines = sent("--json")[1].splitlines()
        assert [json.loads(line)["outcome"] for line in lines] == ["committed", "rejected"]
        assert meter_read(2).to_json() in lines[1]
        assert b"too new" in sent("--rejected")[1]
        assert b"committed" not in sent("--rejected")[1]
        assert b"0 messages wait" in sent()[1]
        tomorrow = (_TODAY + timedelta(days=1)).isoformat()
        assert sent("--json", "--since", tomorrow) == (0, b"")
        assert sent("--body", "99")[0] == 1
        around = json.loads(sent("--around")[1])
        assert around["last"] == 2
        assert json.loads(lines[0])["spool"] == around["spool"]

        assert sent("--again", "1")[0] == 1
        assert sent("--again", "2") == (0, b"message 2 is sent again as 3\n")
        assert sent("--again", "all-rejected")[1].startswith(b"nothing was rejected that")
        relay.wake()
        await until(lambda: states(settings) == ["committed", "rejected", "committed"])
        assert b"too new  (sent again as 3)" in sent("--rejected")[1]
        [_, _, again] = [json.loads(line) for line in sent("--json")[1].splitlines()]
        assert [(was["n"], again["n"]) for was in again["left_as"]] == [(2, 3)]
        assert meter_read(2).to_json() in hub.committed.values()
        await bus.stop()
    assert sent("--body", "2") == (0, meter_read(2).to_json())
    assert sent("--spool", "/nowhere/spool.sqlite")[0] == 2
