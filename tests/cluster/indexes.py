"""This machine's way to its package indexes, for builds and checks that must take the same way.

A machine may reach PyPI through settings of its own (an index, a certificate, a proxy). Those that pip knows are handed
on as files, for pip and for uv, so that no Containerfile knows of them and no image contains them.
"""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.cluster import paths
from tests.cluster.command import run

_CERTIFICATES = Path("/etc/ssl/certs")
_NETWORK_OPTIONS = {
    "cert",
    "client-cert",
    "default-timeout",
    "extra-index-url",
    "find-links",
    "index-url",
    "no-index",
    "proxy",
    "timeout",
    "trusted-host",
}
# uv's names of those that it has too; all but the first take lists.
_UV_NAMES = {
    "index-url": "index-url",
    "extra-index-url": "extra-index-url",
    "find-links": "find-links",
    "trusted-host": "allow-insecure-host",
}


def volumes() -> Iterator[tuple[Path, Path]]:
    """What a build mounts, here and there: the settings, the files they name, the machine's certificates and names."""
    settings = dict(_settings())
    places = {path for value in settings.values() for path in map(Path, value.split()) if path.is_absolute()}
    outside = {path for path in places if path.exists() and not path.is_relative_to(_CERTIFICATES)}
    yield _pip_configuration(settings), Path("/etc/pip.conf")
    yield uv_configuration(settings), Path("/etc/uv/uv.toml")
    for path in [Path("/etc/resolv.conf"), *filter(Path.exists, [_CERTIFICATES]), *sorted(outside)]:
        yield path, path


def uv_configuration(settings: dict[str, str] | None = None) -> Path:
    """A file for uv, which reads nothing of pip's; of this machine's settings when none are given."""
    settings = dict(_settings()) if settings is None else settings
    lines = ["system-certs = true"]
    if settings.get("no-index") in ("1", "true", "yes"):
        lines.append("no-index = true")
    for key, name in _UV_NAMES.items():
        words = [word for word in settings.get(key, "").split() if not Path(word).is_absolute() or Path(word).exists()]
        if words:
            lines.append(f"{name} = {json.dumps(words[0] if key == 'index-url' else words)}")
    return _written(paths.cache() / "uv.toml", [*lines, ""])


def _pip_configuration(settings: dict[str, str]) -> Path:
    lines = ["[global]", *(f"{key} = {value}" for key, value in settings.items()), ""]
    return _written(paths.cache() / "pip.conf", lines)


def _written(file: Path, lines: list[str]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines))
    return file


def _settings() -> Iterator[tuple[str, str]]:
    for line in run(sys.executable, "-m", "pip", "config", "list").splitlines():
        key, _, value = line.partition("=")
        option = key.rpartition(".")[2]
        if option in _NETWORK_OPTIONS:
            yield option, str(ast.literal_eval(value))
