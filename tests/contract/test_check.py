"""`pagetally check` on real peers: each thing that may be wrong is told in words of its own."""

from __future__ import annotations

import argparse
import asyncio
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import SecretStr

from services import check_command
from services.solo import ca
from services.solo.ca import CaFiles, ensure_ca
from services.solo.places import Places
from services.solo.site import authorities
from services.uploader.settings import UploaderSettings
from tests.contract.scripted_hub import KEY, ScriptedHub, served
from tests.peers import free_port
from tests.peers.proxy import Proxy, inspecting

_TODAY = datetime.now(UTC)
Steps = dict[str, dict[str, str]]
Check = Callable[..., Steps]


@pytest.fixture(autouse=True)
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PAGETALLY_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("UPLOADER_SPOOL_FILE", str(tmp_path / "spool.sqlite"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CaFiles:
    return ensure_ca(tmp_path_factory.mktemp("hub") / "ca", [], _TODAY)


@pytest.fixture
def hub(files: CaFiles) -> Iterator[ScriptedHub]:
    with served(files.cert) as running:
        yield running


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(KEY, encoding="ascii")
    file.chmod(0o600)
    return file


@pytest.fixture
def check(
    files: CaFiles,
    key: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Check:
    """Runs the command as typed; its steps by name. `proxy` stands in the environment."""

    def run(
        hub_url: str | None = None, *, ca_file: Path | None = None, proxy: str = "", typed: str = ""
    ) -> Steps:
        parser = argparse.ArgumentParser()
        check_command.add_arguments(parser)
        words = ["--json", *typed.split()]
        if hub_url:
            monkeypatch.setenv("UPLOADER_HUB_URL", hub_url)
            words += ["--key-file", str(key), "--ca-file", str(ca_file or files.ca_cert)]
        if proxy:
            monkeypatch.setenv("UPLOADER_PROXY", proxy)
        status = check_command.run_command(parser.parse_args(words))
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert status == any(line["outcome"] == "failed" for line in lines)
        assert all(line["try"] for line in lines if line["outcome"] == "failed")
        assert "hunter2" not in str(lines)
        assert KEY not in str(lines)
        return {line["step"]: line for line in lines}

    return run


def failed(steps: Steps) -> tuple[str, str]:
    """(the only step that failed, what it said and advised)."""
    [step] = [step for step in steps.values() if step["outcome"] == "failed"]
    return step["step"], f"{step['said']}; {step['try']}"


# -- the way to the hub -----------------------------------------------------------------------


def test_every_step_passes_where_all_is_well(check: Check, hub: ScriptedHub) -> None:
    steps = check(hub.url)

    assert list(steps) == ["spool", "disk", "name", "tcp", "proxy", "tls", "hub", "key", "clock"]
    assert {step["outcome"] for step in steps.values()} == {"ok"}
    assert "trusted here: by 'Pagetally hub CA', until 20" in steps["tls"]["said"]


def test_a_name_that_nobody_knows_is_told(check: Check) -> None:
    steps = check("https://no-such-host.invalid")

    assert failed(steps)[0] == "name"
    assert steps["tls"]["outcome"] == "skipped"


def test_a_hub_that_is_down_is_told(check: Check) -> None:
    step, words = failed(check(f"https://127.0.0.1:{free_port()}"))

    assert step == "tcp"
    assert "Connection refused" in words


def test_a_key_that_the_hub_does_not_take_is_told(
    check: Check, hub: ScriptedHub, key: Path
) -> None:
    key.write_text("pt_another", encoding="ascii")
    assert "not accepted" in failed(check(hub.url))[1]

    key.chmod(0o644)
    assert "chmod 600" in failed(check(hub.url))[1]


def test_what_is_no_hub_is_told(check: Check, hub: ScriptedHub) -> None:
    step, words = failed(check(hub.url + "/elsewhere"))

    assert step == "hub"
    assert "no Pagetally hub at this address" in words


def test_a_clock_that_is_wrong_is_told(check: Check, hub: ScriptedHub) -> None:
    hub.date = "Mon, 02 Nov 2020 08:00:00 GMT"

    step, words = failed(check(hub.url))

    assert step == "clock"
    assert "ahead of the hub's" in words


@pytest.mark.parametrize("service", ["discovery", "poller"])
def test_the_broker_is_tried_as_each_service_that_is_set_up(
    service: str, check: Check, rabbit_vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{service.upper()}_BUS_URL", rabbit_vhost)

    assert check()["broker"]["outcome"] == "ok"


def test_a_broker_that_does_not_take_us_in_is_told(
    check: Check, rabbit_vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.check._START_S", 1.0)
    monkeypatch.setenv("UPLOADER_BUS_URL", rabbit_vhost.replace("guest:guest", "guest:hunter2"))
    step = check("https://no-such-host.invalid")["broker"]
    assert (step["outcome"], "UPLOADER_BUS_URL" in step["try"]) == ("failed", True)

    monkeypatch.setenv("UPLOADER_BUS_URL", "amqp:hunter2")
    assert "UPLOADER_BUS_URL: " in check("https://no-such-host.invalid")["broker"]["said"]


# -- certificates -----------------------------------------------------------------------------


def test_a_certificate_that_expired_is_told_with_its_day(check: Check, tmp_path: Path) -> None:
    old = ensure_ca(tmp_path / "old", [], _TODAY - timedelta(days=100))
    with served(old.cert) as hub:
        step, words = failed(check(hub.url, ca_file=old.ca_cert))

    assert step == "tls"
    assert f"has expired, on {_TODAY - timedelta(days=10):%Y-%m-%d}; renew it" in words


def test_a_certificate_for_another_name_is_told_with_its_names(
    check: Check, files: CaFiles, tmp_path: Path
) -> None:
    authority, signing = ca._load(files.ca_cert, files.ca_cert.with_name("ca.key"))
    ca._make_leaf(tmp_path / "other.pem", authority, signing, ca._san(["127.0.0.1"]), _TODAY)
    with served(tmp_path / "other.pem") as hub:
        step, words = failed(check(hub.url))

    assert step == "tls"
    assert "is for another name: it is for 127.0.0.1; UPLOADER_HUB_URL must name" in words


def test_a_certificate_signed_by_itself_is_told(check: Check, tmp_path: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    made = (
        ca._builder("alone", private.public_key(), _TODAY, _TODAY + timedelta(days=9))
        .issuer_name(ca._common_name("alone"))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(private, hashes.SHA256())
    )
    (tmp_path / "alone.pem").write_bytes(ca._key_pem(private) + made.public_bytes(Encoding.PEM))
    with served(tmp_path / "alone.pem") as hub:
        step, words = failed(check(hub.url))

    assert step == "tls"
    assert "is signed by itself and by nobody that is trusted here" in words


def test_a_certificate_by_an_unknown_authority_is_told_with_both_names(
    check: Check, authority: CaFiles, hub: ScriptedHub
) -> None:
    step, words = failed(check(hub.url, ca_file=authority.ca_cert))

    assert step == "tls"
    assert "not trusted here: 'Pagetally hub CA'; UPLOADER_CA_FILE holds 'Example Ltd TLS'" in words


def test_another_authority_of_the_same_name_is_told_as_such(
    check: Check, hub: ScriptedHub, tmp_path: Path
) -> None:
    again = ensure_ca(tmp_path / "again", [], _TODAY)

    assert (
        "holds another authority of that name" in failed(check(hub.url, ca_file=again.ca_cert))[1]
    )


# -- proxies ----------------------------------------------------------------------------------


@pytest.fixture(params=["proxy", "squid"])
def real(request: pytest.FixtureRequest) -> Proxy:
    made: Proxy = request.getfixturevalue(request.param)
    return made


def test_the_hub_is_reached_through_a_proxy_with_a_password(
    check: Check, hub: ScriptedHub, real: Proxy
) -> None:
    steps = check(hub.url, proxy=real.url())

    assert {step["outcome"] for step in steps.values()} == {"ok"}
    assert steps["proxy"]["said"] == f"127.0.0.1:{real.port} lets it through"


def test_a_wrong_password_is_told(check: Check, hub: ScriptedHub, real: Proxy) -> None:
    step, words = failed(check(hub.url, proxy=real.url("guessed-hunter2")))

    assert step == "proxy"
    assert "wants proxy authentication" in words
    assert "does not take the user and password that are set" in words
    assert hub.requests == []


def test_a_password_that_is_not_set_is_told(check: Check, hub: ScriptedHub, real: Proxy) -> None:
    step, words = failed(check(hub.url, proxy=real.bare))

    assert step == "proxy"
    assert "wants proxy authentication (status 407); set USER:PASSWORD" in words


def test_a_proxy_that_is_down_is_told(check: Check, hub: ScriptedHub) -> None:
    port = free_port()

    step, words = failed(check(hub.url, proxy=f"http://me:hunter2@127.0.0.1:{port}"))

    assert step == "tcp"
    assert f"the proxy 127.0.0.1:{port}: Connection refused; is the proxy up?" in words


def test_a_hub_that_the_proxy_cannot_reach_is_told(check: Check, real: Proxy) -> None:
    port = free_port()

    step, words = failed(check(f"https://localhost:{port}", proxy=real.url()))

    assert step == "proxy"
    assert f"does not connect to localhost:{port} (status 50" in words


def test_what_squid_says_of_a_failure_is_told(check: Check, squid: Proxy) -> None:
    assert (
        "(status 503): it cannot connect there"
        in failed(check(f"https://localhost:{free_port()}", proxy=squid.url()))[1]
    )


def test_a_port_that_the_proxy_forbids_is_told(check: Check, squid: Proxy) -> None:
    step, words = failed(check("https://localhost:1", proxy=squid.url()))

    assert step == "proxy"
    assert "does not allow CONNECT to localhost:1 (status 403)" in words
    assert "many proxies allow port 443 alone" in words


@contextmanager
def answering(head: str) -> Iterator[str]:
    """A proxy that says the same to everyone; its URL."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            self.request.sendall(head.encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("503 Service Unavailable\r\nX-Squid-Error: ERR_DNS_FAIL 0", "it does not know that name"),
        (
            "407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate",
            "it offers NTLM, Negotiate, and not Basic; such a proxy is reached through a local one",
        ),
        ("502 Bad Gateway\r\nX-Squid-Error: \x01", "does the proxy know the hub's name"),
    ],
    ids=["name not known", "no Basic", "nothing of use"],
)
def test_what_a_proxy_says_in_its_answer_is_told(head: str, words: str, check: Check) -> None:
    with answering(f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n") as proxy:
        assert words in failed(check("https://hub.example.com", proxy=proxy))[1]


# -- proxies that open TLS --------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CaFiles:
    """The CA of a proxy that opens TLS."""
    folder = tmp_path_factory.mktemp("proxy") / "ca"
    named = ca._common_name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ca, "_common_name", lambda _: named("Example Ltd TLS"))
        return ensure_ca(folder, [], _TODAY)


@pytest.fixture(scope="module")
def opener(files: CaFiles, authority: CaFiles) -> Iterator[Proxy]:
    with inspecting(signing(authority), files.ca_cert) as running:
        yield running


def signing(authority: CaFiles) -> Path:
    both = authority.ca_cert.with_name("both.pem")
    key = authority.ca_cert.with_name("ca.key")
    both.write_bytes(authority.ca_cert.read_bytes() + key.read_bytes())
    return both


def test_a_proxy_that_opens_tls_is_told_by_the_name_of_its_authority(
    check: Check, hub: ScriptedHub, opener: Proxy
) -> None:
    step, words = failed(check(hub.url, proxy=opener.url()))

    assert step == "tls"
    assert "not trusted here: 'Example Ltd TLS'; UPLOADER_CA_FILE holds 'Pagetally hub CA'" in words
    assert "may be a proxy or firewall that opens TLS on the way: then add its CA" in words
    assert hub.requests == []


def test_with_its_authority_beside_the_hub_s_a_proxy_that_opens_tls_is_passed(
    check: Check,
    hub: ScriptedHub,
    opener: Proxy,
    files: CaFiles,
    authority: CaFiles,
    tmp_path: Path,
) -> None:
    (tmp_path / "both.pem").write_bytes(files.ca_cert.read_bytes() + authority.ca_cert.read_bytes())

    through = check(hub.url, ca_file=tmp_path / "both.pem", proxy=opener.url())

    assert {step["outcome"] for step in through.values()} == {"ok"}
    assert "by 'Example Ltd TLS'" in through["tls"]["said"]


def test_the_system_s_authorities_count_beside_those_of_the_file(
    check: Check,
    hub: ScriptedHub,
    opener: Proxy,
    authority: CaFiles,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A site has pinned the hub's own CA, and its box trusts the proxy's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_cert))

    assert check(hub.url, proxy=opener.url())["key"]["outcome"] == "ok"
    monkeypatch.delenv("UPLOADER_PROXY")
    assert check(hub.url)["key"]["outcome"] == "ok"


def test_a_site_with_a_pin_is_set_up_through_a_proxy_that_opens_tls(
    check: Check,
    hub: ScriptedHub,
    opener: Proxy,
    files: CaFiles,
    authority: CaFiles,
    key: Path,
    tmp_path: Path,
) -> None:
    hub.ca_pem = files.ca_cert.read_bytes()
    settings = UploaderSettings(
        hub_url=hub.url, key_file=key, ca_file=authority.ca_cert, proxy=SecretStr(opener.url())
    )
    places = Places(tmp_path)
    places.make(hub=False)

    both = asyncio.run(authorities(places, settings, files.fingerprint.removeprefix("sha256:")))

    assert check(hub.url, ca_file=both)["key"]["outcome"] == "ok"
    assert check(hub.url, ca_file=both, proxy=opener.url())["key"]["outcome"] == "ok"


def test_a_hub_that_the_opening_proxy_does_not_believe_is_told(
    check: Check, hub: ScriptedHub, authority: CaFiles
) -> None:
    with inspecting(signing(authority), authority.ca_cert) as opener:
        steps = check(hub.url, ca_file=authority.ca_cert, proxy=opener.url())

    step, words = failed(steps)
    assert step == "proxy"
    assert "opens TLS here, and did not get through to the hub" in words
    assert "does not believe the hub's certificate; add the hub's CA" in words
