"""Of three segments that the gateway tells, the two that were chosen are searched, and no other."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network
from pathlib import Path

from services.solo.simulator import Rows, SimulatedAgent
from shared.messages import MeterRead, RoundFinished, SegmentsListed, SnmpTarget
from tests.network.lab import SEGMENTS, lab, only, walk

CHOSEN = [SEGMENTS["a"], SEGMENTS["b"]]
SCOPE = {
    "segments": CHOSEN,
    "credentials": [{"range": "10.61.0.0/16", "credentials": ["public"]}],
}
PRINTERS = {
    "10.61.1.20": "kyocera-colour-mfp",
    "10.61.1.21": "mono-laser",
    "10.61.1.254": "sparse-v1",
    "10.61.2.30": "hp-colour-mfp",
    "10.61.2.31": "zebra-label",
    "10.61.3.40": "ricoh-mfp",
    "10.61.3.41": "xerox-colour-mfp",
}
SWITCH: Rows = {
    "1.3.6.1.2.1.1.1.0": ("OctetString", b"24-port switch"),
    "1.3.6.1.2.1.1.2.0": ("ObjectIdentifier", "1.3.6.1.4.1.99999.1"),
    "1.3.6.1.2.1.1.3.0": ("TimeTicks", 123456789),
    "1.3.6.1.2.1.1.5.0": ("OctetString", b"switch"),
}
OTHERS = ("10.61.1.200", "10.61.2.200", "10.61.3.200")


def devices() -> dict[str, SimulatedAgent]:
    switches = {at: SimulatedAgent(SWITCH) for at in OTHERS}
    return {at: SimulatedAgent(walk(name)) for at, name in PRINTERS.items()} | switches


async def test_two_of_three_segments_are_searched_and_nothing_of_the_third(tmp_path: Path) -> None:
    agents = devices()
    with lab(tmp_path, agents) as site:
        told = await site.round(
            SCOPE,
            ceiling='networks = ["10.61.0.0/16"]\npace = 2000\n',
            discovery={"rate": 2000, "timeout_s": 0.5},
        )
        sent = site.sent_by_box()

    *_, listed = only(SegmentsListed, told)
    devices_in = {one.network: one.devices for one in listed.segments}
    assert [devices_in[network] for network in SEGMENTS.values()] == [3, 2, 0]
    read = {one.target.snmp for one in only(MeterRead, told) if isinstance(one.target, SnmpTarget)}
    assert read == {at for at in PRINTERS if not at.startswith("10.61.3.")}
    [finished] = only(RoundFinished, told)
    assert finished.not_printers == 3  # two switches and the router
    networks = [ip_network(text) for text in CHOSEN]
    udp = [one for one in sent if one.protocol == socket.IPPROTO_UDP]
    assert {one.destination_port for one in udp} == {161}
    assert all(any(one.destination in network for network in networks) for one in udp)
    assert {one.protocol for one in sent} <= {socket.IPPROTO_UDP, socket.IPPROTO_ICMP}
    assert not any(agents[at].requests for at in agents if at.startswith("10.61.3."))


async def test_a_stray_datagram_would_be_seen(tmp_path: Path) -> None:
    """Else the test above would be green whatever left the box."""
    with lab(tmp_path, devices()) as site:
        with site.box.socket(socket.AF_INET, socket.SOCK_DGRAM) as stray:
            stray.sendto(b"stray", ("10.61.3.40", 9100))
        sent = site.sent_by_box()

    assert (ip_address("10.61.3.40"), 9100) in {
        (one.destination, one.destination_port) for one in sent
    }
