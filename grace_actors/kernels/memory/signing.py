"""Signatures of stored artifacts: HMAC-SHA256 with a key that lives beside the store.

Knows the key file and bytes; must not know what is signed. Invariant: a signature made with a key this instance no
longer has is reported as unverifiable, one that does not fit as false; the two are never confused.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from grace_actors.stores.files import quarantine, replace, stamp

KEY_BYTES = 32


class Seal(StrEnum):
    """What a signature says of its artifact."""

    VALID = "valid"
    FALSE = "false"
    UNVERIFIABLE = "unverifiable"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with one key, whose id is stored with every signature."""

    key: bytes

    @property
    def key_id(self) -> str:
        return hashlib.sha256(b"id:" + self.key).hexdigest()[:16]

    def sign(self, *parts: bytes) -> str:
        """The signature of the parts; where one part ends and the next begins is signed too."""
        framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return f"{self.key_id}:{hmac.digest(self.key, framed, 'sha256').hex()}"

    def check(self, signature: str, *parts: bytes) -> Seal:
        if signature.partition(":")[0] != self.key_id:
            return Seal.UNVERIFIABLE
        return Seal.VALID if hmac.compare_digest(signature, self.sign(*parts)) else Seal.FALSE


def open_key(path: Path, home: Path, name: str, wall: float) -> tuple[Signer, str]:
    """The signer of a key file, which is made when it is missing; a damaged one goes to quarantine and is replaced.
    The text says what was wrong, empty when nothing was. Raises StoreFailed."""
    problem = ""
    if path.exists():
        try:
            content = path.read_bytes()
            key, digest = content[:KEY_BYTES], content[KEY_BYTES:]
            if len(key) == KEY_BYTES and digest == hashlib.sha256(key).digest():
                if path.stat().st_mode & 0o077:
                    path.chmod(0o600)
                return Signer(key), ""
            problem = f"the key file {path.name} was damaged"
        except OSError as error:
            problem = f"the key file {path.name} was unreadable: {error.strerror}"
        kept = quarantine(home, f"{name}-key", [path], wall)
        problem += f"; it is in {kept.name} since {stamp(wall)}"
    key = secrets.token_bytes(KEY_BYTES)
    replace(path, key + hashlib.sha256(key).digest(), mode=0o600)
    return Signer(key), problem
