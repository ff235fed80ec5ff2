"""`python -m edgewise.schema` writes the files generated from the kinds; `--check` says where they have drifted."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path, PurePosixPath

from edgewise.schema.files import generated_files


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 when `--check` finds a file that differs from what the kinds say now."""
    parser = argparse.ArgumentParser(prog="python -m edgewise.schema", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; print a diff and exit 1 on drift")
    parser.add_argument("--root", type=Path, default=Path(), help="the repository's root (default: here)")
    options = parser.parse_args(arguments)
    if options.check:
        return _check(options.root)
    for path, text in generated_files():
        _write(options.root / path, text)
    return 0


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_text() != text:
        target.write_text(text)
        print(f"wrote {target}")


def _check(root: Path) -> int:
    drift = [line for path, text in generated_files() for line in _drift(root, path, text)]
    sys.stdout.writelines(drift)
    if drift:
        sys.stderr.write("generated files have drifted; run `make generate` and commit the result\n")
    return 1 if drift else 0


def _drift(root: Path, path: PurePosixPath, text: str) -> list[str]:
    target = root / path
    there = target.read_text() if target.exists() else ""
    lines = difflib.unified_diff(there.splitlines(True), text.splitlines(True), str(path), f"{path} (generated)")
    return list(lines)


if __name__ == "__main__":
    sys.exit(main())
