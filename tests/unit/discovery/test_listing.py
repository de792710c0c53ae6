"""The list of segments: what a search of each would send, and what the site refuses."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from ipaddress import IPv4Network, ip_network
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from services.discovery import listing
from services.discovery.broadcast import Attached
from services.discovery.interfaces import OwnNetwork
from services.discovery.listing import list_segments
from services.discovery.plan import Limits, make_plan
from services.discovery.segments import IP
from services.discovery.settings import DiscoverySettings
from services.discovery.sweep import Sweep
from services.discovery.wish import wish_of
from services.solo.simulator import Rows, SimulatedAgent
from shared.ceiling import Ceiling
from shared.credentials import PUBLIC, Credential
from shared.messages import Segment, SegmentsListed
from shared.scope import Scope
from shared.snmp.port import Traffic
from tests.peers.agent import Agents

pytest_plugins = ["tests.peers.agent"]  # where no conftest is read: the slim environments

CREDENTIALS = {
    "public": PUBLIC,
    "head-office": Credential(community=SecretStr("a longer one")),
    "copiers": Credential(version="3", user=SecretStr("meters")),
}


def routed(*networks: str) -> Rows:
    return {
        f"{IP}.24.7.1.8.1.4.{network.replace('/', '.')}.2.0.0.1.4.10.9.0.1": ("Integer32", 4)
        for network in networks
    }


def range_of(range_: str, *credentials: str) -> dict[str, Any]:
    return {"range": range_, "credentials": list(credentials)}


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> list[OwnNetwork]:
    """The box's networks; the machine that tests run on has others."""
    own = [OwnNetwork(ip_network("10.1.0.0/24"), "eth0")]
    monkeypatch.setattr(listing, "own_interfaces", lambda: own)
    monkeypatch.setattr(listing, "default_gateway", lambda: None)
    near = Attached("eth0", "10.1.0.9", IPv4Network("10.1.0.0/24"))
    monkeypatch.setattr(listing, "attached", lambda: [near])
    return own


async def listed(
    networks: Sequence[str] = ("10.0.0.0/8",),
    known: Sequence[str] = (),
    ceiling: Ceiling | None = None,
    gateway: str = "none",
    scope: dict[str, Any] | None = None,
    **settings: Any,
) -> SegmentsListed:
    said = {"version": 4, "author": "ann", "changed_at": datetime(2026, 1, 1, tzinfo=UTC)}
    return await list_segments(
        Scope.model_validate({**said, **(scope or {})}),
        known,
        settings=DiscoverySettings(gateway=gateway, timeout_s=0.1, tries=1, **settings),
        ceiling=ceiling or Ceiling(tuple(map(ip_network, networks))),
        credentials=lambda: CREDENTIALS,
    )


def segment(listed: SegmentsListed, network: str) -> Segment:
    [found] = [one for one in listed.segments if one.network == network]
    return found


async def routers(agents: Agents, *networks: str) -> tuple[str, Ceiling]:
    """A router that tells these, as ADDRESS:PORT, and a ceiling of 10/8 and that router."""
    address = await agents.start(SimulatedAgent(routed(*networks)))
    where = agents.ceiling.naming([ip_network("10.0.0.0/8")], [161])
    return f"{address}:{agents.port}", where


async def test_segments_say_where_they_were_learned_and_what_is_known_in_them(
    agents: Agents,
) -> None:
    gateway, ceiling = await routers(agents, "10.1.0.0/24", "10.2.0.0/23")
    address, _, _ = gateway.partition(":")
    scope = {"credentials": [range_of(address, "public"), range_of("10.0.0.0/8", "public")]}

    told = await listed(
        ceiling=ceiling, gateway=gateway, scope=scope, known=["10.2.1.7", "10.2.0.9", "10.9.0.1"]
    )

    near, far = told.segments
    assert near.learned_from == f"gateway {gateway}: inetCidrRouteTable; interface eth0"
    assert (near.network, near.size, near.devices, near.interface) == (
        "10.1.0.0/24",
        254,
        0,
        "eth0",
    )
    assert (far.size, far.devices, far.interface, far.gateway) == (510, 2, None, "10.9.0.1")
    assert (told.scope_version, told.notes) == (4, [])
    assert told.packets >= 2
    assert told.bytes > 100


async def test_a_preview_is_what_a_sweep_sends_to_the_octet(own: list[OwnNetwork]) -> None:
    own.append(OwnNetwork(ip_network("127.71.3.0/26"), "eth1"))
    scope = {
        "segments": ["127.71.3.0/26"],
        "exclusions": ["127.71.3.8-127.71.3.11"],
        "credentials": [
            range_of("127.71.0.0/16", "public"),
            range_of("127.71.3.32/28", "head-office", "copiers"),
        ],
    }
    ceiling = Ceiling((ip_network("127.71.3.0/26"),), frozenset({31_719}))

    told = await listed(ceiling=ceiling, scope=scope, port=31_719)

    preview = segment(told, "127.71.3.0/26").preview
    assert preview
    traffic = await swept(scope, ceiling)
    assert (preview.datagrams, preview.bytes) == (traffic.packets_out, traffic.bytes_out)
    assert preview.addresses == 62 - 4
    assert preview.credentials == ["public", "head-office", "copiers"]


async def swept(scope: dict[str, Any], ceiling: Ceiling) -> Traffic:
    """What a sweep of the whole scope sends where nobody answers."""
    said = {"version": 4, "author": "ann", "changed_at": datetime(2026, 1, 1, tzinfo=UTC)}
    wish = wish_of("search", Scope(**said, **scope), DiscoverySettings(port=31_719))
    plan = make_plan(wish, resolved={}, ceiling=ceiling, credentials=CREDENTIALS, limits=Limits())
    sweep = Sweep(plan, ceiling=ceiling, credentials=CREDENTIALS, rate=0, timeout_s=0.05)
    async with aclosing(sweep.answers()) as answers:
        assert [answer async for answer in answers] == []
    return sweep.traffic


async def test_what_a_person_added_within_a_segment_is_in_its_preview_and_nothing_else() -> None:
    scope = {
        "targets": ["10.1.0.7", "10.2.0.0/24"],
        "credentials": [range_of("10.0.0.0/8", "public")],
    }

    told = await listed(scope=scope)

    preview = segment(told, "10.1.0.0/24").preview
    assert preview
    # of the device that was named, one more: whether it speaks SNMPv3
    assert (preview.addresses, preview.datagrams) == (254, 2 * 254 + 1)


async def test_the_rule_of_a_segment_is_in_its_preview(own: list[OwnNetwork]) -> None:
    own.append(OwnNetwork(ip_network("10.2.0.0/24"), "eth1"))
    slow = {"range": "10.1.0.0/24", "manner": {"pace": 5}, "broadcast": True}
    scope = {
        "segments": ["10.1.0.0/24"],
        "credentials": [range_of("10.0.0.0/8", "public")],
        "rules": [slow],
    }
    networks = (ip_network("10.0.0.0/8"),)

    told = await listed(ceiling=Ceiling(networks, broadcast=True), scope=scope)
    without = await listed(ceiling=Ceiling(networks), scope=scope)

    ruled, usual = (segment(told, one).preview for one in ("10.1.0.0/24", "10.2.0.0/24"))
    assert ruled
    assert usual
    assert ruled.datagrams == usual.datagrams + 2
    assert ruled.seconds > 100 > usual.seconds
    assert told.refused == []
    [refused] = without.refused
    assert refused.reason == "this site's ceiling does not allow broadcast"


async def test_a_pace_at_which_no_search_ends_is_previewed_too() -> None:
    scope = {
        "credentials": [range_of("10.0.0.0/8", "public")],
        "rules": [{"range": "10.1.0.0/24", "manner": {"pace": 5e-324}}],
    }

    preview = segment(await listed(scope=scope), "10.1.0.0/24").preview

    assert preview
    assert preview.seconds == 2**63 - 1


async def test_a_segment_outside_the_ceiling_is_refused_and_says_so() -> None:
    told = await listed(networks=["10.2.0.0/16"])

    refused = segment(told, "10.1.0.0/24")
    assert refused.refused == "this site's ceiling does not allow it"
    assert refused.preview is None


async def test_a_segment_that_is_allowed_in_part_says_which_part_is_not() -> None:
    scope = {"credentials": [range_of("10.0.0.0/8", "public")]}

    told = await listed(networks=["10.1.0.0/25"], scope=scope)

    partly = segment(told, "10.1.0.0/24")
    assert partly.refused == (
        "this site's ceiling does not allow all of it: not 10.1.0.128-10.1.0.254"
    )
    assert partly.preview
    assert partly.preview.addresses == 127


async def test_segments_too_large_to_ask_are_refused_with_the_reason(
    own: list[OwnNetwork],
) -> None:
    own[:] = [OwnNetwork(ip_network(one), "eth0") for one in ("10.0.0.0/12", "fd00:7::/64")]
    scope = {"credentials": [range_of("10.0.0.0/8", "public")]}

    told = await listed(networks=["10.0.0.0/8", "fd00::/8"], scope=scope)

    wide, ipv6 = sorted(told.segments, key=lambda one: ":" in one.network)
    assert wide.refused
    assert "1048574 addresses, and a round of this site asks at most 65536" in wide.refused
    assert ipv6.refused
    assert "IPv6 addresses are too many" in ipv6.refused
    assert (ipv6.size, ipv6.preview, wide.preview) == (None, None, None)


async def test_without_a_credential_nothing_would_be_sent_and_a_note_says_so() -> None:
    told = await listed()

    preview = segment(told, "10.1.0.0/24").preview
    assert preview
    assert (preview.datagrams, preview.credentials) == (0, [])
    assert any("nothing would be sent to 10.1.0.0/24" in note for note in told.notes)


async def test_what_the_site_refuses_of_a_scope_is_listed_with_its_reason() -> None:
    scope = {
        "segments": ["10.1.0.0/24", "192.168.0.0/24"],
        "targets": ["10.1.0.400"],
        "spoolers": [{"host": "front-desk", "protocol": "rprn_tcp"}],
        "credentials": [range_of("10.0.0.0/8", "public")],
    }

    told = await listed(scope=scope)

    assert {one.target for one in told.refused} == {
        "192.168.0.0/24",
        "10.1.0.400",
        "front-desk",
    }


async def test_what_was_typed_at_the_site_is_not_told_as_refused() -> None:
    """It is no part of the scope, and may be an address that the site withholds."""
    told = await listed(targets=("10.1.0.400", "10.1.0.7"))

    assert told.refused == []


# -- the gateway


async def test_the_gateway_gets_no_credential_that_is_not_set_for_its_address(
    agents: Agents,
) -> None:
    gateway, ceiling = await routers(agents, "10.2.0.0/24")

    told = await listed(
        ceiling=ceiling, gateway=gateway, scope={"credentials": [range_of("10.0.0.0/8", "public")]}
    )

    assert told.packets == 0
    assert [one.network for one in told.segments] == ["10.1.0.0/24"]
    [note] = told.notes
    assert f"gateway {gateway} was not asked: no credential is set for this range" in note


async def test_the_sites_own_credentials_are_sent_to_the_gateway_that_the_site_names(
    agents: Agents,
) -> None:
    gateway, ceiling = await routers(agents, "10.2.0.0/24")

    told = await listed(ceiling=ceiling, gateway=gateway, credentials=("head-office", "public"))

    assert any("asked as head-office: " in note for note in told.notes)
    assert [one.network for one in told.segments] == ["10.1.0.0/24", "10.2.0.0/24"]


async def test_a_gateway_outside_the_ceiling_is_not_asked(agents: Agents) -> None:
    gateway, _ = await routers(agents, "10.2.0.0/24")

    told = await listed(gateway=gateway, credentials=("public",))

    assert told.packets == 0
    assert "was not asked: 127." in told.notes[0]


async def test_a_gateway_that_is_excluded_is_not_asked(agents: Agents) -> None:
    gateway, ceiling = await routers(agents, "10.2.0.0/24")
    address, _, _ = gateway.partition(":")
    scope = {"exclusions": [address], "credentials": [range_of(address, "public")]}

    told = await listed(ceiling=ceiling, gateway=gateway, scope=scope)

    assert told.packets == 0
    assert "was not asked: the scope excludes it" in told.notes[0]


async def test_a_silent_gateway_leaves_the_boxs_own_networks_and_says_what_to_try(
    agents: Agents,
) -> None:
    address = await agents.start(SimulatedAgent({}, silent=True))
    scope = {"credentials": [range_of(address, "public")]}

    told = await listed(
        ceiling=agents.ceiling.naming([ip_network("10.0.0.0/8")], [161]),
        gateway=f"{address}:{agents.port}",
        scope=scope,
    )

    assert [one.learned_from for one in told.segments] == ["interface eth0"]
    tried, advice, *_ = told.notes
    assert "asked as public" in tried
    assert "no SNMP answer" in tried
    assert "DISCOVERY_GATEWAY" in advice
    assert told.packets > 0


async def test_a_box_without_a_default_route_says_what_to_set() -> None:
    told = await listed(gateway="")

    assert "this box has no default gateway" in told.notes[0]


async def test_networks_with_public_addresses_are_named_as_left_out(agents: Agents) -> None:
    gateway, ceiling = await routers(agents, "198.51.100.0/24", "127.0.0.0/8", "0.0.0.0/0")

    told = await listed(ceiling=ceiling, gateway=gateway, credentials=("public",))

    assert any("left out: networks with public addresses (1)" in note for note in told.notes)


@pytest.mark.parametrize("gateway", ["10.0.0.0/24", "router.example", "10.0.0.1:99999", "nobody"])
def test_a_gateway_that_is_no_address_is_no_setting(gateway: str) -> None:
    with pytest.raises(ValidationError):
        DiscoverySettings(gateway=gateway)
