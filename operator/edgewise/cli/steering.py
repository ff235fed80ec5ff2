"""`kubectl edgewise pause`, `undo` and the like: a field of the spec for whoever does not want to edit YAML now.

Git stays the truth: --dry-run prints the fields for it, and where something keeps the EdgeDeployment in step with Git,
they are printed after they were written, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.names import API_VERSION
from edgewise.cli import verbs
from edgewise.cli.asking import AskingError, Cluster
from edgewise.cli.fields import as_yaml
from edgewise.cli.verbs import Edit, Known, VerbError

MANAGER = "edgewise-steering"
KEEPERS = {
    "argocd-controller": "Argo CD",
    "fleetagent": "Rancher Fleet",
    "helm": "Helm",
    "helm-controller": "Flux",
    "kustomize-controller": "Flux",
}
"""Field managers that write again what Git, or a chart, says."""

_Name = Annotated[str, typer.Argument(help="EdgeDeployment")]
_Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Default: the kubeconfig's.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Writes nothing; prints the YAML to commit.")]
_To = Annotated[str, typer.Option(help="A release of `history`; its version is enough where that names one.")]
_Verb = Callable[[EdgeDeployment, Sequence[Known]], Edit]


def add_to(app: typer.Typer) -> None:
    """All of these commands."""
    for verb in (verbs.pause, verbs.resume, verbs.promote, verbs.abort, verbs.follow, verbs.retry):
        app.command(verb.__name__, help=verb.__doc__)(_command(verb))
    app.command("undo", help=verbs.undo.__doc__)(undo)
    app.command("history")(history)


def _command(verb: _Verb) -> Callable[..., None]:
    def command(name: _Name, namespace: _Namespace = "", dry_run: _DryRun = False) -> None:
        _steer(verb, name, namespace, dry_run)

    return command


def undo(name: _Name, to: _To = "", namespace: _Namespace = "", dry_run: _DryRun = False) -> None:
    _steer(lambda seen, known: verbs.undo(seen, known, to), name, namespace, dry_run)


def history(name: _Name, namespace: _Namespace = "") -> None:
    """Releases on record, the newest first: what `undo --to` can go to."""
    with _explained():
        cluster = Cluster()
        namespace = namespace or cluster.namespace
        seen, known = cluster.deployment(name, namespace), cluster.releases(name, namespace)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("RELEASE", "SINCE", "MODELS", "NOW"):
        table.add_column(column, overflow="fold")
    for release in known:
        table.add_row(*map(Text, (release.name, release.made, release.models, verbs.standing(seen, release.name))))
    Console(highlight=False).print(table)


def _steer(verb: _Verb, name: str, namespace: str, dry_run: bool) -> None:
    with _explained():
        cluster = Cluster()
        namespace = namespace or cluster.namespace
        edit = verb(cluster.deployment(name, namespace), cluster.releases(name, namespace))
        place = {"name": name, "namespace": namespace}
        manifest = {"apiVersion": API_VERSION, "kind": "EdgeDeployment", "metadata": place, "spec": edit.spec}
        managers = set() if dry_run else cluster.merge(manifest, MANAGER)
    keepers = sorted({KEEPERS[manager] for manager in managers & KEEPERS.keys()})
    typer.echo(f"{name}: {edit.told}{' (not written)' if dry_run else ''}", err=True)
    if keepers:
        typer.echo(f"{' and '.join(keepers)} may set this back: commit it, too", err=True)
    if dry_run or keepers:
        typer.echo(as_yaml([manifest]), nl=False)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (AskingError, VerbError) as error:
        typer.echo(f"edgewise: {error}", err=True)
        raise typer.Exit(1) from error
