"""A site of three segments behind a router that answers SNMP, with a box in the first of them.

The box and the first segment share one Ethernet, so that a broadcast reaches its devices; the
others lie behind the router. What each of them sends and receives is captured.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, TypeVar

from services.solo.simulator import Rows, SimulatedAgent
from shared.message import Message
from shared.snmprec import read_snmprec
from tests.flow.fleet import WALKS
from tests.network.searching import messages
from tests.peers.namespaces import ROOT, Capture, Devices, Namespace, Packet, held
from tests.peers.snmpd import Snmpd, running

SEGMENTS = {"a": "10.61.1.0/24", "b": "10.61.2.0/24", "c": "10.61.3.0/24"}
ROUTER = "10.61.1.1"
BOX = "10.61.1.2"
_SEARCHED_S = 60

_ROUTER_SIDE = """\
link set lo up
link add br0 type bridge
link set box-side master br0
link set a-side master br0
addr add 10.61.1.1/24 dev br0
addr add 10.61.2.1/24 dev b-side
addr add 10.61.3.1/24 dev c-side
link set br0 up
link set box-side up
link set a-side up
link set b-side up
link set c-side up
"""
_BOX_SIDE = f"""\
link set lo up
addr add {BOX}/24 dev box0
link set box0 up
route add default via {ROUTER}
"""


M = TypeVar("M", bound=Message)


def walk(name: str) -> Rows:
    """What a device answers: one of tests/walks."""
    return read_snmprec(WALKS / f"{name}.snmprec")


def only(kind: type[M], messages: Iterable[Message]) -> list[M]:
    return [one for one in messages if isinstance(one, kind)]


class Lab:
    def __init__(self, box: Namespace, captures: Mapping[str, Capture], folder: Path) -> None:
        self.box = box
        self.captures = captures
        self.folder = folder

    def sent_by_box(self) -> list[Packet]:
        """By anybody's capture, since the last call; what kernels say by themselves is ICMP."""
        return [
            packet
            for capture in self.captures.values()
            for packet in capture.packets()
            if packet.source == ip_address(BOX)
        ]

    async def round(
        self,
        scope: Mapping[str, Any],
        *,
        kind: str = "search",
        ceiling: str = 'networks = ["10.61.0.0/16"]\n',
        discovery: Mapping[str, Any] | None = None,
    ) -> list[Message]:
        """What an agent in the box tells the hub of one round under `scope`."""
        state = self.folder / "agent"
        state.mkdir(exist_ok=True)
        (state / "ceiling.toml").write_text(ceiling, encoding="ascii")
        told = self.folder / "told"
        told.unlink(missing_ok=True)
        files = {"state": str(state), "told": str(told)}
        asked = {"kind": kind, "scope": scope, "discovery": discovery or {}, **files}
        running = await asyncio.create_subprocess_exec(
            *(*self.box.within, sys.executable, "-P", "-m", "tests.network.searching"),
            json.dumps(asked),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(running.communicate(), _SEARCHED_S)
        assert running.returncode == 0, said.decode()[-3000:]
        return messages(told.read_bytes())


@contextmanager
def lab(
    folder: Path, devices: Mapping[str, SimulatedAgent], *, mtu_of_b: int = 1500
) -> Iterator[Lab]:
    """The site while the block runs; `devices` by address. Needs a running loop."""
    with ExitStack() as stack:
        names = ("box", "router", *SEGMENTS)
        spaces = {name: stack.enter_context(held()) for name in names}
        router = spaces["router"]
        for name in ("box", *SEGMENTS):
            peer = f"peer name {name}-side netns {router.pid}"
            spaces[name].ip(f"link add {name}0 type veth {peer}")
        router.ip(_ROUTER_SIDE)
        router.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        spaces["box"].ip(_BOX_SIDE)
        for name, network in SEGMENTS.items():
            there = {at: agent for at, agent in devices.items() if _is_in(at, network)}
            spaces[name].ip(_addresses(name, network, there))
            stack.enter_context(Devices(spaces[name], there).answering())
        if mtu_of_b != 1500:
            router.ip(f"link set b-side mtu {mtu_of_b}")
            spaces["b"].ip(f"link set b0 mtu {mtu_of_b}")
        captures = {name: Capture(space) for name, space in spaces.items()}
        for capture in captures.values():
            stack.callback(capture.close)
        (folder / "router").mkdir()
        stack.enter_context(
            running(Snmpd(folder / "router", at=(ROUTER, 161), within=router.within))
        )
        yield Lab(spaces["box"], captures, folder)


def _is_in(address: str, network: str) -> bool:
    return ip_address(address) in ip_network(network)


def _addresses(name: str, network: str, devices: Sequence[str] | Mapping[str, object]) -> str:
    gateway = ip_network(network)[1]
    own = "".join(f"addr add {at}/24 dev {name}0\n" for at in devices)
    way = f"route add default via {gateway}\n" if devices else ""
    return f"link set lo up\n{own}link set {name}0 up\n{way}"
