"""What a round may ask: inside the ceiling, with the range's own credentials, each address once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Any

import pytest
from pydantic import SecretStr

from services.discovery.plan import Known, Limits, Pass, Plan, Wish, make_plan
from shared.ceiling import Ceiling
from shared.credentials import PUBLIC, Credential
from shared.scope import AskingManner, CredentialRange, SegmentRule
from shared.snmp.wire import V1, V2C
from shared.spans import addresses_of

CREDENTIALS = {
    "public": PUBLIC,
    "head-office": Credential(community=SecretStr("h")),
    "old": Credential(version="1", community=SecretStr("o")),
}
EVERYWHERE = [CredentialRange(range="10.0.0.0/8", credentials=["public"])]
PUBLIC_PASSES = (Pass("public", V2C), Pass("public", V1))


def plan(
    resolved: Mapping[str, Sequence[str]] | None = None,
    ceiling: Sequence[str] = ("10.0.0.0/8",),
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    **wish: Any,
) -> Plan:
    wish.setdefault("credentials", EVERYWHERE)
    return make_plan(
        Wish(**wish),
        resolved=resolved or {},
        ceiling=Ceiling(tuple(ip_network(text) for text in ceiling)),
        credentials=CREDENTIALS,
        limits=limits,
    )


def asked(made: Plan) -> list[str]:
    return [address for group in made.groups for address in addresses_of(group.spans)]


def missed(made: Plan) -> dict[str, str]:
    return {one.target: one.reason for one in made.not_reached}


def test_a_segment_is_asked_in_v2c_and_then_in_v1() -> None:
    [group] = plan(segments=["10.0.0.0/30"]).groups

    assert group.passes == PUBLIC_PASSES
    assert group.found_by == "sweep"
    assert list(addresses_of(group.spans)) == ["10.0.0.1", "10.0.0.2"]


def test_several_credentials_are_tried_in_their_order() -> None:
    [group] = plan(
        segments=["10.0.0.0/30"],
        credentials=[CredentialRange(range="10.0.0.0/8", credentials=["head-office", "old"])],
    ).groups

    assert group.passes == (Pass("head-office", V2C), Pass("head-office", V1), Pass("old", V1))


def test_the_smallest_range_decides_which_credentials_are_sent() -> None:
    made = plan(
        segments=["10.0.0.0/29"],
        credentials=[
            CredentialRange(range="10.0.0.0/8", credentials=["public"]),
            CredentialRange(range="10.0.0.3-10.0.0.4", credentials=["old"]),
        ],
    )

    by_credential = {
        group.passes[0].credential: list(addresses_of(group.spans)) for group in made.groups
    }
    assert by_credential == {
        "public": ["10.0.0.1", "10.0.0.2", "10.0.0.5", "10.0.0.6"],
        "old": ["10.0.0.3", "10.0.0.4"],
    }


def test_without_a_credential_nothing_is_sent_and_public_is_no_fall_back() -> None:
    made = plan(segments=["10.0.0.0/30"], credentials=[])

    assert made.groups == ()
    assert "no credential is set" in missed(made)["10.0.0.0/30"]


def test_a_credential_that_the_site_does_not_have_is_named() -> None:
    made = plan(
        segments=["10.0.0.0/30"],
        credentials=[CredentialRange(range="10.0.0.0/8", credentials=["branch"])],
    )

    assert made.groups == ()
    assert "not set at this site" in missed(made)["credential branch"]
    assert "none of its credentials (branch)" in missed(made)["10.0.0.0/30"]


def test_a_scope_of_everything_asks_no_more_than_the_ceiling_allows() -> None:
    made = plan(
        segments=["0.0.0.0/0"],
        credentials=[CredentialRange(range="0.0.0.0/0", credentials=["public"])],
        ceiling=["10.7.0.0/30"],
    )

    assert asked(made) == ["10.7.0.0", "10.7.0.1", "10.7.0.2", "10.7.0.3"]
    assert missed(made) == {
        "0.0.0.1-10.6.255.255": "outside what this site's ceiling allows (of 0.0.0.0/0)",
        "10.7.0.4-255.255.255.254": "outside what this site's ceiling allows (of 0.0.0.0/0)",
    }


@pytest.mark.parametrize("target", ["127.0.0.1", "8.8.8.8", "169.254.1.1", "192.168.0.1"])
def test_a_single_target_outside_the_ceiling_is_not_reached(target: str) -> None:
    made = plan(
        targets=[target],
        credentials=[CredentialRange(range="0.0.0.0/0", credentials=["public"])],
    )

    assert made.groups == ()
    assert missed(made) == {target: "outside what this site's ceiling allows"}


def test_a_port_outside_the_ceiling_is_not_reached() -> None:
    made = plan(targets=["10.0.0.1:9100"])

    assert made.groups == ()
    assert missed(made) == {"10.0.0.1:9100": "this site's ceiling does not allow UDP port 9100"}


def test_an_address_that_is_wished_twice_is_asked_once() -> None:
    made = plan(segments=["10.0.0.0/29", "10.0.0.0/28", "10.0.0.2-10.0.0.3"], targets=["10.0.0.2"])

    assert sorted(asked(made)) == sorted(set(asked(made)))
    assert made.size == 14


def test_exclusions_by_address_range_network_and_name_are_not_asked() -> None:
    made = plan(
        segments=["10.0.0.0/28"],
        exclusions=["10.0.0.1", "10.0.0.4-10.0.0.5", "10.0.0.8/30", "boss"],
        resolved={"boss": ["10.0.0.12", "10.0.0.13"]},
    )

    assert asked(made) == [f"10.0.0.{n}" for n in (2, 3, 6, 7, 14)]


def test_of_ranges_of_networks_each_is_asked_without_its_own_and_its_broadcast_address() -> None:
    made = plan(segments=["10.1-2.0.0/30"], exclusions=["10.2.0.*"])

    assert asked(made) == ["10.1.0.1", "10.1.0.2"]


def test_a_list_that_means_too_many_networks_is_cut_with_its_entries_named() -> None:
    made = plan(segments=[f"10.{n}.0-255.0/30" for n in range(100)])

    assert made.size == 78 * 256 * 2
    assert missed(made)["10.78.0-255.0/30"] == "beyond 20000 networks and ranges in all"


def test_a_broadcast_in_a_scope_s_lists_is_named_and_the_rest_is_asked() -> None:
    made = plan(segments=["broadcast", "10.0.0.0/30"])

    assert asked(made) == ["10.0.0.1", "10.0.0.2"]
    assert missed(made) == {"broadcast": "a broadcast is asked where a segment's rule says so"}


def test_of_several_rules_the_smallest_range_says_how_addresses_are_asked() -> None:
    slow, patient = AskingManner(pace=5), AskingManner(timeout_s=9, tries=2)
    made = plan(
        segments=["10.0.0.0/29", "10.2.0.0/30"],
        targets=["10.0.0.3"],
        rules=[
            SegmentRule(range="10.0.0.0/16", manner=slow),
            SegmentRule(range="10.0.0.3-4", manner=patient),
        ],
    )

    manners = {
        address: group.manner for group in made.groups for address in addresses_of(group.spans)
    }
    assert manners == {
        **{f"10.0.0.{n}": slow for n in (1, 2, 5, 6)},
        **{f"10.0.0.{n}": patient for n in (3, 4)},
        **{f"10.2.0.{n}": AskingManner() for n in (1, 2)},
    }
    [named] = [group for group in made.groups if group.found_by == "named"]
    assert named.passes == PUBLIC_PASSES  # two tries, where three are usual


def test_a_rule_for_what_cannot_be_read_is_named_and_the_rest_is_asked() -> None:
    made = plan(segments=["10.0.0.0/30"], rules=[SegmentRule(range="fd00::/64")])

    assert made.size == 2
    assert "IPv6 addresses are too many" in missed(made)["rule of fd00::/64"]


def test_single_addresses_that_stay_silent_are_asked_whether_they_speak_v3_and_no_others() -> None:
    made = plan(segments=["10.0.0.0/30"], targets=["10.0.1.1", "10.0.2.0/30"])

    engines = [group for group in made.groups if group.asks_engine]
    assert [list(addresses_of(group.spans)) for group in engines] == [["10.0.1.1"]]


def test_typos_are_named_and_the_rest_is_asked() -> None:
    made = plan(segments=["10.0.0.0/33", "10.0.0.0/30"], exclusions=["10.0.0.300"])

    assert asked(made) == ["10.0.0.1", "10.0.0.2"]
    assert list(missed(made)) == ["exclusion 10.0.0.300", "10.0.0.0/33"]


def test_a_name_is_asked_at_the_address_that_it_has_now() -> None:
    made = plan(targets=["p7:161", "gone"], resolved={"p7": ["10.0.0.7", "10.0.0.8"]})

    assert asked(made) == ["10.0.0.7"]
    assert missed(made) == {"gone": "the name cannot be resolved at this site"}


def test_more_addresses_than_a_round_may_ask_are_refused_whole() -> None:
    made = plan(segments=["10.0.0.0/30", "10.4.0.0/14"], limits=Limits(max_addresses=1000))

    assert asked(made) == ["10.0.0.1", "10.0.0.2"]
    assert missed(made)["10.4.0.0/14"].startswith("262142 addresses; with them the round would ask")


def test_a_known_device_is_asked_as_it_answered_before() -> None:
    known = Known("10.0.0.9", 161, "public", V1)

    [group] = plan(kind="read", known=[known], limits=Limits(tries=3)).groups

    assert group.found_by == "known"
    assert group.passes == (Pass("public", V1),) * 3 + (Pass("public", V2C),)


def test_a_known_device_is_not_asked_with_a_credential_that_was_taken_from_its_range() -> None:
    known = Known("10.0.0.9", 161, "old", V1)

    [group] = plan(kind="read", known=[known]).groups

    assert {one.credential for one in group.passes} == {"public"}


def test_a_target_typed_at_the_site_has_the_credentials_typed_with_it() -> None:
    made = plan(site_targets=["127.0.0.9"], site_credentials=["old"], ceiling=["127.0.0.9/32"])

    [group] = made.groups
    assert {one.credential for one in group.passes} == {"old"}
    assert group.found_by == "named"


def test_a_read_asks_known_devices_and_single_targets_and_no_segment() -> None:
    made = plan(
        kind="read",
        segments=["10.1.0.0/24"],
        targets=["10.0.0.1", "10.2.0.0/24"],
        known=[Known("10.1.0.5", 161, "public", V2C)],
    )

    assert asked(made) == ["10.1.0.5", "10.0.0.1"]


def test_a_wish_is_the_same_after_it_was_stored() -> None:
    wish = Wish(
        kind="read",
        targets=("10.0.0.1",),
        credentials=(CredentialRange(range="10.0.0.0/8", credentials=["public"]),),
        known=(Known("10.1.0.5", 161, "public", V2C),),
    )

    assert Wish.model_validate_json(wish.model_dump_json()) == wish


@pytest.mark.parametrize("entry", ["10.{high}.{low}.0", "11.{high}.{low}.0", "1.{high}.{low}"])
def test_the_longest_scope_that_a_hub_can_send_holds_the_agent_up_for_moments(entry: str) -> None:
    """While a round is planned nothing else runs, and no signal to stop is heeded."""
    targets = [entry.format(high=number // 200, low=number % 200) for number in range(10_000)]
    began = time.monotonic()

    made = plan(targets=targets, exclusions=targets[::2])

    assert made.size + len(made.not_reached) >= 5000
    assert time.monotonic() - began < 10


def test_ranges_of_networks_hold_the_agent_up_for_moments_however_many_there_are() -> None:
    many = [f"10.{n // 200}.{n % 200}-255.0/30" for n in range(10_000)]
    began = time.monotonic()

    made = plan(
        segments=many,
        exclusions=many[5000:],
        rules=[SegmentRule(range=entry, broadcast=True) for entry in many[:1000]],
        credentials=[CredentialRange(range=entry, credentials=["public"]) for entry in many[:1000]],
    )

    assert made.not_reached
    assert time.monotonic() - began < 10


def test_a_printer_s_uri_is_read_by_ipp_in_searches_and_reads() -> None:
    uris = ["ipp://10.0.0.7/ipp/print", "IPP://10.0.0.7/ipp/print", "ipps://hall/ipp"]
    for kind in ("search", "read"):
        made = plan({"hall": ["10.0.0.8"]}, kind=kind, targets=uris)

        assert [one.ipp for one in made.ipp] == ["ipp://10.0.0.7/ipp/print", "ipps://hall/ipp"]
        assert (made.size, made.not_reached) == (0, ())


def test_a_printer_s_name_is_to_be_resolved_and_its_address_not() -> None:
    assert Wish(targets=("ipp://hall/ipp", "ipp://10.0.0.7/", "ipp://:/")).names() == {"hall"}


@pytest.mark.parametrize(
    ("entry", "target", "reason"),
    [
        ("ipp://10.0.0.7:9100/", "ipp://10.0.0.7:9100/", "outside what this site's ceiling allows"),
        ("ipp://127.0.0.1/", "ipp://127.0.0.1/", "outside what this site's ceiling allows"),
        ("ipp://hall/", "ipp://hall/", "the name cannot be resolved at this site"),
        ("ipp://me:secret@10.0.0.7/", "an IPP printer", "users and passwords are not sent to"),
    ],
)
def test_a_printer_s_uri_that_is_not_read_is_named(entry: str, target: str, reason: str) -> None:
    made = plan(targets=[entry])

    assert made.ipp == ()
    [(named, why)] = missed(made).items()
    assert named == target
    assert why.startswith(reason)


def test_an_exclusion_of_too_many_parts_excludes_all_between_its_ends() -> None:
    many = [f"10.{at}-{at + 3}.*.7-8" for at in range(0, 84, 4)]

    made = plan(targets=["10.82.3.7", "10.84.0.7"], exclusions=many)

    assert asked(made) == ["10.84.0.7"]
    assert "all between" in missed(made)["exclusion 10.80-83.*.7-8"]


def test_a_printer_with_an_excluded_address_is_not_read() -> None:
    targets = ["ipp://10.0.0.7/ipp/print", "ipp://hall/"]
    made = plan({"hall": ["10.0.0.8"]}, targets=targets, exclusions=["10.0.0.7", "10.0.0.8"])

    assert (made.ipp, made.not_reached) == ((), ())


def test_a_printer_that_is_excluded_by_its_uri_is_not_read() -> None:
    uris = ["ipp://10.0.0.7/ipp/print", "ipp://hall/"]
    made = plan({"hall": ["10.0.0.8"]}, targets=[*uris, "10.0.0.7"], exclusions=uris)

    assert (made.ipp, made.size, made.not_reached) == ((), 0, ())


def test_an_exclusion_of_a_printer_that_cannot_be_read_is_named() -> None:
    made = plan(exclusions=["ipp://me:secret@10.0.0.7/"])

    [(named, why)] = missed(made).items()
    assert named == "the exclusion of an IPP printer"
    assert "secret" not in why
