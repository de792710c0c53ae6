"""A private RabbitMQ node: its own ports, epmd and directory, on loopback only."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Self
from urllib.parse import quote

import pytest

from shared.bus.set_up import definitions
from tests.peers import free_port, missing, peer_folder

_BIN = Path("/usr/lib/rabbitmq/bin")  # the wrappers in /usr/sbin change user and log to /var
_UP_S = 60.0
_DOWN_S = 20.0
_CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 1GB
log.file.level = warning
"""


class PrivateRabbit:
    """A node that lives as long as the `with` block, or as this process, whichever ends first."""

    def __init__(self) -> None:
        self._folder = peer_folder("rabbit")
        self.port = free_port()
        self._epmd_port = free_port()
        self._environment = self._write_environment()
        self._node: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._vhosts = count(1)

    @staticmethod
    def installed() -> bool:
        return (_BIN / "rabbitmq-server").exists()

    def __enter__(self) -> Self:
        try:
            self._epmd = self._spawn(
                ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"]
            )
            self._wait_for(self._epmd, self._epmd_port)
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def url(self, vhost: str) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{quote(vhost, safe='')}"

    def new_vhost(self) -> str:
        vhost = f"v{next(self._vhosts)}"
        self.erl(
            f'ok = rabbit_vhost:add(<<"{vhost}">>, <<"tests">>),'
            f'ok = rabbit_auth_backend_internal:set_permissions(<<"guest">>, <<"{vhost}">>,'
            ' <<".*">>, <<".*">>, <<".*">>, <<"tests">>)'
        )
        return vhost

    def users(self, vhost: str, *names: str) -> dict[str, str]:
        """Queues and users as the definitions make them; each user's URL."""
        file = self._folder / "definitions.json"
        made = definitions(dict.fromkeys(names, ("secret", b"salt")), vhost)
        file.write_text(json.dumps(made), encoding="utf-8")
        self.erl(
            f'{{ok, Made}} = file:read_file("{file}"), ok = rabbit_definitions:import_raw(Made)'
        )
        where = f"127.0.0.1:{self.port}/{quote(vhost, safe='')}"
        return {name: f"amqp://{name}:secret@{where}" for name in names}

    def listen_with_tls(self, address: str, certificate: Path) -> int:
        """The port of one more listener; `certificate` is PEM with its key and its chain."""
        port = free_port()
        self.erl(
            "rabbit_networking:ensure_ssl(),"
            f'ok = rabbit_networking:start_ssl_listener({{"{address}", {port}}},'
            f' [{{certfile, "{certificate}"}}, {{keyfile, "{certificate}"}}], 2)'
        )
        return port

    def delete_vhost(self, vhost: str) -> None:
        self.erl(f'rabbit_vhost:delete(<<"{vhost}">>, <<"tests">>)')

    def start(self) -> None:
        """Returns when the node takes connections."""
        self.launch()
        self.wait_until_up()

    def launch(self) -> None:
        """The node gets SIGTERM when the thread that launched it ends."""
        self._node = self._spawn([str(_BIN / "rabbitmq-server")])

    def wait_until_up(self) -> None:
        assert self._node is not None
        self._wait_for(self._node, self.port)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Returns when the node has ended; its queues stay on disk."""
        if self._node is not None:
            _end(self._node, number)
            self._node = None

    def restart(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.stop(number)
        self.start()

    def close(self) -> None:
        self.stop()
        if self._epmd is not None:
            _end(self._epmd, signal.SIGTERM)
            self._epmd = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def erl(self, expressions: str) -> str:
        """What the node says to Erlang expressions; where rabbitmqctl takes seconds, this does not.

        Raises: RuntimeError, where one fails.
        """
        done = subprocess.run(
            ["erl_call", "-sname", self._environment["RABBITMQ_NODENAME"], "-e"],
            env=self._environment,
            input=expressions + ".\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=_UP_S,
        )
        if not done.stdout.startswith("{ok,"):
            raise RuntimeError(f"{expressions}: {done.stdout[:500]} {done.stderr[:500]}")
        return done.stdout

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / "output").open("ab") as output:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _wait_for(self, server: subprocess.Popen[bytes], port: int) -> None:
        deadline = time.monotonic() + _UP_S
        while server.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.1)
        said = (self._folder / "output").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"nothing listens on port {port}; the private node said: {said}")

    def _write_environment(self) -> dict[str, str]:
        folder = self._folder
        (folder / "rabbitmq.conf").write_text(
            _CONFIGURATION.format(amqp=self.port), encoding="ascii"
        )
        (folder / "plugins").write_text("[].\n", encoding="ascii")
        cookie = folder / ".erlang.cookie"
        cookie.write_text(os.urandom(16).hex(), encoding="ascii")
        cookie.chmod(0o400)
        dist_port = free_port()
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RUNNING_UNDER_SYSTEMD": "true",  # the start script then becomes the node: one pid
            "RABBITMQ_NODENAME": f"pagetally_{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(dist_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none"
            ),
        }


def _end(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    child.send_signal(number)
    try:
        child.wait(_DOWN_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(_DOWN_S)


@pytest.fixture(scope="session")
def rabbit() -> Iterator[PrivateRabbit]:
    if not PrivateRabbit.installed():
        missing("rabbitmq-server")
    with PrivateRabbit() as node:
        yield node


@pytest.fixture
def rabbit_vhost(rabbit: PrivateRabbit) -> Iterator[str]:
    """The URL of a fresh vhost."""
    vhost = rabbit.new_vhost()
    yield rabbit.url(vhost)
    rabbit.delete_vhost(vhost)
