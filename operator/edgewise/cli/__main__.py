"""The commands. Installed as `kubectl-edgewise`, so kubectl finds it as `kubectl edgewise`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgewise.api.edgedeployment import EdgeDeploymentStatus
from edgewise.cli import calibrate, steering
from edgewise.cli.asking import Answer, AskingError, Cluster
from edgewise.cli.fleet import gateway, moves, rollout
from edgewise.cli.packaging import command as packaging

app = typer.Typer(help="What edgewise does on your fleet, and why.", no_args_is_help=True, add_completion=False)
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace; default: the kubeconfig's.")]

app.command("calibrate")(calibrate.command)
app.command("package", help=packaging.HELP)(packaging.command)
steering.add_to(app)


@app.command()
def status(name: Annotated[str, typer.Argument(help="EdgeDeployment")], namespace: Namespace = "") -> None:
    """Which node serves which build, and why."""
    try:
        cluster = Cluster()
        answer = cluster.answer(name, namespace or cluster.namespace)
    except AskingError as error:
        typer.echo(f"edgewise: {error}", err=True)
        raise typer.Exit(1) from error
    _show(answer)


def _show(answer: Answer) -> None:
    console, now = Console(highlight=False), answer.deployment.status
    for condition in now.conditions or ():
        # Text, not a string: what a device says may look like markup.
        said = f"={condition.status}  {condition.reason}: {condition.message}"
        console.print(Text.assemble((condition.type, "bold"), said))
    if now.release is not None:
        console.print(f"release  stable {now.release.stable or '-'}, target {now.release.target}")
        for signer in now.release.signers or ():
            console.print(Text(f"signed   {signer.model} by {signer.key}"))
    if going := rollout(now):
        console.print(Text(f"rollout  {going}"))
    for move in moves(now):
        console.print(Text(f"moving   {move}"))
    if relief := gateway(now):
        console.print(Text(f"gateway  {relief}"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("NODE", "PROFILE", "BUILD", "MEASURED", "STATE", "WHY"):
        table.add_column(column, overflow="fold")
    for row in answer.fleet:
        table.add_row(*map(Text, (row.node, row.profile, row.build, row.measured, row.state, row.why)))
    console.print(table)
    if more := _untold(now):
        console.print(f"and {more} more that nothing fits; the first {len(now.unplaced or ())} are shown")


def _untold(now: EdgeDeploymentStatus) -> int:
    """Unplaced nodes that the status counts and does not name."""
    return now.nodes.unplaced - len(now.unplaced or ()) if now.nodes is not None else 0


def main() -> None:
    app()


if __name__ == "__main__":
    main()
