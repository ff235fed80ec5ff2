"""A real Prometheus on the host of the embedded cluster, which reaches every pod address."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.cluster.ports import free_port
from tests.cluster.waiting import wait_for
from tests.stage.product import Product


@dataclass(frozen=True)
class Prometheus:
    """Answers PromQL."""

    url: str

    def query(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Instant vector as {sorted labels: value}."""
        with urllib.request.urlopen(f"{self.url}/api/v1/query?query={urllib.parse.quote(expression)}") as reply:
            found = json.load(reply)["data"]["result"]
        return {tuple(sorted(entry["metric"].items())): float(entry["value"][1]) for entry in found}

    def value(self, expression: str) -> float:
        """The one value of an expression; 0 while there is none."""
        return next(iter(self.query(expression).values()), 0.0)


@contextmanager
def prometheus(product: Product, folder: Path) -> Iterator[Prometheus]:
    """Scrapes the operator and all runtime pods every second."""
    operator = product.system.get("pods", "", "-l", "app.kubernetes.io/component=operator")["items"]
    runtimes = product.kubectl.get("pods", "", "-l", "edgewise.dev/role=runtime")["items"]
    jobs = {
        "operator": [f"{pod['status']['podIP']}:8080" for pod in operator],
        "runtime": [f"{pod['status']['podIP']}:8002" for pod in runtimes if "podIP" in pod["status"]],
    }
    with scraping(jobs, folder) as running:
        yield running


@contextmanager
def scraping(jobs: Mapping[str, list[str]], folder: Path) -> Iterator[Prometheus]:
    """The addresses of each job, every second. Its files and its log are kept in `folder`."""
    config = folder / "prometheus.yml"
    scrapes = [{"job_name": name, "static_configs": [{"targets": targets}]} for name, targets in jobs.items()]
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": scrapes}))
    address = f"127.0.0.1:{free_port()}"
    argv = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen([*argv, f"--web.listen-address={address}"], stdout=log, stderr=log)
        try:
            wait_for(f"prometheus (see {log.name})", lambda: _ready(address))
            yield Prometheus(f"http://{address}")
        finally:
            process.terminate()
            process.wait(10)


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready") as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False
