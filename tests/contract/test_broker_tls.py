"""A real broker behind TLS: its certificate is verified, and what is wrong with it is told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from services.solo.ca import ensure_ca
from shared.bus.port import POLLER_FOUND, BusDownError
from shared.bus.rabbit import RabbitBus
from shared.clock import utc_now
from tests.contract.bus_parts import order, until
from tests.contract.test_rabbit import bus_on, depth
from tests.peers.rabbit import PrivateRabbit


class Case(NamedTuple):
    address: str
    age: timedelta
    trusts: str | None
    says: str


CASES = {
    "signed by nobody we know": Case("127.0.0.1", timedelta(0), None, "not trusted here"),
    "signed by another": Case("127.0.0.1", timedelta(0), "other", "not trusted here"),
    "for another address": Case("127.0.0.2", timedelta(0), "own", "is not for this address"),
    "expired": Case("127.0.0.1", timedelta(days=100), "own", "has expired"),
}


def tls_url(rabbit: PrivateRabbit, plain: str, address: str, certificate: Path) -> str:
    port = rabbit.listen_with_tls(address, certificate)
    return f"amqps://guest:guest@{address}:{port}/{plain.rpartition('/')[2]}"


async def fault_of(bus: RabbitBus, says: str) -> str:
    starting = asyncio.create_task(bus.start())
    await until(lambda: says in (bus.problem() or ""))
    fault = bus.problem() or ""
    await bus.stop()
    with pytest.raises(BusDownError):
        await starting
    return fault


async def test_a_broker_whose_ca_is_named_is_used_through_tls(
    rabbit: PrivateRabbit, rabbit_vhost: str, tmp_path: Path
) -> None:
    files = ensure_ca(tmp_path, [], utc_now())
    url = tls_url(rabbit, rabbit_vhost, "127.0.0.1", files.cert)

    async with bus_on(url, ca_file=files.ca_cert) as bus:
        await bus.publish(order(1))

    assert await depth(rabbit_vhost, POLLER_FOUND.name) == 1


@pytest.mark.parametrize("case", CASES)
async def test_a_certificate_that_is_not_right_is_refused_in_words(
    rabbit: PrivateRabbit, rabbit_vhost: str, tmp_path: Path, case: str
) -> None:
    address, age, trusts, says = CASES[case]
    own = ensure_ca(tmp_path / "own", [], utc_now() - age)
    other = ensure_ca(tmp_path / "other", [], utc_now())
    url = tls_url(rabbit, rabbit_vhost, address, own.cert)
    ca_file = {"own": own.ca_cert, "other": other.ca_cert, None: None}[trusts]

    assert "guest" not in await fault_of(RabbitBus(url, ca_file=ca_file), says)


async def test_a_port_without_tls_is_told(rabbit_vhost: str) -> None:
    await fault_of(RabbitBus(rabbit_vhost.replace("amqp:", "amqps:")), "no TLS that can be used")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("ssl_options={'protocol':2}", "TLS is always verified"),
        ("ssl_options=", "TLS is always verified"),
        ("heartbeat=30&tcp_options={}", "only \\?heartbeat=SECONDS may be"),
        ("heartbeat=0", "1 to 600 seconds"),
        ("heartbeat=soon", "1 to 600 seconds"),
    ],
)
def test_what_a_url_may_not_ask_for_is_refused_without_its_password(query: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as told:
        RabbitBus(f"amqps://user:s3cret@broker/?{query}")

    assert "s3cret" not in str(told.value)


def test_a_file_without_certificates_is_told(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    with pytest.raises(ValueError, match=r"ca\.pem: cannot be read"):
        RabbitBus("amqps://user:s3cret@broker/", ca_file=file)
    file.write_text("none", encoding="ascii")
    with pytest.raises(ValueError, match=r"ca\.pem: holds no certificate"):
        RabbitBus("amqps://user:s3cret@broker/", ca_file=file)
