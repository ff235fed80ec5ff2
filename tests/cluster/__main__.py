"""The command line of the test cluster: `python -m tests.cluster --help`."""

import argparse
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cluster import binaries, images
from tests.cluster.cluster import Cluster
from tests.cluster.platforms import named
from tests.cluster.prerequisites import install_missing
from tests.cluster.status import table

Act = Callable[[Cluster, argparse.Namespace], None]

_UNITS = {"ms": 0.001, "s": 1.0}


def seconds(text: str) -> float:
    """A duration such as `40ms` or `1.5s`, in seconds."""
    unit = "ms" if text.endswith("ms") else "s"
    return float(text.removesuffix(unit)) * _UNITS[unit]


def up(cluster: Cluster, options: argparse.Namespace) -> None:
    cluster.up()
    if options.crowd is not None:
        cluster.crowd(options.crowd)
    print(f"export KUBECONFIG={cluster.kubeconfig}")


def down(cluster: Cluster, options: argparse.Namespace) -> None:
    cluster.down()


def status(cluster: Cluster, options: argparse.Namespace) -> None:
    print(table(cluster))


def cut(cluster: Cluster, options: argparse.Namespace) -> None:
    cluster[options.node].cut()


def heal(cluster: Cluster, options: argparse.Namespace) -> None:
    cluster[options.node].heal()


def slow(cluster: Cluster, options: argparse.Namespace) -> None:
    cluster[options.node].slow(options.delay, options.loss, options.rate)


def reboot(cluster: Cluster, options: argparse.Namespace) -> None:
    cluster[options.node].reboot()


def load(cluster: Cluster, options: argparse.Namespace) -> None:
    cluster.load_image(options.archive, options.node)


def build(cluster: Cluster, options: argparse.Namespace) -> None:
    built = images.build(options.registry, platforms=named(options.platforms))
    if cluster.plane.is_running:
        images.distribute(cluster, built)
    for name, reference in built.items():
        print(f"{name:<14}{reference}")


def prerequisites(cluster: Cluster, options: argparse.Namespace) -> None:
    install_missing()


def kubeconfig(cluster: Cluster, options: argparse.Namespace) -> None:
    print(cluster.kubeconfig)


def kubectl(cluster: Cluster, options: argparse.Namespace) -> None:
    program = binaries.kubectl()
    os.execv(program, [str(program), f"--kubeconfig={cluster.kubeconfig}", *options.arguments])


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    root = argparse.ArgumentParser(prog="python -m tests.cluster", description="A real Kubernetes on this machine.")
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    def command(act: Act, told: str, name: str = "", **kind: Any) -> argparse.ArgumentParser:
        sub = commands.add_parser(name or act.__name__, help=told, **kind)
        sub.set_defaults(act=act)
        return sub

    starting = command(up, "start what does not run, heal every link")
    starting.add_argument("--crowd", type=int, metavar="N", help="simulated nodes to have besides (kwok)")
    command(down, "leave nothing behind")
    command(status, "what runs")
    command(cut, "unplug a node from the network").add_argument("node")
    command(heal, "plug a node in again, at full speed").add_argument("node")
    slowing = command(slow, "make a node's link late, lossy and thin")
    slowing.add_argument("node")
    slowing.add_argument("--delay", type=seconds, default=0.0, help="a way, such as 40ms")
    slowing.add_argument("--loss", type=float, default=0.0, help="share of frames, such as 0.05")
    slowing.add_argument("--rate", type=float, default=math.inf, metavar="BITS", help="a second, such as 1e6")
    command(reboot, "power-cycle a node").add_argument("node")
    loading = command(load, "import an image archive")
    loading.add_argument("archive", type=Path)
    loading.add_argument("node", nargs="*", help="all nodes when none is named")
    building = command(build, "build the images of product and tests, and load them into a running cluster", "images")
    building.add_argument("--registry", default="", metavar="HOST/PATH", help="push them there")
    building.add_argument("--platforms", default="", metavar="OS/ARCH,…", help="for these (default: this machine's)")
    command(prerequisites, "install the Debian packages that are missing")
    command(kubeconfig, "print the path of the administrator's kubeconfig")
    # Without a character that starts an option, all of them are kubectl's.
    own_options = command(kubectl, "run kubectl on the cluster", prefix_chars="\0", add_help=False)
    own_options.add_argument("arguments", nargs="*")
    return root


if __name__ == "__main__":
    chosen = parser().parse_args()
    try:
        chosen.act(Cluster(), chosen)
    except RuntimeError as error:  # each of ours says what failed, and which log to read
        sys.exit(f"error: {error}")
