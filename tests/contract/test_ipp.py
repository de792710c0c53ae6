"""IPP on the wire: CUPS' own printer and server, and what may answer in a printer's place."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from uuid import uuid4

import certifi
import pytest

from services.poller.command import probe
from services.poller.ipp import WANTED, read_ipp
from services.poller.main import polling
from services.poller.settings import PollerSettings
from services.solo.ca import ensure_ca
from shared.bus.local import LocalBus
from shared.bus.port import UPLOADER_EVENTS, Delivery
from shared.ceiling import Ceiling, OutsideCeilingError
from shared.clock import utc_now
from shared.decode import decode
from shared.ipp.client import MAX_ANSWER_BYTES, MAX_QUEUES, IppClient
from shared.ipp.errors import (
    IppDeniedError,
    IppNoAnswerError,
    IppUnreadableError,
    NotIppError,
)
from shared.ipp.values import text_in
from shared.ipp.wire import Attributes
from shared.ipp_uri import ipp_uri_of
from shared.message import Message
from shared.messages import DeviceFound, IppTarget, MeterRead, ReadFailed, order_id
from tests.peers.ipp import cups_queue, cups_server, printer
from tests.unit.poller.ipp_answers import answer, integer, text
from tests.unit.poller.reading import PROFILES

ROUND = uuid4()
ANY_PORT = frozenset(range(1, 65536))
LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
MFP = """
ATTR textWithoutLanguage printer-make-and-model "HP Color LaserJet 9"
ATTR textWithoutLanguage printer-device-id "MFG:HP;MDL:Color LaserJet 9;SN:VNB3K00417;"
ATTR textWithoutLanguage printer-firmware-string-version "2511A"
ATTR integer printer-impressions-completed 48213
ATTR collection printer-impressions-completed-col {
  MEMBER integer monochrome 20000
  MEMBER integer monochrome-two-sided 20000
  MEMBER integer full-color 8213
  MEMBER integer blank 0
}
ATTR integer printer-media-sheets-completed 38213
ATTR integer printer-pages-completed 47000
ATTR octetString printer-supply "index=1;class=supplyThatIsConsumed;type=tonerCartridge;unit=percent;maxcapacity=100;level=61;colorantname=black;"
ATTR textWithoutLanguage printer-supply-description "Black cartridge"
"""  # noqa: E501  (one line each)
UNCOUNTED = """
ATTR textWithoutLanguage printer-make-and-model "Northwind 9"
ATTR unknown printer-impressions-completed
ATTR no-value printer-media-sheets-completed
"""

QUEUES = """
<Printer desk>
DeviceURI usb://Northwind/9?serial=N9-11
</Printer>
<Printer hall>
DeviceURI ipp://127.0.0.1:9/ipp/print
</Printer>
"""


def ceiling(port: int, *networks: str) -> Ceiling:
    """What may be read by IPP at `port`; nothing by SNMP."""
    named = [ip_network(text) for text in networks] or LOOPBACK
    return Ceiling(networks=()).naming_ipp(named, port)


async def ask(
    uri: str, read_s: float = 5.0, ca_file: Path | None = None, site: Ceiling | None = None
) -> Attributes:
    typed = ipp_uri_of(uri)
    async with IppClient(site or ceiling(typed.port), read_s=read_s, ca_file=ca_file) as client:
        return (await client.ask(typed, WANTED)).attributes


async def read(uri: str) -> MeterRead:
    typed, target = ipp_uri_of(uri), IppTarget(ipp=uri)
    async with IppClient(ceiling(typed.port), read_s=5) as client:
        device = await read_ipp(client.ask, typed, utc_now)
    return device.message(order_id(ROUND, target), ROUND, "agent-1", target, PROFILES)


# -- real printers ------------------------------------------------------------------------------


async def test_a_printer_is_read_with_its_meters_supplies_state_and_identity() -> None:
    with printer(MFP) as port:
        said = await read(f"ipp://127.0.0.1:{port}/ipp/print")

    assert said.meters == {"total": 48213, "sheets": 38213, "mono": 40000, "color": 8213}
    assert (said.device.make, said.device.model) == ("HP", "Color LaserJet 9")
    assert (said.device.serial, said.device.firmware) == ("VNB3K00417", "2511A")
    [supply] = said.supplies
    assert (supply.description, supply.level_percent) == ("Black cartridge", 61.0)
    assert (supply.type, supply.colorant) == ("tonerCartridge", "black")
    assert (said.status.printer, said.status.errors) == ("idle", [])
    assert said.native["pages"] == 47000
    assert said.attributes["printer-impressions-completed"] == ("integer", 48213)


async def test_counters_that_are_unknown_are_no_meters() -> None:
    with printer(UNCOUNTED) as port:
        said = await read(f"ipp://127.0.0.1:{port}/ipp/print")

    assert said.meters == {}
    assert said.no_meters_because == "no total: printer-impressions-completed is unknown"
    assert said.attributes["printer-impressions-completed"] == ("unknown", None)
    assert said.attributes["printer-media-sheets-completed"] == ("no-value", None)


async def test_ipps_is_read_over_tls_by_address_and_by_name() -> None:
    with printer(MFP) as port:
        for host in ("127.0.0.1", "localhost"):
            said = await ask(f"ipps://{host}:{port}/ipp/print")
            assert said["printer-impressions-completed"][0].value == 48213


async def test_a_certificate_is_checked_where_the_site_names_authorities() -> None:
    others = Path(certifi.where())
    with printer(MFP) as port, pytest.raises(IppUnreadableError, match="certificate verify failed"):
        await ask(f"ipps://127.0.0.1:{port}/ipp/print", ca_file=others)


async def test_a_certificate_of_the_site_s_authorities_must_bear_the_name_that_was_typed(
    tmp_path: Path,
) -> None:
    async def resolve(_: str) -> list[str]:
        return ["127.0.0.2"]

    made = ensure_ca(tmp_path, ["hall.example", "127.0.0.2"], utc_now())
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(made.cert, made.key)
    async with server(GOOD, host="127.0.0.2", tls=tls) as there:
        site = ceiling(there.port)
        async with IppClient(site, read_s=5, ca_file=made.ca_cert, resolve=resolve) as client:
            for host in ("hall.example", "127.0.0.2"):
                assert await client.ask(ipp_uri_of(f"ipps://{host}:{there.port}/ipp"), WANTED)
            with pytest.raises(IppUnreadableError, match="Hostname mismatch"):
                await client.ask(ipp_uri_of(f"ipps://desk.example:{there.port}/ipp"), WANTED)


async def test_a_printer_is_found_without_its_path() -> None:
    with printer(MFP) as port:
        assert await ask(f"ipp://127.0.0.1:{port}")


async def test_a_wrong_path_is_told() -> None:
    with (
        printer(MFP) as port,
        pytest.raises(IppUnreadableError, match="no printer at this path") as told,
    ):
        await ask(f"ipp://127.0.0.1:{port}/printers/other")
    assert not isinstance(told.value, NotIppError)


async def test_a_queue_of_cups_is_read_without_meters() -> None:
    with cups_queue() as port:
        said = await read(f"ipp://127.0.0.1:{port}/printers/hall")

    assert (said.meters, said.native) == ({}, {})
    assert "print queue of CUPS" in (said.no_meters_because or "")
    assert [supply.level_percent for supply in said.supplies] == [75.0, None]
    assert (said.status.printer, said.device.location) == ("idle", "Hall, ground floor")


async def test_probe_takes_a_uri_and_prints_the_same_shape(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings = PollerSettings(ceiling_file=tmp_path / "none.toml")
    with printer(MFP) as port:
        uri = f"ipp://127.0.0.1:{port}/ipp/print"
        code = await probe([uri, "ipp://127.0.0.1:9/ipp"], settings=settings, as_json=True)

    said = capsys.readouterr()
    first, second = [json.loads(line) for line in said.out.splitlines()]
    assert list(first) == list(second) == ["address", "outcome", "reason", "read"]
    assert (first["address"], first["outcome"], first["reason"]) == (uri, "read", None)
    message = decode("meter.read.v1", json.dumps(first["read"]).encode())
    assert isinstance(message, MeterRead)
    assert (message.meters["total"], message.target) == (48213, IppTarget(ipp=uri))
    assert (second["outcome"], second["read"], code) == ("no_answer", None, 1)
    assert "public" not in said.err


async def queues(port: int, wanted: Sequence[str] = ("printer-name",)) -> Sequence[Attributes]:
    async with IppClient(ceiling(port), read_s=5) as client:
        return await client.queues(ipp_uri_of(f"ipp://127.0.0.1:{port}"), wanted)


async def test_cups_says_what_its_queues_are_attached_to() -> None:
    with cups_server(QUEUES) as port:
        found = await queues(port, ["printer-name", "device-uri"])

    assert [(text_in(one, "printer-name"), text_in(one, "device-uri")) for one in found] == [
        ("desk", "usb://Northwind/9?serial=N9-11"),
        ("hall", "ipp://127.0.0.1:9/ipp/print"),
    ]


async def test_a_cups_server_without_queues_has_none() -> None:
    with cups_server("") as port:
        assert await queues(port) == []


async def test_no_more_queues_are_taken_than_were_asked_for() -> None:
    more = answer({"printer-name": text("q")})[:-1]
    each = more[len(answer({})) - 1 :]
    async with server(http(more + each * (MAX_QUEUES + 5) + b"\x03")) as there:
        assert len(await queues(there.port)) == MAX_QUEUES


@pytest.mark.parametrize("status", [0x0401, 0x0402, 0x0403])
async def test_a_server_that_knows_its_users_denies_the_others(status: int) -> None:
    for reply in (http(answer({}, status)), http(b"", status="403 Forbidden")):
        async with server(reply) as there:
            with pytest.raises(IppDeniedError):
                await queues(there.port)


# -- the ceiling --------------------------------------------------------------------------------


class Server:
    """Answers each request alike, and counts the connections."""

    def __init__(self) -> None:
        self.at: list[str] = []  # the address of each connection
        self.requests: list[bytes] = []
        self.port = 0

    @property
    def connections(self) -> int:
        return len(self.at)


Reply = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(
    *replies: Reply,
    host: str = "127.0.0.1",
    greeting: bool = False,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """The last reply is given to all further requests; none: silence. A greeting waits for none."""
    made = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.at.append(writer.get_extra_info("sockname")[0])
        try:
            made.requests.append(b"" if greeting else await reader.readuntil(b"\r\n\r\n"))
            reply = replies[min(len(made.requests), len(replies)) - 1] if replies else None
            if isinstance(reply, bytes):
                writer.write(reply)
                await writer.drain()
            elif reply:
                await reply(writer)
            else:
                await reader.read(-1)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, host, 0, ssl=tls)
    made.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield made


def http(
    body: bytes, kind: str = "application/ipp", status: str = "200 OK", more: str = ""
) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


GOOD = http(answer({"printer-impressions-completed": integer(7)}))


async def test_a_whole_poller_reads_what_the_ceiling_allows_and_touches_nothing_else() -> None:
    came: list[Message] = []
    bus = LocalBus()

    async def keep(message: Message, _: Delivery) -> list[Message]:
        came.append(message)
        return []

    bus.on(UPLOADER_EVENTS, keep, prefetch=10)
    async with (
        server(GOOD) as allowed,
        server(GOOD) as other,
        polling(PollerSettings(read_s=5), bus, ceiling(allowed.port)),
    ):
        await bus.start()
        for there in (allowed, other):
            target = IppTarget(ipp=f"ipp://localhost:{there.port}/ipp")
            found = DeviceFound(
                order=order_id(ROUND, target),
                round=ROUND,
                target=target,
                found_by="named",
                read_before=utc_now() + timedelta(minutes=5),
            )
            await bus.publish(found)
        await bus.stop()

    outcomes = {one.target: one for one in came if isinstance(one, MeterRead | ReadFailed)}
    taken = outcomes[IppTarget(ipp=f"ipp://localhost:{allowed.port}/ipp")]
    assert isinstance(taken, MeterRead)
    assert taken.meters == {"total": 7}
    refused = outcomes[IppTarget(ipp=f"ipp://localhost:{other.port}/ipp")]
    assert isinstance(refused, ReadFailed)
    assert refused.outcome == "refused"
    assert (allowed.connections, other.connections) == (1, 0)


@pytest.mark.parametrize(
    ("site", "reason"),
    [
        (Ceiling(networks=()), "does not allow TCP port"),
        (Ceiling(networks=(ip_network("127.0.0.0/8"),)), "does not allow TCP port"),
        (Ceiling(networks=(), ipp_ports=ANY_PORT), "does not allow TCP port"),
        (Ceiling(networks=(ip_network("10.0.0.0/8"),), ipp_ports=ANY_PORT), "must be named"),
        (Ceiling(networks=()).naming(LOOPBACK, ANY_PORT), "does not allow TCP port"),
    ],
)
async def test_what_the_ceiling_does_not_allow_is_not_connected_to(
    site: Ceiling, reason: str
) -> None:
    async with server(GOOD) as there:
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(OutsideCeilingError, match=reason):
                await ask(f"ipp://{host}:{there.port}/ipp/print", site=site)

        assert there.connections == 0


async def test_of_a_name_s_addresses_only_those_allowed_are_connected_to() -> None:
    async def resolve(host: str) -> list[str]:
        return {"hall.example": ["127.0.0.3", "127.0.0.2"], "desk.example": ["127.0.0.3"]}[host]

    async with server(GOOD, host="0.0.0.0") as there:
        site = ceiling(there.port, "127.0.0.2/32")
        async with IppClient(site, read_s=5, resolve=resolve) as client:
            came = await client.ask(ipp_uri_of(f"ipp://hall.example:{there.port}/ipp"), WANTED)
            with pytest.raises(OutsideCeilingError, match=r"127\.0\.0\.3: "):
                await client.ask(ipp_uri_of(f"ipp://desk.example:{there.port}/ipp"), WANTED)

    assert (came.address, there.at) == ("127.0.0.2", ["127.0.0.2"])
    assert f"Host: hall.example:{there.port}".encode() in there.requests[0]


# -- what may answer in a printer's place --------------------------------------------------------


async def test_a_printer_that_speaks_only_1_1_is_asked_in_it() -> None:
    refusals = [http(answer({}, status)) for status in (0x0503, 0x0400)]
    for refusal in refusals:
        async with server(refusal, GOOD) as there:
            assert await ask(f"ipp://127.0.0.1:{there.port}/ipp")
            assert there.connections == 2


@pytest.mark.parametrize(
    "elsewhere",
    [http(answer({}, 0x0406, "no such printer")), http(b"gone", "text/html", "404 Not Found")],
)
async def test_a_printer_at_an_older_path_is_found(elsewhere: bytes) -> None:
    async with server(elsewhere, GOOD) as there:
        assert await ask(f"ipp://127.0.0.1:{there.port}/ipp/print")

    paths = [request.split()[1] for request in there.requests]
    assert paths == [b"/ipp/print", b"/ipp"]


async def test_a_redirect_is_told_and_not_followed() -> None:
    async with server(GOOD) as target:
        to = f"Location: http://127.0.0.1:{target.port}/ipp\r\n"
        async with server(http(b"", status="302 Found", more=to)) as there:
            with pytest.raises(IppUnreadableError, match="is not followed"):
                await ask(f"ipp://127.0.0.1:{there.port}/ipp")

    assert target.connections == 0


async def test_no_proxy_of_the_box_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(GOOD) as proxy, server(GOOD) as there:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert await ask(f"ipp://127.0.0.1:{there.port}/ipp")

    assert (proxy.connections, there.connections) == (0, 1)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (http(b"<html>", "text/html"), "which is no IPP"),
        (http(b"gone", "text/html", "404 Not Found"), "no IPP printer is at this path"),
        (http(answer({})), "names no printer"),
    ],
)
async def test_a_web_server_is_no_printer(reply: bytes, reason: str) -> None:
    async with server(reply) as there:
        with pytest.raises(NotIppError, match=reason):
            await ask(f"ipp://127.0.0.1:{there.port}/ipp")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (http(b"", status="401 Unauthorized"), "only to users that it knows"),
        (http(answer({}, 0x0403, "go\x1b[31m away")), r'not authorized \("go\[31m away"\)'),
        (http(answer({}, 0x0507)), "busy"),
        (http(b"\x02\x00\x00\x00"), "broke off: 4 octets"),
        (http(answer({"a": integer(1)}))[:-3], "broke off"),
        (http(b"", status="426 Upgrade Required"), "write ipps:// instead"),
        (
            http(gzip.compress(answer({}), mtime=0), more="Content-Encoding: gzip\r\n"),
            "none of IPP's",
        ),
    ],
)
async def test_an_answer_that_cannot_be_read_is_told(reply: bytes, reason: str) -> None:
    async with server(reply) as there:
        with pytest.raises(IppUnreadableError, match=reason) as told:
            await ask(f"ipp://127.0.0.1:{there.port}/ipp")
    assert not isinstance(told.value, NotIppError)


@pytest.mark.parametrize("reply", [b"", b"\x00\xff" * 9, b"HTTP/1.1 two\r\n\r\n", b"220 ftp\r\n"])
async def test_what_speaks_no_http_gives_no_answer(reply: bytes) -> None:
    async with server(reply) as there:
        with pytest.raises(IppNoAnswerError, match="broke off"):
            await ask(f"ipp://127.0.0.1:{there.port}/ipp")


async def test_a_server_without_tls_is_told() -> None:
    async def plain(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with server(plain, greeting=True) as there:
        with pytest.raises(IppUnreadableError, match="no TLS with it"):
            await ask(f"ipps://127.0.0.1:{there.port}/ipp")


async def test_tls_that_breaks_after_the_handshake_is_told(tmp_path: Path) -> None:
    async def plain(writer: asyncio.StreamWriter) -> None:
        os.write(writer.get_extra_info("socket").fileno(), b"HTTP/1.1 400 Bad Request\r\n\r\n")

    made = ensure_ca(tmp_path, ["127.0.0.1"], utc_now())
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(made.cert, made.key)
    async with server(plain, tls=tls) as there:
        with pytest.raises(IppUnreadableError, match="no TLS with it"):
            await ask(f"ipps://127.0.0.1:{there.port}/ipp")


async def test_a_silent_server_costs_no_more_than_a_read_may() -> None:
    async with server() as there:
        with pytest.raises(IppNoAnswerError, match=r"no IPP answer in 0\.3 s"):
            await ask(f"ipp://127.0.0.1:{there.port}/ipp", read_s=0.3)


async def test_an_answer_octet_by_octet_costs_no_more_than_a_read_may() -> None:
    async def dawdle(writer: asyncio.StreamWriter) -> None:
        head, _, body = GOOD.partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        for octet in body:
            writer.write(bytes([octet]))
            await writer.drain()
            await asyncio.sleep(0.1)

    async with server(dawdle) as there:
        with pytest.raises(IppUnreadableError, match="not all of its answer came in"):
            await ask(f"ipp://127.0.0.1:{there.port}/ipp", read_s=1)


async def test_an_answer_without_end_is_cut_at_its_bound() -> None:
    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/ipp\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            await writer.drain()

    async with server(flood) as there:
        with pytest.raises(IppUnreadableError, match=f"longer than {MAX_ANSWER_BYTES} bytes"):
            await ask(f"ipp://127.0.0.1:{there.port}/ipp")


async def test_headers_without_end_are_cut() -> None:
    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-More: " + b"x" * 60_000 + b"\r\n")
            await writer.drain()

    async with server(flood) as there:
        with pytest.raises(IppNoAnswerError, match="broke off"):
            await ask(f"ipp://127.0.0.1:{there.port}/ipp")
