"""Which networks there are: from the gateway where it may be asked, and from the box itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.discovery.gateway import DEADLINE_S, Told, ask_gateway
from services.discovery.interfaces import OwnNetwork
from services.discovery.segments import Found, is_listed, is_public, once_each
from shared.ceiling import Ceiling
from shared.credentials import Credential
from shared.snmp.client import SnmpClient
from shared.snmp.port import SnmpError
from shared.spans import Network, Spans, span_of


@dataclass(frozen=True)
class Gateway:
    """The router that is asked, and the credentials that are set for its address, in order."""

    address: str
    port: int
    credentials: Mapping[str, Credential]

    @property
    def name(self) -> str:
        if self.port == 161:
            return self.address
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else f"{self.address}:{self.port}"
        )


class LearnedNetwork(NamedTuple):
    network: Network
    learned_from: str
    interface: str | None
    gateway: str | None  # the next hop; None: attached
    hosts: int | None  # of which the gateway knows the MAC


@dataclass
class Learned:
    networks: list[LearnedNetwork] = field(default_factory=list)
    answered: bool = False
    notes: list[str] = field(default_factory=list)
    packets: int = 0
    bytes: int = 0


async def learn(
    gateway: Gateway | None,
    own: Sequence[OwnNetwork],
    *,
    ceiling: Ceiling,
    allowed: Spans,
    timeout_s: float,
    tries: int,
) -> Learned:
    """What the gateway told and the box's own networks, each network once.

    Args:
        gateway: None where none is to be asked.
        allowed: what the ceiling allows to be searched; of it more than private networks is told.
    """
    learned = Learned()
    told = await _asked(gateway, learned, ceiling, timeout_s, tries) if gateway else Told()
    by_gateway = {one.network: one for one in once_each(told.found)}
    interfaces = {one.network: one.interface for one in own}
    left_out = []
    for network in sorted({*by_gateway, *interfaces}, key=span_of):
        if is_listed(network, allowed):
            found, interface = by_gateway.get(network), interfaces.get(network)
            learned.networks.append(_network(network, found, interface, told, gateway))
        elif is_public(network):
            left_out.append(network)
    if left_out:
        learned.notes.append(
            f"left out: networks with public addresses ({len(left_out)}), such as {left_out[0]};"
            " such a network must be named in this site's ceiling"
        )
    return learned


async def _asked(
    gateway: Gateway, learned: Learned, ceiling: Ceiling, timeout_s: float, tries: int
) -> Told:
    async with SnmpClient(ceiling, timeout_s=timeout_s, tries=tries) as client:
        told = Told()
        for name, credential in gateway.credentials.items():
            session = client.session(
                gateway.address, gateway.port, credential, deadline_s=DEADLINE_S
            )
            try:
                told = await ask_gateway(session)
            except SnmpError as error:
                learned.notes.append(f"gateway {gateway.name}, asked as {name}: {error}")
                continue
            learned.answered = True
            learned.notes += [f"gateway {gateway.name}: {note}" for note in told.notes]
            break
        traffic = client.traffic
    learned.packets = traffic.packets_out + traffic.packets_in
    learned.bytes = traffic.bytes_out + traffic.bytes_in
    if not learned.answered:
        learned.notes.append(
            "only this box's own networks are listed; to be told others, let the gateway answer"
            f" this box by SNMP, set a credential for {gateway.address}, or name another router"
            " in DISCOVERY_GATEWAY"
        )
    elif not told.found:
        learned.notes.append(
            f"gateway {gateway.name} answers, and tells no networks; name another router in"
            " DISCOVERY_GATEWAY"
        )
    return told


def _network(
    network: Network,
    found: Found | None,
    own_interface: str | None,
    told: Told,
    gateway: Gateway | None,
) -> LearnedNetwork:
    sources = [f"interface {own_interface}"] if own_interface else []
    if found is None or gateway is None:
        return LearnedNetwork(network, sources[0], own_interface, None, None)
    interface = told.interfaces.get(found.if_index) if found.if_index is not None else None
    hosts = None
    if told.neighbours and not found.gateway:  # an empty table tells of nobody
        first, last = span_of(network)
        hosts = sum(first <= number <= last for number in told.neighbours)
    return LearnedNetwork(
        network,
        "; ".join([f"gateway {gateway.name}: {found.table}", *sources]),
        interface or own_interface,
        None if own_interface else found.gateway,
        hosts,
    )
