"""`kubectl edgewise package`: deltas, a compressed copy, a registry or a folder, and the fields of the EdgeModel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from edgewise.cli.packaging.builds import PackagingError, builds, files
from edgewise.cli.packaging.copies import Progress as Told
from edgewise.cli.packaging.manifests import as_yaml, identity, write
from edgewise.cli.packaging.packages import Package, Place, Wish, package
from edgewise.cli.packaging.protection import Protection, SecretKey
from edgewise.cli.packaging.summary import table

HELP = """Devices fetch a new version in as few bytes as they can.

\b
  kubectl edgewise package int8=build/digits.onnx --previous released/ \\
      --to oci://ghcr.io/acme/digits:1.1.0 --into digits.yaml

Those that still have a file of --previous fetch what changed since, others the new one compressed. They fall back to \
the full file.

The fields of the EdgeModel go to standard output, or into a manifest with --into; all else goes to standard error.
"""

_Files = Annotated[list[str], typer.Argument(metavar="FILES", help="FILE, VARIANT=FILE, or a folder of files.")]
_Previous = Annotated[list[Path], typer.Option(help="Earlier file or folder; may be repeated.", show_default=False)]
_To = Annotated[str, typer.Option(help="Registry: oci://HOST/REPOSITORY:TAG.")]
_Out = Annotated[Path | None, typer.Option(help="Folder, instead of a registry: upload it anywhere.")]
_Url = Annotated[str, typer.Option(help="Where devices will find that folder: https://HOST/PATH.")]
_Into = Annotated[Path | None, typer.Option(help="Manifest to write the fields into; its comments stay.")]
_Model = Annotated[str, typer.Option(help="EdgeModel; default: the only one of --into.")]
_Version = Annotated[str, typer.Option(help="Its new spec.version.")]
_Sign = Annotated[Path | None, typer.Option(help="Private key (PEM) to sign with.")]
_PublicKeySecret = Annotated[str, typer.Option(help="Where devices find its public key: SECRET/KEY.")]
_Expires = Annotated[str | None, typer.Option(help="From then on nobody changes over to it: 2027-01-01T00:00:00Z.")]
_Encrypt = Annotated[Path | None, typer.Option(help="Key to encrypt with: 32 bytes, or those in base64.")]
_KeySecret = Annotated[str, typer.Option(help="Where devices find it: SECRET/KEY.")]
_PlainHttp = Annotated[bool, typer.Option("--plain-http", help="The registry has no TLS.")]


def command(
    given: _Files,
    previous: _Previous = [],  # noqa: B006  typer's way; nobody changes it
    to: _To = "",
    out: _Out = None,
    url: _Url = "",
    into: _Into = None,
    model: _Model = "",
    version: _Version = "",
    sign: _Sign = None,
    public_key_secret: _PublicKeySecret = "",
    expires: _Expires = None,
    encrypt: _Encrypt = None,
    key_secret: _KeySecret = "",
    plain_http: _PlainHttp = False,
) -> None:
    try:
        name, current = (model, "") if into is None else identity(into, model)
        keys = SecretKey.parse(key_secret), SecretKey.parse(public_key_secret)
        protection = Protection(name, version or current, encrypt, keys[0], sign, keys[1], expires).checked()
        place = Place(to, out, url, plain_http).checked()
        wish = Wish(builds(given), files(previous), place, protection, version, _password)
        with _progress() as progress:
            made = package(wish, progress)
        _tell(made)
        _hand_over(made, into, model)
    except PackagingError as error:
        typer.echo(f"edgewise: {error}", err=True)
        raise typer.Exit(1) from error


def _password() -> str:
    return str(typer.prompt("Password of the private key", hide_input=True, err=True))


@contextmanager
def _progress() -> Iterator[Told]:
    """A bar for each thing that is being done, gone when all is; in a log a line for each."""
    columns, console = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()), Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks = {}

        def told(what: str, share: float) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=1.0)
                if not console.is_terminal:
                    typer.echo(what, err=True)
            bars.update(tasks[what], completed=share)

        yield told


def _tell(made: Package) -> None:
    console = Console(stderr=True, highlight=False)
    console.print(table(made.packed))
    if made.digest:
        console.print(f"pushed {made.digest}")


def _hand_over(made: Package, into: Path | None, model: str) -> None:
    if into is None:
        typer.echo(as_yaml(made.spec), nl=False)
        return
    for remark in write(into, model, made.spec):
        typer.echo(f"edgewise: {remark}", err=True)
    typer.echo(f"written: {into}", err=True)
