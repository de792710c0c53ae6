"""docs/network.md has a row for each thing on the network, that programs can read too."""

from __future__ import annotations

from pathlib import Path

from shared.ceiling import CeilingFile
from tests.network.table import rows

ROOT = Path(__file__).parents[2]
SERVICES = {"discovery", "poller", "uploader", "ingest", "reporter", "console"}


def test_each_row_names_services_direction_transport_and_ports() -> None:
    table = rows()

    assert {service for row in table for service in row.services} == SERVICES
    assert {row.direction for row in table} == {"in", "out"}
    assert {transport for row in table for transport in row.transports} == {"UDP", "TCP"}
    assert all(0 <= first <= last <= 65535 for row in table for first, last in row.ports)
    assert all(row.by_default and row.credential for row in table)


def test_a_site_lets_nothing_in_but_what_is_on_the_box() -> None:
    site = {"discovery", "poller", "uploader"}

    assert {row.peer for row in rows() if row.direction == "in" and row.services & site} == {"box"}


def test_devices_are_asked_on_the_ports_of_a_ceiling_that_says_none() -> None:
    ceiling = CeilingFile()
    of_devices = [row for row in rows() if row.peer == "devices"]

    asked = {"UDP": set[int](), "TCP": set[int]()}
    for row in of_devices:
        for transport in row.transports:
            asked[transport] |= {first for first, _ in row.ports}
    assert asked == {"UDP": set(ceiling.ports), "TCP": set(ceiling.ipp_ports)}
