"""Who made a release: its sums signed with Ed25519, in the format of minisign. Pure.

The signing key is a subkey of the master key, so it lies where that lies, in `restricted/`, and
the home always knows its own public key without having to believe a file. Everybody else checks
with `minisign -Vm SHA256SUMS -p livercohort.pub`, the public key got from the data manager.
Format: minisign by Frank Denis, prehashed signatures (`ED`, BLAKE2b-512).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from schemas.errors import BadInputError
from schemas.vault.keys import KeyRing, Purpose

SIGNATURE = "SHA256SUMS.minisig"
PUBLIC_KEY = "livercohort.pub"
_KEY_ALGORITHM, _PREHASHED = b"Ed", b"ED"
_ID_BYTES, _SIGNATURE_BYTES, _PUBLIC_BYTES = 8, 64, 32
_TRUSTED = "trusted comment: "
_RELEASE = re.compile(r"livercohort release (\d+\.\d+\.\d+)")


class SignatureError(Exception):
    """A signature that does not hold; the text says how."""


@dataclass(frozen=True)
class Signer:
    """What signs the releases of one home (restricted)."""

    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def of(cls, ring: KeyRing) -> Signer:
        """Return the signer of a home from its master key."""
        return cls(Ed25519PrivateKey.from_private_bytes(ring.subkey(Purpose.SIGNATURE)))

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self.private.public_key().public_bytes_raw()

    @property
    def public_file(self) -> bytes:
        """The public key as minisign reads it."""
        packed = _KEY_ALGORITHM + key_id(self.public) + self.public
        return f"untrusted comment: livercohort\n{_text(packed)}\n".encode()

    def sign(self, sums: bytes, version: str) -> bytes:
        """Return the signature file of `SHA256SUMS`; it names the version it belongs to."""
        return self.sign_as(sums, f"livercohort release {version}")

    def sign_as(self, sums: bytes, comment: str) -> bytes:
        """Return the signature file of sums with a comment that is signed along."""
        signature = self.private.sign(_prehashed(sums))
        whole = self.private.sign(signature + comment.encode())
        packed = _PREHASHED + key_id(self.public) + signature
        lines = ("untrusted comment: livercohort", _text(packed), _TRUSTED + comment, _text(whole))
        return "".join(f"{line}\n" for line in lines).encode()


def read_public_key(data: bytes) -> bytes:
    """Return the 32 bytes of a public key file.

    Raises
    ------
    BadInputError
        If it is no public key of minisign.
    """
    try:
        packed = base64.b64decode(data.decode("ascii").splitlines()[1], validate=True)
    except (UnicodeDecodeError, IndexError, binascii.Error):
        packed = b""
    if len(packed) != len(_KEY_ALGORITHM) + _ID_BYTES + _PUBLIC_BYTES:
        raise BadInputError(
            "no public key", expected=f"the file {PUBLIC_KEY} of a release, from its maker"
        )
    return packed[-_PUBLIC_BYTES:]


def signed_version(sums: bytes, signature_file: bytes, public: bytes) -> str:
    """Return which release a signature says the sums are of.

    Raises
    ------
    SignatureError
        If the signature is malformed, of another key, or of other sums.
    """
    found = _RELEASE.fullmatch(signed_comment(sums, signature_file, public))
    if found is None:
        raise SignatureError("not a signature file")
    return found[1]


def signed_comment(sums: bytes, signature_file: bytes, public: bytes) -> str:
    """Return the comment that was signed along with the sums.

    Raises
    ------
    SignatureError
        If the signature is malformed, of another key, or of other sums.
    """
    try:
        _, first, trusted, second = signature_file.decode("ascii").splitlines()
        packed, whole = (base64.b64decode(line, validate=True) for line in (first, second))
    except (UnicodeDecodeError, ValueError):
        raise SignatureError("not a signature file") from None
    comment = trusted.removeprefix(_TRUSTED)
    length = len(_PREHASHED) + _ID_BYTES + _SIGNATURE_BYTES
    if len(packed) != length or packed[:2] != _PREHASHED:
        raise SignatureError("not a signature file")
    if packed[2 : 2 + _ID_BYTES] != key_id(public):
        raise SignatureError("made with another key")
    key, signature = Ed25519PublicKey.from_public_bytes(public), packed[-_SIGNATURE_BYTES:]
    try:
        key.verify(signature, _prehashed(sums))
        key.verify(whole, signature + comment.encode())
    except InvalidSignature:
        raise SignatureError("of other sums, or changed") from None
    return comment


def key_id(public: bytes) -> bytes:
    """Return the eight bytes by which a signature names its key."""
    return hashlib.blake2b(public, digest_size=_ID_BYTES).digest()


def _prehashed(data: bytes) -> bytes:
    return hashlib.blake2b(data).digest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
