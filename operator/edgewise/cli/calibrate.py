"""`kubectl edgewise calibrate`: from labelled examples to a temperature and a threshold, and into the fields."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edgewise.cli.asking import AskingError, Cluster
from edgewise.cli.calibration.judging import Calibration, calibrate
from edgewise.cli.calibration.samples import SampleError
from edgewise.cli.calibration.thresholds import Wish
from edgewise.cli.fields import as_yaml, fields, write
from edgewise.cli.picture import draw
from edgewise.cli.subject import Sources, Subject, find
from edgewise.cli.terminal import shown
from edgewise.contract.scores import CLASS_SCORES
from edgewise.core.outcome import Manifest

_Name = Annotated[str, typer.Argument(help="EdgeDeployment")]
_Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Default: the kubeconfig's.")]
_Model = Annotated[str, typer.Option(help="EdgeModel; default: the only one of the deployment.")]
_Data = Annotated[Path | None, typer.Option(help=".npz: an array for each input of the model, labels (class numbers).")]
_Logits = Annotated[Path | None, typer.Option(help=".npz: logits, labels, perhaps cloud (logits); nobody is asked.")]
_Url = Annotated[str, typer.Option(help="A device, as http://192.0.2.7:8000; default: any, through the API server.")]
_Cloud = Annotated[str, typer.Option(help="The bigger model: http://triton:8000, or …/v2/models/NAME of another name.")]
_Offload = Annotated[float | None, typer.Option(help="Largest share of requests to ask; default: budget.ratio.")]
_Accuracy = Annotated[float | None, typer.Option(help="Wanted of both together; without --cloud, of what is kept.")]
_Token = Annotated[str, typer.Option(envvar="EDGEWISE_TOKEN", help="Shown at --url.")]
_CloudToken = Annotated[str, typer.Option(envvar="EDGEWISE_CLOUD_TOKEN", help="Shown at --cloud.")]
_Ca = Annotated[str, typer.Option(help="File of the CA to trust at --url and --cloud.")]
_Plot = Annotated[Path | None, typer.Option(help="Draws both curves into this PNG.")]
_Write = Annotated[bool, typer.Option("--write", help="Writes the fields, instead of printing their YAML.")]


def command(
    name: _Name,
    namespace: _Namespace = "",
    model: _Model = "",
    data: _Data = None,
    logits: _Logits = None,
    url: _Url = "",
    cloud: _Cloud = "",
    token: _Token = "",
    cloud_token: _CloudToken = "",
    ca: _Ca = "",
    offload: _Offload = None,
    accuracy: _Accuracy = None,
    plot: _Plot = None,
    apply: _Write = False,
) -> None:
    """What a confidence is worth, and below which one to ask for help. The YAML goes to standard output, all else to
    standard error."""
    try:
        subject = find(name, namespace, model)
        wish = subject.wish if offload is None and accuracy is None else Wish(offload, accuracy)
        found = _calibrated(subject, Sources(data, logits, url, cloud, token, cloud_token, ca), wish)
        _tell(subject, found, plot)
        _hand_over(subject, found, apply)
    except (AskingError, SampleError) as error:
        typer.echo(f"edgewise: {error}", err=True)
        raise typer.Exit(1) from error


def _calibrated(subject: Subject, sources: Sources, wish: Wish) -> Calibration:
    confidence = subject.confidence
    method = str(confidence.method) if confidence.method in CLASS_SCORES else "SoftmaxMax"  # of a score's two classes
    return calibrate(subject.samples(sources), wish, method, float(confidence.temperature))


def _tell(subject: Subject, found: Calibration, plot: Path | None) -> None:
    console = Console(stderr=True, highlight=False)
    console.print(shown(found))
    if not subject.place.deployment:
        console.print(f"{subject.deployment.metadata.name} has no spec.escalation: nobody to ask, so no threshold")
    if plot is not None:
        draw(found, f"{subject.model.metadata.name} {subject.model.spec.version}", plot)


def _hand_over(subject: Subject, found: Calibration, apply: bool) -> None:
    setting = found.after.setting
    manifests = fields(subject.place, setting.temperature, setting.below)
    if not apply:
        typer.echo(as_yaml(manifests), nl=False)
        return
    _write(subject.cluster, manifests)
    written = ", ".join(f"{manifest['kind']} {manifest['metadata']['name']}" for manifest in manifests)
    typer.echo(f"written: {written}", err=True)


def _write(cluster: Cluster, manifests: Sequence[Manifest]) -> None:
    try:
        write(cluster, manifests)
    except AskingError:
        typer.echo(as_yaml(manifests), nl=False)  # for whoever owns the fields
        raise
