"""The table of docs/network.md: what may be on the network, a row each."""

from __future__ import annotations

from typing import NamedTuple

from tests.peers.namespaces import ROOT

PAGE = ROOT / "docs/network.md"


class Row(NamedTuple):
    """`ports` are spans, both ends included."""

    services: frozenset[str]
    direction: str
    protocol: str
    transports: frozenset[str]
    ports: tuple[tuple[int, int], ...]
    peer: str
    by_default: str
    credential: str


def rows() -> list[Row]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    begin = next(at for at, line in enumerate(lines) if line.startswith("| service |"))
    found: list[Row] = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        services, direction, protocol, transports, ports, peer, by_default, credential = cells
        found.append(
            Row(
                _words(services),
                direction,
                protocol,
                _words(transports),
                tuple(_span(text) for text in ports.split(",")),
                peer,
                by_default,
                credential,
            )
        )
    return found


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(","))


def _span(text: str) -> tuple[int, int]:
    first, _, last = text.strip().partition("-")
    return int(first), int(last or first)
