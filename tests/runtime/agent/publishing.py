"""Whoever builds, signs and serves versions of a model, in good faith or not; and keys as a kubelet mounts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from yarl import URL

from edgewise.api.base import SecretKeyRef
from edgewise.api.edgemodel import SmallFile
from edgewise.contract.plan import PlanRelease, PlanVerification
from edgewise.contract.trust import Policy
from edgewise_runtime.trust.judging import Proof
from tests.runtime.agent.documents import release, sha256, source
from tests.runtime.agent.fileserver import Fault, FileServer
from tests.runtime.trust.signing import Package, known

SIGNERS = "signers"
"""The Secret with the public keys."""
ALICE, BOB = (SecretKeyRef(name=SIGNERS, key=f"{name}.pub") for name in ("alice", "bob"))
DEMAND = Policy(public_keys=[ALICE])


class Publisher:
    """Builds, signs and serves versions of one model."""

    def __init__(self, server: FileServer, folder: Path) -> None:
        self._server = server
        self._folder = folder

    def proof(self, content: bytes, version: str, by: str = "alice", **more: Any) -> Proof:
        folder = self._folder / f"{version}-{by}-{len(list(self._folder.glob('*')))}"
        return Package(folder, {"fp32": content}, version=version, **more).signed(known(by))

    def release(
        self, content: bytes, version: str, proof: Proof | None = None, policy: Policy = DEMAND, named: str = "digits"
    ) -> PlanRelease:
        """As the operator writes it; `proof`: None: a good one."""
        shown = proof or self.proof(content, version)
        bare = self.unsigned(content, version, named)
        (only,) = bare.models
        small = {
            name: SmallFile(
                uri=self._server.add(f"/{name}-{version}-{len(self._server.files)}", text),
                sha256=sha256(text),
                size=max(1, len(text)),
            )
            for name, text in (("signature", shown.signature), ("manifest", shown.manifest))
        }
        verified = only.model_copy(update={"verification": PlanVerification(policy=policy, **small)})
        return bare.model_copy(update={"models": [verified]})

    def replace(self, uri: str, content: bytes) -> None:
        """What the server sends from now on, whatever was announced."""
        self._server.files[URL(uri).path] = content

    def fault(self, uri: str, fault: Fault) -> None:
        """How the server answers the next request for it."""
        self._server.faults[URL(uri).path] = [fault]

    def unsigned(self, content: bytes, version: str, named: str = "digits") -> PlanRelease:
        uri = self._server.add(f"/{version}-{len(self._server.files)}.onnx", content)
        return release(f"r{version}", {named: source(uri, content)}, version)


def mount_keys(root: Path, *names: str) -> None:
    """What a kubelet would mount of the Secret; a key that is not named is not there."""
    folder = root / "secrets" / SIGNERS
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name in names:
        (folder / f"{name}.pub").write_bytes(known(name).public)
