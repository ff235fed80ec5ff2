"""The program on every device: serves models (Open Inference Protocol), follows its plan. Python 3.10-clean."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("edgewise")
except PackageNotFoundError:  # run from a bare source tree
    __version__ = "0.0.0"
