"""What the search of an office's segment costs on the wire, counted where it is sent."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network
from pathlib import Path

from services.solo.simulator import SimulatedAgent
from shared.messages import MeterRead, RoundFinished
from tests.network.lab import SEGMENTS, lab, only, walk

MODELS = (
    *("kyocera-colour-mfp", "mono-laser", "sparse-v1", "hp-colour-mfp"),
    *("hp-laser", "zebra-label", "ricoh-mfp", "xerox-colour-mfp"),
    *("brother-mono-laser", "canon-colour-mfp", "lexmark-colour-mfp", "epson-colour-mfp"),
)
PRINTERS = {f"10.61.2.{20 + number}": name for number, name in enumerate(MODELS)}
SCOPE = {
    "segments": [SEGMENTS["b"]],
    "credentials": [{"range": SEGMENTS["b"], "credentials": ["public"]}],
}
MOST_BYTES = 60_000


async def test_a_segment_with_twelve_devices_costs_60_kb_with_its_second_pass(
    tmp_path: Path,
) -> None:
    with lab(tmp_path, {at: SimulatedAgent(walk(name)) for at, name in PRINTERS.items()}) as site:
        told = await site.round(SCOPE)
        packets = [
            one for one in site.captures["box"].packets() if one.protocol == socket.IPPROTO_UDP
        ]

    [finished] = only(RoundFinished, told)
    reads = only(MeterRead, told)
    read_bytes = sum(one.bytes for one in reads)
    segment = ip_network(SEGMENTS["b"])
    captured = [one for one in packets if one.source in segment or one.destination in segment]
    assert len(reads) == len(PRINTERS)
    assert finished.bytes + read_bytes == sum(one.octets for one in captured)
    assert finished.bytes <= MOST_BYTES
    assert {one.destination for one in captured if one.source == ip_address("10.61.1.2")} >= {
        ip_address(f"10.61.2.{last}") for last in range(1, 255)
    }
