"""What a package means to an EdgeModel: as YAML to paste, or written into the manifest, whose comments stay."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from edgewise.cli.packaging.builds import PackagingError
from edgewise.cli.packaging.copies import Made, Packed

if TYPE_CHECKING:
    from ruamel.yaml import YAML

Uri = Callable[[str], str]
"""From the path of a file in the package to where devices will find it."""
Fields = dict[str, Any]


def variants(packed: Sequence[Packed], uri: Uri) -> list[Fields]:
    """spec.variants[]: name, source and deltas."""
    return [_variant(each, uri) for each in packed]


def _variant(packed: Packed, uri: Uri) -> Fields:
    file = packed.build.file
    source: Fields = {"uri": uri(file.name), "sha256": file.sha256, "size": len(file.content)}
    if packed.compressed is not None:
        source["compressed"] = _copy(packed.compressed, uri)
    fields: Fields = {"name": packed.build.variant, "source": source}
    if packed.deltas:
        fields["deltas"] = [_copy(made, uri) for made in packed.deltas]
    return fields


def _copy(made: Made, uri: Uri) -> Fields:
    start = {"fromSha256": made.since.sha256} if made.since is not None else {}
    return {**start, "uri": uri(made.title), "sha256": made.sha256, "size": len(made.content)}


def as_yaml(spec: Fields) -> str:
    return str(yaml.safe_dump({"spec": spec}, sort_keys=False))


def identity(path: Path, model: str) -> tuple[str, str]:
    """Name and version of the EdgeModel in this file. PackagingError where there is none."""
    found = _found(_read(path)[1], model, path)
    return str(found["metadata"]["name"]), str(found["spec"].get("version", ""))


def write(path: Path, model: str, spec: Fields) -> list[str]:
    """Sets the fields in the EdgeModel of this file (`model` names it where there are several), and returns what a
    person should know of it. PackagingError where there is none, or not its variants."""
    editor, documents = _read(path)
    remarks = list(_set(_found(documents, model, path), spec))
    out = io.StringIO()
    editor.dump_all(documents, out)
    try:
        path.write_text(out.getvalue())
    except OSError as error:
        raise PackagingError(f"cannot write {path}: {error.strerror}") from error
    return remarks


def _read(path: Path) -> tuple[YAML, list[Any]]:
    """What the file holds, and what writes it again as it was."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.util import load_yaml_guess_indent

    try:
        text = path.read_text()
        editor = YAML()
        editor.preserve_quotes = True
        editor.width = 2**16
        documents = list(editor.load_all(text))
        first = next(part for part in re.split(r"^---.*$", text, flags=re.MULTILINE) if part.strip())
        _, indent, offset = load_yaml_guess_indent(first)
    except OSError as error:
        raise PackagingError(f"cannot read {path}: {error.strerror}") from error
    except (YAMLError, StopIteration) as error:
        raise PackagingError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    step = re.search(r"^( +)[^ #-]", first, re.MULTILINE)
    editor.indent(mapping=len(step[1]) if step else 2, sequence=indent or 2, offset=offset or 0)
    return editor, documents


def _found(documents: list[Any], model: str, path: Path) -> Any:
    models = [each for each in documents if isinstance(each, dict) and each.get("kind") == "EdgeModel"]
    named = [each for each in models if model in ("", each["metadata"]["name"])]
    if len(named) == 1:
        return named[0]
    names = ", ".join(each["metadata"]["name"] for each in models)
    raise PackagingError(f"{path} has the EdgeModels {names}: name one with --model" if names else f"{path} has none")


def _set(manifest: Any, spec: Fields) -> Iterator[str]:
    there = {variant["name"]: variant for variant in manifest["spec"].get("variants") or ()}
    for fields in spec["variants"]:
        variant = there.get(fields["name"])
        if variant is None:
            names = ", ".join(there) or "none"
            raise PackagingError(f"there is no variant {fields['name']} (there are {names}): say VARIANT=FILE")
        if variant["source"].pop("mirrors", None):
            yield f"{fields['name']}: mirrors taken out, they had the earlier file"
        variant["source"].pop("compressed", None)
        variant["source"].update(fields["source"])
        variant.pop("deltas", None)
        if "deltas" in fields:
            variant["deltas"] = fields["deltas"]
    for key, value in spec.items():
        if key != "variants" and isinstance(value, dict):
            manifest["spec"].setdefault(key, {}).update(value)
        elif key != "variants":
            manifest["spec"][key] = value
