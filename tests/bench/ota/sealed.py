"""What signature and encryption cost a device: a cold load of 100 MB, plain and with both in turns, time and memory.

Called by `make bench-ota`. Each load is a process of its own, on a folder whose model was fetched and tuned before.
"""

import asyncio
import base64
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgewise.api.base import SecretKeyRef
from edgewise.api.edgemodel import Encryption, SmallFile
from edgewise.cli.packaging.sealing import seal
from edgewise.contract.plan import Plan, PlanVerification
from edgewise.contract.sealed import Identity
from edgewise.contract.trust import Policy
from tests.bench.figures import Figure, Report
from tests.bench.ota.coldload import RELEASE
from tests.bench.ota.peak import measured
from tests.bench.serving.processes import prioritised
from tests.runtime import tinyonnx
from tests.runtime.agent.devices import device, mount
from tests.runtime.agent.documents import plan, release, sha256, source
from tests.runtime.agent.fileserver import FileServer, file_server
from tests.runtime.trust.signing import Package, known

ROUNDS, MEMORY_ROUNDS = 15, 3
MIB = 2**20
KEY, SIGNER = SecretKeyRef(name="keys", key="model"), SecretKeyRef(name="keys", key="signer")


@dataclass(frozen=True)
class Contestant:
    """A device that has served once."""

    root: Path
    blob: Path
    """Its model, as it lies in the cache."""

    @property
    def argv(self) -> list[str]:
        return [sys.executable, "-m", "tests.bench.ota.coldload", str(self.root)]


def figures(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plain, protected = asyncio.run(_prepared(Path(folder)))
        contestants = {"plain": plain, "signed and encrypted": protected}
        size = plain.blob.stat().st_size
        report.settings["sealed"] = f"ONNX model of {size / 1e6:.0f} MB, ONNX Runtime, from its file in the page cache"
        with prioritised():
            _times(report, contestants)
        _memory(report, contestants, size / MIB)


def _times(report: Report, contestants: Mapping[str, Contestant]) -> None:
    took: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, one in contestants.items():
            took[name].append(float(subprocess.run(one.argv, stdout=subprocess.PIPE, text=True, check=True).stdout))
    ratios = [protected / plain for plain, protected in zip(*took.values(), strict=True)]
    report.add(Figure("signed and encrypted cold load / plain, 100 MB", ratios, "x", limit=1.30, raw=took))


def _memory(report: Report, contestants: Mapping[str, Contestant], size: float) -> None:
    peaks: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(MEMORY_ROUNDS):
        for name, one in contestants.items():
            one.blob.read_bytes()  # into the page cache, on our account
            peaks[name].append(measured(one.argv)[1] / MIB)
    more = [protected - plain - size for plain, protected in zip(*peaks.values(), strict=True)]
    name = "signed and encrypted cold load: peak memory above plain's and one model"
    report.add(Figure(name, more, "MiB", limit=16, raw=peaks))


async def _prepared(folder: Path) -> tuple[Contestant, Contestant]:
    """Each has fetched its file and found out how it runs best."""
    model = tinyonnx.dense(folder, width=2048, layers=6)
    key = base64.b64encode(os.urandom(32))
    (folder / "key").write_bytes(key)
    sealed = seal(model, folder / "key", Identity("digits", "1.0.0", "fp32"), folder)
    async with file_server() as server:
        plain, protected = (_planned(server, file) for file in (model, sealed))
        return (
            await _served(folder / "plain", plain, {}),
            await _served(
                folder / "protected",
                _protected(protected, server, sealed),
                {KEY.key: key, SIGNER.key: known("alice").public},
            ),
        )


def _planned(server: FileServer, file: Path) -> Plan:
    content = file.read_bytes()
    return plan(1, release(RELEASE, {"digits": source(server.add(f"/{file.name}", content), content)}))


def _protected(wanted: Plan, server: FileServer, sealed: Path) -> Plan:
    proof = Package(sealed.parent / "package", {"fp32": sealed.read_bytes()}).signed(known("alice"))
    shown = {
        name: SmallFile(uri=server.add(f"/{name}", text), sha256=sha256(text), size=len(text))
        for name, text in (("signature", proof.signature), ("manifest", proof.manifest))
    }
    demanded = PlanVerification(policy=Policy(public_keys=[SIGNER]), **shown)
    (made,) = wanted.releases
    changes = {"encryption": Encryption(key_secret_ref=KEY), "verification": demanded}
    models = [model.model_copy(update=changes) for model in made.models]
    return wanted.model_copy(update={"releases": [made.model_copy(update={"models": models})]})


async def _served(root: Path, wanted: Plan, keys: Mapping[str, bytes]) -> Contestant:
    held = root / "secrets" / KEY.name
    held.mkdir(parents=True)
    for name, content in keys.items():
        (held / name).write_bytes(content)
    mount(root / "plan", wanted)
    async with device(root) as edge:
        await edge.until_serving(RELEASE)
    blobs = (root / "cache" / "blobs" / "sha256").iterdir()
    return Contestant(root, max(blobs, key=lambda path: path.stat().st_size))
