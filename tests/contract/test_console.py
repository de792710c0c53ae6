"""The console's page, from a real database."""

from __future__ import annotations

import asyncio
from html.parser import HTMLParser
from uuid import uuid4

import httpx
import pytest

from services.console import app as console
from services.console.app import create_app
from services.console.main import run
from services.console.settings import ConsoleSettings
from services.ingest.entered import Author, Typed, enter
from shared.store.postgres import Store, open_store
from tests.contract.hub_rows import Hub, at, new_hub

NOW = at("2026-11-01T06:00")
SETTINGS = ConsoleSettings.model_validate({"database_url": "postgresql://unused"})
HOSTILE = '<script>alert(1)</script>"onmouseover=x \u202e'


class Tags(HTMLParser):
    """Which elements and attributes a page has, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture
async def hub(store: Store) -> Hub:
    return await new_hub(store, zone="Europe/Berlin")


async def get(
    store: Store, path: str = "/", host: str = "127.0.0.1:8080"
) -> tuple[httpx.Response, Tags]:
    app = create_app(SETTINGS, store, lambda: NOW)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
        response = await client.get(path)
    return response, Tags(response.text)


async def a_round(hub: Hub) -> None:
    round_id, read_order, failed_order, open_order = uuid4(), uuid4(), uuid4(), uuid4()
    device = await hub.device("A1234", "2026-10-31T08:00")
    await hub.read(
        "2026-10-31T08:00",
        {"total": 424405, "mono": 241538},
        device,
        serial="A1234",
        round_id=round_id,
        order_id=read_order,
    )
    await hub.run(
        "insert into round values"
        " (%s, %s, 'read', 'agent', %s, %s, false, 1, 254, 3, 0, 600, 51000)",
        *(hub.site_id, round_id, at("2026-10-31T07:59"), at("2026-10-31T08:01")),
    )
    await hub.run(
        "insert into read_failed values (%s, %s, %s, %s, 'snmp:[10.0.0.8]:161', %s, %s,"
        " 'unreadable', 'the walk broke off')",
        *(hub.site_id, uuid4(), failed_order, round_id, NOW, NOW),
    )
    names = [
        ("order", "snmp:[10.0.0.7]:161", read_order, None),
        ("order", "snmp:[10.0.0.8]:161", failed_order, None),
        ("order", "snmp:[10.0.0.6]:161", open_order, None),
        *(("silent", f"snmp:[10.0.1.{n}]:161", None, "silent in 2 rounds") for n in range(30)),
        ("not_reached", "10.9.9.9", None, "outside the ceiling"),
    ]
    for position, (kind, target, order_id, note) in enumerate(names):
        await hub.run(
            "insert into round_name values (%s, %s, 1, %s, %s, %s, %s, %s)",
            *(hub.site_id, round_id, kind, position, target, order_id, note),
        )


async def test_the_page_shows_devices_with_their_last_read_and_its_zone(hub: Hub) -> None:
    await a_round(hub)

    response, page = await get(hub.store)

    assert response.status_code == 200
    assert "Brother HL-L2350DW A1234 10.0.0.7" in page.text
    assert "2026-10-31 09:00 CET 424,405 241,538 read" in page.text  # color is blank
    assert f"site-of-{hub.customer.id} : data as of 2026-10-31 09:00 CET" in page.text
    assert "last contact never" in page.text


async def test_a_device_shows_its_newest_read_with_meters_whatever_was_read_without(
    hub: Hub,
) -> None:
    for serial, day in (("A1", "30"), ("A2", "10")):
        device = await hub.device(serial, "2026-10-01T08:00")
        await hub.read(f"2026-10-{day}T08:00", {"total": int(day)}, device, serial=serial)
        await hub.read("2026-10-31T08:00", {}, device, serial=serial, target="spooled:pc/laser")

    _, page = await get(hub.store)

    assert "A1 10.0.0.7 site-of-1 2026-10-30 09:00 CET 30 read" in page.text
    assert "A2 10.0.0.7 site-of-1 2026-10-10 10:00 CEST 10 unread for over 7 days" in page.text
    assert "no meters" not in page.text


async def test_a_meter_that_was_entered_by_hand_is_shown_until_a_later_read_tells_it(
    hub: Hub,
) -> None:
    device = await hub.device("A1", "2026-10-01T08:00")
    await hub.read("2026-10-31T08:00", {}, device, serial="A1")
    await hub.run("insert into site_head (site_id) values (%s)", hub.site_id)
    await hub.run("insert into assignment values (%s, %s)", device, hub.site_id)
    typed = Typed({"total": 1234}, "2026-10-30T08:00")
    await enter(hub.store, "site-of-1", "A1", typed, Author("dana", "read off the panel"))

    _, entered = await get(hub.store)
    await hub.read("2026-10-31T09:00", {"total": 1300}, device, serial="A1")
    _, read = await get(hub.store)

    status = "A1 10.0.0.7 site-of-1 2026-10-30 08:00 CET 1,234 entered by hand by dana"
    assert "Brother HL-L2350DW " + status in entered.text
    assert "2026-10-31 10:00 CET 1,300 read" in read.text


async def test_a_round_says_found_and_who_is_missing_by_name(hub: Hub) -> None:
    await a_round(hub)

    _, page = await get(hub.store)

    assert "3 found = 1 read + 1 failed + 1 open; 254 addresses asked" in page.text
    assert "Failed 1 10.0.0.8 : the walk broke off" in page.text
    assert "Open 1 10.0.0.6" in page.text
    assert "Not reached 1 10.9.9.9 : outside the ceiling" in page.text
    assert "Silent 30 10.0.1.0 : silent in 2 rounds" in page.text
    assert "and 10 more silent that are not shown" in page.text


async def test_text_of_devices_is_only_ever_text(hub: Hub) -> None:
    device = await hub.device("A1234", "2026-10-31T08:00")
    await hub.read(
        "2026-10-31T08:00", {}, device, make=HOSTILE, model=HOSTILE, no_meters_because=HOSTILE
    )
    await hub.read("2026-10-31T08:00", {}, held=HOSTILE, model=HOSTILE, target=HOSTILE)

    response, page = await get(hub.store)

    assert "<script" not in response.text
    assert page.text.count("<script>alert(1)</script>") >= 6
    assert page.tags.isdisjoint({"script", "style", "iframe", "img", "form"})
    assert not any(name.startswith("on") or name == "style" for name in page.attributes)


async def test_every_answer_forbids_script_frames_and_guessing(hub: Hub) -> None:
    for path in ("/", "/static/console.css", "/none", "/?customer=999", "/?customer=x"):
        response, _ = await get(hub.store, path)
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'")
        assert "script-src" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
    assert (
        (await get(hub.store, "/static/console.css"))[0]
        .headers["content-type"]
        .startswith("text/css")
    )


async def test_a_name_that_was_turned_to_loopback_is_refused(hub: Hub) -> None:
    response, _ = await get(hub.store, host="evil.example:8080")

    assert response.status_code == 400


async def test_reports_show_how_far_each_mailbox_is(hub: Hub) -> None:
    report = uuid4()
    await hub.run(
        "insert into report values"
        " (%s, %s, 'x', %s, %s, 'UTC', %s, '<x@y>', 'meters.xlsx', '', '')",
        *(report, hub.customer.id, at("2026-10-01T00:00"), NOW, NOW),
    )
    for recipient, state, twice, reason in (
        ("a@dealer.example", "sent", True, None),
        ("b@dealer.example", "refused", False, "550 no such mailbox"),
        ("c@dealer.example", "filed", False, "no mail server is set"),
    ):
        await hub.run(
            "insert into delivery (report_id, recipient, state, possibly_twice, reason)"
            " values (%s, %s, %s, %s, %s)",
            *(report, recipient, state, twice, reason),
        )

    _, page = await get(hub.store)

    assert "a@dealer.example : sent possibly twice" in page.text
    assert "b@dealer.example : refused 550 no such mailbox" in page.text
    assert "c@dealer.example : filed no mail server is set" in page.text


async def test_devices_that_were_silent_for_long_and_never_read_are_shown(hub: Hub) -> None:
    old = await hub.device("A1234", "2026-01-01T00:00")
    await hub.read("2026-01-01T08:00", {"total": 7}, old, serial="A1234")
    await hub.device("B1234", "2026-01-01T00:00")

    _, page = await get(hub.store)

    assert "A1234 10.0.0.7" in page.text
    assert "2026-01-01 09:00 CET 7 unread for over 7 days" in page.text
    assert "serial BROTHER B1234 never never read" in page.text


async def test_long_lists_are_cut_and_the_rest_is_counted(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_DEVICES", 2)
    for number in range(5):
        await hub.device(f"A{number}", "2026-01-01T00:00")

    _, page = await get(hub.store)

    assert "Devices 5" in page.text
    assert "and 3 more devices that are not shown" in page.text


async def test_each_customer_has_its_own_page(hub: Hub, store: Store) -> None:
    other = await new_hub(store, "Zenith <b>")
    device = await other.device("Z1234", "2026-10-01T00:00")
    await other.read("2026-10-31T08:00", {"total": 7}, device, serial="Z1234")

    _, first = await get(store)
    response, second = await get(store, f"/?customer={other.customer.id}")

    assert "Z1234" not in first.text
    assert "Z1234" in second.text
    assert "Zenith <b>" not in response.text


async def test_an_empty_hub_says_what_to_do(store: Store) -> None:
    response, page = await get(store)

    assert response.status_code == 200
    assert "pagetally admin customer add NAME" in page.text


async def test_without_its_database_the_page_says_so(store_url: str) -> None:
    async with open_store(store_url) as store:
        pass

    response, page = await get(store)

    assert response.status_code == 503
    assert "The database does not answer" in page.text


async def test_it_serves_on_loopback_until_it_is_stopped(hub: Hub) -> None:
    stopping, ports = asyncio.Event(), asyncio.Queue[int]()
    settings = SETTINGS.model_copy(update={"port": 0})
    serving = asyncio.create_task(run(settings, hub.store, stopping, ports.put_nowait))
    port = await asyncio.wait_for(ports.get(), 10)
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"http://127.0.0.1:{port}/")
    stopping.set()
    await asyncio.wait_for(serving, 10)

    assert response.status_code == 200
    assert "server" not in response.headers
