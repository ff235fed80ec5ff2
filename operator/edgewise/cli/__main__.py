"""The commands. Installed as `kubectl-edgewise`, so kubectl finds it as `kubectl edgewise`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from rich.console import Console
from rich.table import Table

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.names import DEPLOYMENT_LABEL, GROUP, VERSION
from edgewise.cli.fleet import Row, rows

app = typer.Typer(help="What edgewise does on your fleet, and why.", no_args_is_help=True, add_completion=False)
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace; default: the kubeconfig's.")]


@app.callback()
def root() -> None:
    """Keeps `status` a subcommand while it is the only one."""


@app.command()
def status(name: Annotated[str, typer.Argument(help="EdgeDeployment")], namespace: Namespace = "") -> None:
    """Which node serves which build, and why."""
    try:
        deployment, fleet = _read(name, namespace or _default_namespace())
    except ApiException as error:
        typer.echo(f"edgewise: {error.reason}: EdgeDeployment {name}: {error.body}", err=True)
        raise typer.Exit(1) from error
    _show(deployment, fleet)


def _default_namespace() -> str:
    _, active = config.list_kube_config_contexts()
    return str(active["context"].get("namespace") or "default")


def _read(name: str, namespace: str) -> tuple[EdgeDeployment, list[Row]]:
    config.load_kube_config()
    core: Any = client.CoreV1Api()
    custom: Any = client.CustomObjectsApi()
    body = custom.get_namespaced_custom_object(GROUP, VERSION, namespace, "edgedeployments", name)
    deployment = EdgeDeployment.model_validate(body)
    plain: Any = client.ApiClient().sanitize_for_serialization
    nodes = plain(core.list_node())["items"]
    pods = plain(core.list_namespaced_pod(namespace, label_selector=f"{DEPLOYMENT_LABEL}={name}"))["items"]
    return deployment, rows(deployment, nodes, pods)


def _show(deployment: EdgeDeployment, fleet: list[Row]) -> None:
    console, now = Console(), deployment.status
    for condition in now.conditions or ():
        console.print(f"[bold]{condition.type}[/]={condition.status}  {condition.reason}: {condition.message}")
    if now.release is not None:
        console.print(f"release  stable {now.release.stable or '-'}, target {now.release.target}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("NODE", "PROFILE", "BUILD", "STATE", "WHY"):
        table.add_column(column, overflow="fold")
    for row in fleet:
        table.add_row(row.node, row.profile, row.build, row.state, row.why)
    console.print(table)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
