"""Encrypted models: on the disk as they came, in the clear in anonymous memory only, and only while an engine needs it.

agent/loading.py makes a Sealed of a file and its key's place; engines.load opens it as it would open a path.
The format is edgewise/contract/sealed.py. cryptography is imported by the first encrypted model, not before.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgewise.api.edgemodel import Encryption
from edgewise.api.names import Reason
from edgewise.contract.keys import BadKeyError
from edgewise.contract.sealed import MAGIC, BrokenSealError, Identity
from edgewise_runtime.engines.base import ModelLoadError, Session
from edgewise_runtime.engines.traits import traits_of
from edgewise_runtime.sealed.anonymous import AnonymousFile, forbid_dumps

FREEING = "free-decrypted"


@dataclass(frozen=True)
class Sealed:
    """An encrypted file, and what it is to be."""

    path: Path
    keys: Path
    """Where the key of its Secret is mounted."""
    identity: Identity

    def check(self) -> None:
        """ModelLoadError where the key is not there, or the file is another one: what `opened` would find out first."""
        from edgewise_runtime.sealed.unsealing import checked

        with _told():
            checked(self.path, self.keys, self.identity)

    def opened(self, open_: Callable[[Path], Session]) -> Session:
        """What `open_` makes of the decrypted file. Its path is good for that call; for as long as the session is there
        where the session reads it again (`Traits.rereads`). ModelLoadError."""
        file = self._unsealed()
        try:
            session = open_(file.path)
        except BaseException:
            file.close()
            raise
        if traits_of(session).rereads:
            weakref.finalize(session, file.close)
        else:  # to free 100 MB takes 15 ms, which nobody need wait for
            threading.Thread(target=file.close, name=FREEING).start()
        return session

    def _unsealed(self) -> AnonymousFile:
        from edgewise_runtime.sealed.unsealing import unsealed

        forbid_dumps()
        with _told():
            return unsealed(self.path, self.keys, self.identity)


@contextmanager
def _told() -> Iterator[None]:
    """As whoever loads models says it."""
    try:
        yield
    except BadKeyError as error:
        raise ModelLoadError(Reason.KEY_MISSING, str(error)) from None
    except BrokenSealError as error:
        raise ModelLoadError(Reason.DECRYPTION_FAILED, str(error)) from None


def model_file(path: Path, encryption: Encryption | None, secrets: Path, identity: Identity) -> Path | Sealed:
    """What engines.load takes. ModelLoadError where the file is encrypted and nobody says so."""
    if encryption is not None:
        key = encryption.key_secret_ref
        return Sealed(path, secrets / key.name / key.key, identity)
    with path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            raise ModelLoadError(
                Reason.DECRYPTION_FAILED, "the file is encrypted, and its EdgeModel has no spec.encryption.keySecretRef"
            )
    return path
