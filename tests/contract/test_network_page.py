"""The console's network page: what a site listed, and choosing of it, on a real database."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from html.parser import HTMLParser

import httpx
import pytest
from pydantic import SecretStr

from services.console.app import create_app
from services.console.settings import ConsoleSettings
from shared.choosing import Choice, with_choices
from shared.messages import Preview
from shared.scope import AskingManner, CredentialRange, Scope, SegmentRule
from shared.store.postgres import Store
from shared.store.scope import change_scope, scope_in_force, set_scope
from tests.contract.hub_rows import Hub, at, new_hub
from tests.contract.listed import BRANCH, OFFICE, SERVERS, office, put_listed, segment

NOW = at("2026-11-01T06:00")
HERE = "http://127.0.0.1:8080"
HOSTILE = '<script>alert(1)</script>"onfocus=x =cmd|calc \x1b[31m\u202e'
SCOPE = {
    "segments": [OFFICE, "10.50.0.5-10.50.0.9"],
    "targets": ["printer.example"],
    "exclusions": ["10.20.0.99"],
    "credentials": [{"range": "10.20.0.0/16", "credentials": ["public"]}],
    "read_schedule": "0 3 * * *",
    "spoolers": [{"host": "desk-7", "protocol": "rprn_pipe"}],
}


class Page(HTMLParser):
    """Its text, what elements and attributes it has, and its form as a browser would send it."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.response = response
        self.fields: dict[str, str] = {}
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        said = dict(attrs)
        name = said.get("name")
        if tag not in ("input", "textarea") or not name:
            return
        if said.get("type") != "checkbox":
            self.fields[name] = said.get("value") or ""
        elif "checked" in said:
            self.fields[name] = "on"

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def of(self, network: str, field: str) -> str:
        """The name of a row's field."""
        [name] = [
            name
            for name, value in self.fields.items()
            if name.startswith("network-") and value == network
        ]
        return name.replace("network", field)


class Person:
    """One browser."""

    def __init__(self, hub: Hub, client: httpx.AsyncClient) -> None:
        self.path = f"/network?site=site-of-{hub.customer.id}"
        self.client = client

    async def look(self, more: str = "") -> Page:
        return Page(await self.client.get(self.path + more))

    async def send(
        self, fields: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        return await self.client.post(
            "/network/choose", data=dict(fields), headers={"Origin": HERE, **(headers or {})}
        )


@asynccontextmanager
async def browsing(hub: Hub, host: str = "127.0.0.1") -> AsyncIterator[Person]:
    settings = ConsoleSettings(database_url=SecretStr("postgresql://unused"), host=host)
    transport = httpx.ASGITransport(create_app(settings, hub.store, lambda: NOW))
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
        yield Person(hub, client)


@pytest.fixture
async def hub(store: Store) -> Hub:
    return await new_hub(store, zone="Europe/Berlin")


@pytest.fixture
async def person(hub: Hub) -> AsyncIterator[Person]:
    async with browsing(hub) as browser:
        yield browser


async def scope_of(hub: Hub) -> Scope:
    async with hub.store.transaction() as connection:
        return await scope_in_force(connection, hub.site_id)


async def test_it_shows_each_segment_with_its_source_size_devices_choice_and_preview(
    hub: Hub, person: Person
) -> None:
    await set_scope(hub.store, hub.site_id, SCOPE, author="ann", now=NOW)
    await put_listed(hub, office()[:1])
    await put_listed(
        hub, office(), scope_version=1, notes=["the gateway did not answer; try DISCOVERY_GATEWAY"]
    )

    page = await person.look()

    assert page.response.status_code == 200
    assert (
        f"{OFFICE} gateway 10.20.0.1: inetCidrRouteTable , eth0 254 12 at most 508 datagrams to"
        " 254 addresses, 52 kB, 7 s; credentials: public, branch Credentials" in page.text
    )
    assert f"{BRANCH} gateway 10.20.0.1: inetCidrRouteTable , through 10.20.0.2" in page.text
    assert f"{SERVERS} refused by the site: this site's ceiling does not allow it" in page.text
    assert "10.50.0.5-10.50.0.9 not listed by the site" in page.text
    assert "Chosen: 2 of 4." in page.text
    assert "credentials: public, branch; for 1 of them the site has not said what." in page.text
    assert "nothing: no credential is set for it" in page.text
    assert "note the gateway did not answer; try DISCOVERY_GATEWAY" in page.text
    assert "Scope 1 was set by ann , 2026-11-01 07:00 CET." in page.text
    assert "listed its segments 2026-10-31 09:00 CET, under scope 1." in page.text
    assert "not yet taken" not in page.text
    chosen = {name for name in page.fields if name.startswith("chosen-")}
    assert chosen == {page.of(OFFICE, "chosen"), page.of("10.50.0.5-10.50.0.9", "chosen")}


async def test_a_scope_that_the_site_has_not_taken_yet_is_told(hub: Hub, person: Person) -> None:
    await put_listed(hub, office(), scope_version=1)
    for _ in range(2):
        await set_scope(hub.store, hub.site_id, SCOPE, author="ann", now=NOW)

    page = await person.look()

    assert "The site has not yet taken scope 2." in page.text
    assert "under scope 1" in page.text


async def test_what_the_site_refuses_of_the_scope_stands_at_its_segment_or_by_itself(
    hub: Hub, person: Person
) -> None:
    await set_scope(hub.store, hub.site_id, SCOPE, author="ann", now=NOW)
    refused = {"10.50.0.5-10.50.0.9": "outside", "printer.example": "cannot be resolved"}
    await put_listed(hub, office(), scope_version=1, refused=refused)

    page = await person.look()

    assert "10.50.0.5-10.50.0.9 refused by the site: outside" in page.text
    assert "Refused by the site printer.example : cannot be resolved" in page.text


async def test_choosing_writes_a_new_version_and_leaves_the_rest_of_the_scope_as_it_was(
    hub: Hub, person: Person
) -> None:
    before = await set_scope(hub.store, hub.site_id, SCOPE, author="ann", now=NOW)
    await put_listed(hub, office(), scope_version=1)
    page = await person.look()
    fields = page.fields
    del fields[page.of(OFFICE, "chosen")]
    fields |= {
        page.of(BRANCH, "chosen"): "on",
        page.of(BRANCH, "broadcast"): "on",
        page.of(BRANCH, "credentials"): "branch, public",
        page.of(BRANCH, "timeout_s"): "4.5",
        page.of(BRANCH, "tries"): "3",
        page.of(BRANCH, "pace"): "20",
        page.of(BRANCH, "max_message"): "1200",
        "add": " 10.1-2.0.0/24 \r\n\r\n10.60.0.0/24",
        "name": "Anna\x1b B",
    }

    answer = await person.send(fields)

    assert (answer.status_code, answer.headers["location"]) == (303, person.path)
    after = await scope_of(hub)
    manner = AskingManner(timeout_s=4.5, tries=3, pace=20, max_message=1200)
    branch = CredentialRange(range=BRANCH, credentials=["branch", "public"])
    assert after == before.model_copy(
        update={
            "version": 2,
            "author": "console (Anna B, as typed)",
            "segments": ["10.50.0.5-10.50.0.9", BRANCH, "10.1-2.0.0/24", "10.60.0.0/24"],
            "rules": [SegmentRule(range=BRANCH, broadcast=True, manner=manner)],
            "credentials": [*before.credentials, branch],
        }
    )
    again = await person.look()
    assert again.fields[again.of(BRANCH, "timeout_s")] == "4.5"


async def test_a_form_in_which_nothing_was_changed_makes_no_version(
    hub: Hub, person: Person
) -> None:
    rule = {"range": OFFICE, "manner": {"pace": 0.1}}
    await set_scope(hub.store, hub.site_id, SCOPE | {"rules": [rule]}, author="ann", now=NOW)
    await put_listed(hub, [*office(), segment(HOSTILE)])
    page = await person.look()

    answer = await person.send(page.fields)

    assert answer.status_code == 303
    assert (await scope_of(hub)).version == 1


async def test_a_browser_sends_any_manner_that_a_scope_may_hold(hub: Hub, person: Person) -> None:
    rule = {"range": OFFICE, "manner": {"pace": 0.05, "timeout_s": 0.055}}
    await set_scope(hub.store, hub.site_id, SCOPE | {"rules": [rule]}, author="ann", now=NOW)
    await put_listed(hub, office())

    page = await person.look()

    assert 'value="0.055" min="0" max="60" step="any"' in page.response.text
    assert 'value="0.05" min="0" max="1000000" step="any"' in page.response.text


async def test_counts_too_large_to_add_up_cost_nobody_the_page(hub: Hub, person: Person) -> None:
    most = 2**63 - 1
    preview = Preview(addresses=most, datagrams=most, bytes=most, seconds=most)
    networks = [OFFICE, BRANCH]
    await set_scope(hub.store, hub.site_id, {"segments": networks}, author="ann", now=NOW)
    await put_listed(hub, [segment(one, preview=preview) for one in networks])

    page = await person.look()

    assert page.response.status_code == 200
    assert f"A search sends at most {2 * most:,} datagrams" in page.text


async def test_of_two_people_who_choose_at_once_one_is_told_and_nothing_of_his_is_saved(
    hub: Hub, person: Person
) -> None:
    await put_listed(hub, office())
    async with browsing(hub) as other:
        people, wanted = (person, other), (OFFICE, BRANCH)
        pages = [await one.look() for one in people]

        answers = await asyncio.gather(
            *(
                one.send(page.fields | {page.of(network, "chosen"): "on"})
                for one, page, network in zip(people, pages, wanted, strict=True)
            )
        )

        assert sorted(answer.status_code for answer in answers) == [303, 409]
        late = [answer.status_code for answer in answers].index(409)
        told = Page(answers[late])
        assert (
            "scope 1 was set meanwhile by console; this change was made from scope 0" in told.text
        )
        assert (await scope_of(hub)).segments == [wanted[1 - late]]
        again = await people[late].send(told.fields | {told.of(wanted[late], "chosen"): "on"})
        assert again.status_code == 303
    assert set((await scope_of(hub)).segments) == set(wanted)


async def test_of_changes_that_come_at_once_each_is_made_from_the_one_before(hub: Hub) -> None:
    networks = [f"10.0.{n}.0/24" for n in range(8)]

    await asyncio.gather(
        *(
            change_scope(
                hub.store,
                hub.site_id,
                lambda scope, one=one: with_choices(scope, [Choice(one)]),  # type: ignore[misc]
                author="ann",
                now=NOW,
            )
            for one in networks
        )
    )

    now = await scope_of(hub)
    assert (now.version, sorted(now.segments)) == (8, networks)


async def test_a_field_that_is_wrong_is_told_by_segment_and_nothing_is_saved(
    hub: Hub, person: Person
) -> None:
    await put_listed(hub, office())
    page = await person.look()
    for field, typed, told in (
        ("timeout_s", "soon", "timeout 'soon' is no number of seconds above 0, at most 60"),
        ("timeout_s", "nan", "timeout 'nan' is no number of seconds"),
        ("tries", "2.5", "tries '2.5' is no whole number from 1 to 10"),
        ("pace", "-1", "pace '-1' is no number of datagrams a second above 0"),
        ("max_message", "100", "largest message '100' is no whole number of octets"),
        ("credentials", "<b>x</b>", "'<b>x</b>' is no credential's name"),
    ):
        answer = await person.send(page.fields | {page.of(OFFICE, field): typed})

        assert answer.status_code == 400
        assert f"{OFFICE}: {told}" in Page(answer).text
    assert (await scope_of(hub)).version == 0


async def test_more_than_a_scope_holds_is_refused(hub: Hub, person: Person) -> None:
    rules = [{"range": f"10.{n // 256}.{n % 256}.0/24", "broadcast": True} for n in range(1000)]
    await set_scope(hub.store, hub.site_id, {"rules": rules}, author="ann", now=NOW)
    await put_listed(hub, [segment("10.200.0.0/24")])
    page = await person.look()

    answer = await person.send(page.fields | {page.of("10.200.0.0/24", "broadcast"): "on"})

    assert answer.status_code == 400
    assert "not a scope: rules: List should have at most 1000 items" in Page(answer).text


async def test_what_is_no_segment_is_refused_with_words(hub: Hub, person: Person) -> None:
    page = await person.look()

    answer = await person.send(
        page.fields | {"add": "printer.example\n10.0.0.7/24\n<b>\n2001:db8::/32"}
    )

    assert answer.status_code == 400
    text = Page(answer).text
    assert "printer.example: a name is no segment; it can be a target" in text
    assert "10.0.0.7/24: 10.0.0.7 lies within a network; write 10.0.0.0/24" in text
    assert "IPv6 addresses are too many to ask one by one" in text
    assert "<b>: neither an address" in text
    assert (await scope_of(hub)).version == 0


async def test_what_a_site_and_people_wrote_is_only_ever_text(hub: Hub, person: Person) -> None:
    hostile = segment(HOSTILE, learned_from=HOSTILE, interface=HOSTILE, refused=HOSTILE)
    fields = {name: [HOSTILE] for name in ("segments", "targets", "exclusions")}
    await set_scope(hub.store, hub.site_id, fields, author=HOSTILE, now=NOW)
    await put_listed(hub, [hostile], refused={HOSTILE + "x": HOSTILE}, notes=[HOSTILE])

    page = await person.look()

    assert "<script" not in page.response.text
    assert page.text.count("<script>alert(1)</script>") >= 9
    assert page.tags.isdisjoint({"script", "style", "iframe", "img"})
    assert not any(name.startswith("on") or name == "style" for name in page.attributes)
    assert page.fields["network-0"] == HOSTILE


async def test_a_form_of_another_page_is_refused(hub: Hub, person: Person) -> None:
    page = await person.look()
    fields = page.fields | {"add": OFFICE}
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "text/plain"},
        {"Host": "evil.example:8080", "Origin": "http://evil.example:8080"},
    ):
        assert (await person.send(fields, headers)).status_code in (400, 403, 415), headers
    for changed in ({"token": "0" * 64}, {"token": ""}, {"token": "\u00e9"}):
        assert (await person.send(fields | changed)).status_code == 403
    async with browsing(hub) as other:
        assert (await other.send(fields)).status_code == 403  # without its cookie
        await other.look()
        assert (await other.send(fields)).status_code == 403  # with another's token
    assert (await scope_of(hub)).version == 0

    assert (await person.send(fields)).status_code == 303


async def test_a_form_that_is_too_large_or_not_one_of_ours_is_refused(
    hub: Hub, person: Person
) -> None:
    page = await person.look()
    urlencoded = {"Origin": HERE, "Content-Type": "application/x-www-form-urlencoded"}
    for content, status in (
        (b"a=" + b"x" * 1_000_001, 413),
        (b"&".join(b"a%d=" % n for n in range(4_001)), 400),
        (b"token=a&token=b", 400),
        (b"token=%ff", 400),
        (b"\xff", 400),
        (b"token=" + page.fields["token"].encode(), 404),  # and nothing else
    ):
        answer = await person.client.post("/network/choose", content=content, headers=urlencoded)
        assert answer.status_code == status, content[:20]
    assert (await scope_of(hub)).version == 0


async def test_only_this_page_lets_a_form_be_sent_and_only_to_itself(
    hub: Hub, person: Person
) -> None:
    page = (await person.look()).response
    overview = await person.client.get("/")

    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert "form-action 'none'" in overview.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "same-origin"  # or browsers say "Origin: null"
    assert re.search(r"HttpOnly; Path=/network; SameSite=strict", page.headers["set-cookie"])
    assert f'href="{person.path}"' in overview.text


async def test_where_others_reach_the_console_it_shows_and_does_not_choose(hub: Hub) -> None:
    await put_listed(hub, office())
    async with browsing(hub, host="0.0.0.0") as far:
        page = await far.look()
        answer = await far.send(page.fields)

    assert OFFICE in page.text
    assert "pagetally admin site choose does the same" in page.text
    assert answer.status_code == 403


async def test_long_lists_are_paged_and_a_page_changes_its_own_rows_alone(
    hub: Hub, person: Person
) -> None:
    networks = [f"10.{n // 256}.{n % 256}.0/24" for n in range(450)]
    await put_listed(hub, [segment(one) for one in networks])
    await set_scope(hub.store, hub.site_id, {"segments": networks[:1]}, author="ann", now=NOW)

    last = await person.look("&begin=400")
    answer = await person.send(last.fields | {last.of(networks[449], "chosen"): "on"})

    assert "401 to 450 of 450" in last.text
    assert answer.headers["location"] == f"{person.path}&begin=400"
    assert (await scope_of(hub)).segments == [networks[0], networks[449]]
    assert "1 to 200 of 450" in (await person.look()).text


async def test_a_site_that_is_none_or_has_listed_nothing_is_told(hub: Hub, person: Person) -> None:
    nothing = await person.look()
    none = Page(await person.client.get("/network?site=<b>"))

    assert "The site has not listed its segments yet" in nothing.text
    assert "Nothing was chosen yet." in nothing.text
    nul = await person.client.get("/network?site=%00")
    assert (none.response.status_code, nul.status_code) == (404, 404)
    assert "There is no site '<b>'." in none.text
