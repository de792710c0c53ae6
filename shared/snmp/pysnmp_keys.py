"""The keys and ciphers of SNMPv3 by pysnmp: RFC 3414, 3826 and 7860, and two drafts for long keys.

pysnmp is imported when a v3 credential is first used: it takes a tenth of a second, and most sites
have none.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import Any, NamedTuple

from shared.credentials import Auth, Credential, Privacy
from shared.snmp.wire import WireError

DIGEST_OCTETS: dict[Auth, int] = {  # on the wire; RFC 3414 section 6, RFC 7860 section 4
    "none": 0,
    "md5": 12,
    "sha1": 12,
    "sha224": 16,
    "sha256": 24,
    "sha384": 32,
    "sha512": 48,
}
_ENGINES_KEPT = 4096


class Keys:
    """What one credential's passwords are at one engine. Not shown in a repr."""

    def __init__(self, credential: Credential, auth_key: bytes, privacy_key: bytes) -> None:
        self._hash = credential.auth  # as hashlib calls it
        self.digest_octets = DIGEST_OCTETS[credential.auth]
        self._auth_key = auth_key
        self._privacy_key = privacy_key
        self._privacy = credential.privacy

    def digest(self, datagram: bytes) -> bytes:
        """Of a datagram with zeros in the digest's place."""
        return hmac.digest(self._auth_key, datagram, self._hash)[: self.digest_octets]

    def is_authentic(self, datagram: bytes, digest: bytes, digest_at: int) -> bool:
        """Whether `digest`, found at `digest_at`, is the datagram's."""
        if not self.digest_octets or len(digest) != self.digest_octets:
            return False
        end = digest_at + self.digest_octets
        bare = datagram[:digest_at] + bytes(self.digest_octets) + datagram[end:]
        return hmac.compare_digest(self.digest(bare), digest)

    def encrypt(self, octets: bytes, boots: int, time: int) -> tuple[bytes, bytes]:
        """Cipher text and salt."""
        pysnmp = _pysnmp()
        cipher = pysnmp.ciphers[self._privacy]
        key = pysnmp.octet_string(self._privacy_key)
        made, salt = cipher.encrypt_data(key, (boots, time, None), octets)
        return bytes(made), bytes(salt)

    def decrypt(self, octets: bytes, boots: int, time: int, salt: bytes) -> bytes:
        """Raises: WireError."""
        pysnmp = _pysnmp()
        cipher = pysnmp.ciphers[self._privacy]
        key = pysnmp.octet_string(self._privacy_key)
        parameters = (boots, time, pysnmp.octet_string(salt))
        try:
            made = cipher.decrypt_data(key, parameters, pysnmp.octet_string(octets))
        except pysnmp.error:
            raise WireError(f"{len(octets)} octets that cannot be decrypted") from None
        return bytes(made)


class Keyring:
    """The keys of every credential and engine that was asked lately.

    Making them is slow where the password (a megabyte is hashed, 10 ms) or the engine is new.
    """

    def __init__(self) -> None:
        self.keys = lru_cache(maxsize=_ENGINES_KEPT)(self._keys)
        self._hashed = lru_cache(maxsize=64)(_hashed)

    def _keys(self, credential: Credential, engine_id: bytes) -> Keys:
        auth_key = privacy_key = b""
        if credential.auth_password:
            hashed = self._hashed(credential.auth, credential.auth_password.get_secret_value())
            auth_key = _localised(credential.auth, hashed, engine_id)
        if credential.privacy_password:
            hashed = self._hashed(credential.auth, credential.privacy_password.get_secret_value())
            pysnmp = _pysnmp()
            made = pysnmp.ciphers[credential.privacy].localize_key(
                pysnmp.hashes[credential.auth],
                pysnmp.octet_string(hashed),
                pysnmp.octet_string(engine_id),
            )
            privacy_key = bytes(made)
        return Keys(credential, auth_key, privacy_key)


class _Pysnmp(NamedTuple):
    """What is taken of it; it is not typed."""

    octet_string: Any
    error: type[Exception]
    localkey: Any
    hashes: dict[Auth, tuple[int, ...]]  # its names for them
    ciphers: dict[Privacy, Any]


def _hashed(auth: Auth, password: str) -> bytes:
    """RFC 3414 section A.2."""
    return bytes(_pysnmp().localkey.hash_passphrase(password.encode(), _function(auth)))


def _localised(auth: Auth, hashed: bytes, engine_id: bytes) -> bytes:
    """RFC 3414 section 2.6."""
    pysnmp = _pysnmp()
    made = pysnmp.localkey.localize_key(
        pysnmp.octet_string(hashed), pysnmp.octet_string(engine_id), _function(auth)
    )
    return bytes(made)


def _function(auth: Auth) -> Any:  # noqa: ANN401 - hashlib's constructors have no type of their own
    return getattr(hashlib, auth)


@lru_cache(maxsize=1)
def _pysnmp() -> _Pysnmp:
    from pyasn1.type.univ import OctetString
    from pysnmp.proto.error import StatusInformation
    from pysnmp.proto.secmod.rfc3414 import localkey
    from pysnmp.proto.secmod.rfc3414.service import (
        aes,
        aes192,
        aes256,
        des,
        hmacmd5,
        hmacsha,
        hmacsha2,
    )

    sha2 = hmacsha2.HmacSha2
    return _Pysnmp(
        OctetString,
        StatusInformation,
        localkey,
        {
            "md5": hmacmd5.HmacMd5.SERVICE_ID,
            "sha1": hmacsha.HmacSha.SERVICE_ID,
            "sha224": sha2.SHA224_SERVICE_ID,
            "sha256": sha2.SHA256_SERVICE_ID,
            "sha384": sha2.SAH384_SERVICE_ID,
            "sha512": sha2.SHA512_SERVICE_ID,
        },
        {
            "des": des.Des(),
            "aes128": aes.Aes(),
            "aes192-blumenthal": aes192.AesBlumenthal192(),
            "aes192-reeder": aes192.Aes192(),
            "aes256-blumenthal": aes256.AesBlumenthal256(),
            "aes256-reeder": aes256.Aes256(),
        },
    )
