"""The key file of the secret manager: Fernet keys, newest first, readable by their owner only.

Knows the file format; must not know what is encrypted. Invariant: a key file is never overwritten by anything that
lacks a key it contained, except by `keep_newest` after everything has been encrypted anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet

from grace_actors.errors import WorldFailed
from grace_actors.stores.files import replace


class KeysUnusable(WorldFailed):
    """The key file is missing or damaged; what it encrypted is untouched."""

    code = "keys_unusable"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a file. Encrypts with the first, decrypts with any."""

    path: Path
    keys: tuple[bytes, ...]

    @classmethod
    def create(cls, path: Path) -> Keys:
        """A new key in a new file. Raises StoreFailed."""
        made = cls(path, (Fernet.generate_key(),))
        made._write()
        return made

    @classmethod
    def read(cls, path: Path) -> Keys:
        """Raises KeysUnusable saying what is wrong, never what is in the file."""
        try:
            lines = path.read_bytes().split(b"\n")
            mode = path.stat().st_mode
        except OSError as error:
            raise _unusable(path, f"it cannot be read: {error.strerror}") from None
        if mode & 0o077:
            try:
                path.chmod(0o600)
            except OSError as error:
                raise _unusable(path, f"others may read it and that cannot be changed: {error.strerror}") from None
        keys, check = tuple(lines[:-2]), lines[-2] if len(lines) > 2 else b""
        if not keys or check != _checksum(keys):
            raise _unusable(path, "its checksum is wrong")
        try:
            MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise _unusable(path, "it holds something that is no key") from None
        return cls(path, keys)

    @property
    def fernet(self) -> MultiFernet:
        return MultiFernet([Fernet(key) for key in self.keys])

    def with_new(self) -> Keys:
        """A new key in front of the old ones, stored. Raises StoreFailed; then the file is as before."""
        changed = Keys(self.path, (Fernet.generate_key(), *self.keys))
        changed._write()
        return changed

    def keep_newest(self) -> Keys:
        """Drop the old keys, stored. Raises StoreFailed; then the file is as before."""
        changed = Keys(self.path, self.keys[:1])
        changed._write()
        return changed

    def _write(self) -> None:
        replace(self.path, b"\n".join([*self.keys, _checksum(self.keys), b""]), mode=0o600)


def _checksum(keys: tuple[bytes, ...]) -> bytes:
    # Of the content, against damage; whoever can write the file can write the checksum too.
    return b"sha256:" + hashlib.sha256(b"\n".join(keys)).hexdigest().encode()


def _unusable(path: Path, why: str) -> KeysUnusable:
    return KeysUnusable(
        f"the key file {path} is not usable: {why}",
        hint="put the right key file back (a copy of yours); the secrets are untouched and readable with it again",
    )
