"""The master key and what is derived from it: pseudonyms, UIDs, date shifts, seals.

One secret gives separate subkeys by HKDF (RFC 5869), each named by purpose and version, so
that no value made for one purpose says anything about another. Nothing here is reversible
without the vault, and nothing is an unkeyed hash: an 8-digit hospital number can be
enumerated in seconds.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from schemas.errors import BadInputError, EnvironmentProblemError
from schemas.identifiers import Sha256, SiteCode, SubjectId, SubjectNo
from schemas.resident_ids import normalise_resident_id
from schemas.run.atomic_files import make_folder

KEY_BYTES = 32
SHIFT_DAYS_MIN = 366
SHIFT_DAYS_MAX = 3650
_SEAL_NONCE_BYTES = 12
_DEMO_MARK = "demo "
_VAULT_MARK = "vault "
#: Begins what is sealed with a secret of its own version; version 1 comes from the master key.
_SEAL_MARK = b"\0LCSEAL\0"
FIRST_VAULT_VERSION = 1


class Purpose(StrEnum):
    """What a subkey is for, with its version: part of the HKDF info string."""

    SUBJECT = "subject/v1"
    UID = "uid/v1"
    DATE_SHIFT = "date-shift/v1"
    PERSON = "cross-site-person/v1"
    VAULT = "vault/v1"
    LOOKUP = "vault-lookup/v1"
    LOOK_UP_LOG = "look-up-log/v1"
    SAMPLE = "pixel-sample/v1"
    PIXELS = "pixel-digest/v1"
    DECISIONS = "pixel-decisions/v1"
    SOURCE = "source-digest/v1"
    BATCH = "batch-id/v1"
    PACKAGE = "package-names/v1"
    SIGNATURE = "release-signature/v1"
    AUDIT = "audit-chain/v1"
    RELEASE_INPUTS = "release-inputs/v1"
    MASK = "mask-digest/v1"


@dataclass(frozen=True)
class KeyRing:
    """Subkeys of one master secret.

    Parameters
    ----------
    master : bytes
        32 random bytes. Never logged, never a flow parameter.
    is_demo : bool
        Made from a seed, so anybody can make it again: only for fictitious sites.
    vault_secrets : mapping of int to bytes
        Secrets of the vault's encryption by version, from 2 on, made by rotation; they do
        not come from the master key. Without one, version 1 is derived from it.
    """

    master: bytes = field(repr=False)
    is_demo: bool = False
    vault_secrets: Mapping[int, bytes] = field(default_factory=dict, repr=False, hash=False)
    _subkeys: dict[Purpose, bytes] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if len(self.master) != KEY_BYTES:
            raise BadInputError(
                f"the master key has {len(self.master)} bytes",
                expected=f"{KEY_BYTES}",
                hint="Make one with `livercohort key create`.",
            )

    def subkey(self, purpose: Purpose) -> bytes:
        """Return the 32-byte subkey for one purpose; derived once for each."""
        known = self._subkeys.get(purpose)
        if known is None:
            info = f"livercohort/{purpose}".encode()
            hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info)
            known = self._subkeys[purpose] = hkdf.derive(self.master)
        return known

    def mac(self, purpose: Purpose, *parts: str) -> bytes:
        """Return the 32-byte HMAC-SHA-256 over unambiguously joined parts."""
        encoded = [part.encode() for part in parts]
        message = b"".join(len(p).to_bytes(4, "big") + p for p in encoded)
        return hmac.digest(self.subkey(purpose), message, "sha256")

    @property
    def key_id(self) -> str:
        """Eight hex digits that name the key without telling anything about it."""
        return self.mac(Purpose.LOOKUP, "key-id").hex()[:8]

    def subject_id(self, site: SiteCode, subject_no: SubjectNo) -> SubjectId:
        """Return the pseudonym of one subject: site code and 40 keyed bits in base32."""
        digest = self.mac(Purpose.SUBJECT, site, subject_no)
        return SubjectId(f"{site}-{base64.b32encode(digest[:5]).decode()}")

    def uid(self, original: str) -> str:
        """Return the UID that stands for `original`: 2.25 and a keyed 128-bit integer.

        It does not depend on the person, so references hold across files, runs and sites
        (DICOM PS3.5 B.2, UUID-derived UIDs).
        """
        number = int.from_bytes(self.mac(Purpose.UID, original)[:16], "big")
        return f"2.25.{number}"

    def date_shift_days(self, site: SiteCode, subject_no: SubjectNo) -> int:
        """Return how many whole days this person's dates move back: 366 to 3650."""
        number = int.from_bytes(self.mac(Purpose.DATE_SHIFT, site, subject_no)[:8], "big")
        return SHIFT_DAYS_MIN + number % (SHIFT_DAYS_MAX - SHIFT_DAYS_MIN + 1)

    def lookup_token(self, *parts: str) -> str:
        """Return the keyed token under which the vault files a value (not reversible)."""
        return self.mac(Purpose.LOOKUP, *parts).hex()[:32]

    def person_token(self, resident_id: str) -> str:
        """Return the keyed token that links one person across sites."""
        return self.mac(Purpose.PERSON, normalise_resident_id(resident_id)).hex()[:32]

    def keyed_digest(self, digest: str, purpose: Purpose = Purpose.SOURCE) -> Sha256:
        """Return the 64 hex digits that stand outside `restricted/` for a digest of a source.

        A form of one row has next to no entropy: from its plain SHA-256 subject number, real
        date and shift are found by trying, in seconds. Without the subkey nobody can try.
        """
        return Sha256(self.mac(purpose, digest).hex())

    def seal(self, plain: bytes, *, context: str) -> bytes:
        """Encrypt bytes with AES-256-GCM; `context` is authenticated, not stored."""
        nonce = os.urandom(_SEAL_NONCE_BYTES)
        version = self.vault_version
        body = AESGCM(self._vault_key(version)).encrypt(nonce, plain, context.encode())
        if version == FIRST_VAULT_VERSION:
            return nonce + body
        return _SEAL_MARK + version.to_bytes(2, "big") + nonce + body

    def unseal(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt what `seal` made; raises if key, context or bytes differ."""
        version, start = sealed_version(sealed), 0
        if version != FIRST_VAULT_VERSION:
            start = len(_SEAL_MARK) + 2
        nonce = sealed[start : start + _SEAL_NONCE_BYTES]
        body = sealed[start + _SEAL_NONCE_BYTES :]
        return AESGCM(self._vault_key(version)).decrypt(nonce, body, context.encode())

    @property
    def vault_version(self) -> int:
        """Version of the secret that `seal` uses."""
        return max(self.vault_secrets, default=FIRST_VAULT_VERSION)

    def _vault_key(self, version: int) -> bytes:
        if version == FIRST_VAULT_VERSION:
            return self.subkey(Purpose.VAULT)
        if version not in self.vault_secrets:
            raise InvalidTag
        return self.vault_secrets[version]


def sealed_version(sealed: bytes) -> int:
    """Return with which version of the vault's secret bytes were sealed."""
    if not sealed.startswith(_SEAL_MARK):
        return FIRST_VAULT_VERSION
    return int.from_bytes(sealed[len(_SEAL_MARK) : len(_SEAL_MARK) + 2], "big")


def create_key_file(path: Path) -> KeyRing:
    """Make a new master key at `path` (mode 0600); an existing file is never touched.

    Raises
    ------
    BadInputError
        If something is there already.
    """
    return _write_key_file(path, KeyRing(secrets.token_bytes(KEY_BYTES)))


def create_demo_key_file(path: Path, seed: int) -> KeyRing:
    """Make the demo's key from its seed; it is marked, and refused for registered sites."""
    master = hashlib.sha256(f"livercohort demo {seed}".encode()).digest()
    return _write_key_file(path, KeyRing(master, is_demo=True))


def _write_key_file(path: Path, ring: KeyRing) -> KeyRing:
    make_folder(path.parent, closed=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BadInputError(
            "a key file is there already",
            where=str(path),
            hint="It is never overwritten: without it the cohort cannot be continued.",
        ) from None
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(key_file_text(ring))
        stream.flush()
        os.fsync(stream.fileno())
    return ring


def key_file_text(ring: KeyRing) -> str:
    """Return what stands in a key file: the master key, then secrets of the vault by version."""
    lines = [(_DEMO_MARK if ring.is_demo else "") + ring.master.hex()]
    lines += [f"{_VAULT_MARK}{v} {ring.vault_secrets[v].hex()}" for v in sorted(ring.vault_secrets)]
    return "\n".join(lines) + "\n"


def read_key_file(path: Path) -> KeyRing:
    """Read the master key; refuse a file that others may read.

    Raises
    ------
    EnvironmentProblemError
        If the file is missing, readable by others, or not a key.
    """
    if not path.is_file():
        raise EnvironmentProblemError(
            "no master key",
            where=str(path),
            hint="Make one with `livercohort key create`, or set LIVERCOHORT_KEY_FILE.",
        )
    if path.stat().st_mode & 0o077:
        raise EnvironmentProblemError(
            "the key file can be read by other users",
            expected="mode 0600",
            where=str(path),
            hint=f"Run: chmod 600 {path}",
        )
    try:
        text, *more = path.read_text(encoding="ascii").strip().splitlines()
        is_demo = text.startswith(_DEMO_MARK)
        secrets_by_version = dict(_vault_secret(line) for line in more)
        master = bytes.fromhex(text.removeprefix(_DEMO_MARK))
        return KeyRing(master, is_demo=is_demo, vault_secrets=secrets_by_version)
    except (ValueError, BadInputError):
        raise EnvironmentProblemError(
            "the key file does not hold a key",
            expected=f"{KEY_BYTES * 2} hex digits",
            where=str(path),
            hint="Restore it from your backup; do not make a new one for an existing cohort.",
        ) from None


def _vault_secret(line: str) -> tuple[int, bytes]:
    version, secret = line.removeprefix(_VAULT_MARK).split(" ")
    key = bytes.fromhex(secret)
    if not line.startswith(_VAULT_MARK) or len(key) != KEY_BYTES:
        raise ValueError("not a secret of the vault")
    return int(version), key
