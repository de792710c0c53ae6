"""A computer that takes its spooler's RPC over TCP, as Windows does and Samba does not.

Each connection is passed on, octet by octet, to the pipe of Samba's spooler: whoever asks proves
who he is to Samba. The endpoint mapper before it knows this one endpoint.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Thread

from impacket import smb3
from impacket.dcerpc.v5 import transport
from impacket.smbconnection import SMBConnection

_RESPONSE, _BIND_ACK, _AUTH3 = 2, 12, 16  # C706 section 12.6.4
_FIRST_AND_LAST, _LAST = 0x03, 0x02
_NDR = bytes.fromhex("045d888aeb1cc9119fe808002b10486002000000")
_NO_PORT = bytes.fromhex("01000702000000")  # a floor of TCP, C706 appendix L


@contextmanager
def spooler_over_tcp(address: str, samba: str, user: str, password: str) -> Iterator[bytearray]:
    """At `address`, for the spooler of the computer `samba`, whose pipe `user` may open.

    Gives all octets that pass.
    """
    passed = bytearray()
    with socket.create_server((address, 135)) as mapper, socket.create_server((address, 0)) as rpc:
        port = rpc.getsockname()[1]
        Thread(target=_serve, args=(mapper, partial(_map, port=port)), daemon=True).start()
        passed_on = partial(_pass_on, samba=samba, user=user, password=password, passed=passed)
        Thread(target=_serve, args=(rpc, passed_on), daemon=True).start()
        yield passed


def _serve(listening: socket.socket, talk: Callable[[socket.socket], None]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            with connection, suppress(OSError, EOFError):
                talk(connection)


def _pass_on(
    client: socket.socket, samba: str, user: str, password: str, passed: bytearray
) -> None:
    smb = SMBConnection(existingConnection=smb3.SMB3("*", samba, timeout=10))
    smb.login(user, password)
    pipe = transport.SMBTransport(samba, filename=r"\spoolss", smb_connection=smb)
    pipe.connect()
    while True:
        asked = _pdu(client.recv)
        passed += asked
        pipe.send(asked)
        if asked[2] != _AUTH3 and asked[3] & _LAST:
            passed += _answer(client, pipe)


def _answer(client: socket.socket, pipe: transport.SMBTransport) -> bytes:
    held = bytearray()

    def some(octets: int) -> bytes:
        if not held:
            held.extend(pipe.recv())
        taken = bytes(held[:octets])
        del held[:octets]
        return taken

    answer = b""
    while True:
        said = _pdu(some)
        client.sendall(said)
        answer += said
        if said[3] & _LAST:
            return answer


def _map(client: socket.socket, port: int) -> None:
    """Gives the tower that is asked for back, with the port in it."""
    bound = _pdu(client.recv)
    accepted = struct.pack("<HHIH2xB3xHH", 4280, 4280, 1, 0, 1, 0, 0) + _NDR
    client.sendall(_said(_BIND_ACK, bound, accepted))
    asked = _pdu(client.recv)
    [length] = struct.unpack_from("<I", asked, 52)
    tower = asked[56 : 56 + length].replace(_NO_PORT, _NO_PORT[:5] + struct.pack(">H", port))
    towers = struct.pack("<20xIIIIIII", 1, 4, 0, 1, 1, length, length) + tower
    stub = towers + bytes(-len(towers) % 4) + bytes(4)
    client.sendall(_said(_RESPONSE, asked, struct.pack("<IHBx", len(stub), 0, 0) + stub))


def _pdu(receive: Callable[[int], bytes]) -> bytes:
    """One whole PDU: its length is in its header."""
    pdu = b""
    while len(pdu) < 16 or len(pdu) < struct.unpack_from("<H", pdu, 8)[0]:
        wanted = 16 if len(pdu) < 16 else struct.unpack_from("<H", pdu, 8)[0]
        more = receive(wanted - len(pdu))
        if not more:
            raise EOFError
        pdu += more
    return pdu


def _said(kind: int, asked: bytes, body: bytes) -> bytes:
    head = asked[:2] + bytes([kind, _FIRST_AND_LAST]) + asked[4:8]
    return head + struct.pack("<HH", 16 + len(body), 0) + asked[12:16] + body
