"""What `calibrate` calibrates: one model of an EdgeDeployment as the cluster has it, and its answers to examples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgewise.api.confidence import Confidence, measured_by
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModel
from edgewise.cli.asking import AskingError, Cluster
from edgewise.cli.calibration.samples import SampleError, Samples, checked, of_scores
from edgewise.cli.calibration.thresholds import Wish
from edgewise.cli.fields import Place
from edgewise.cli.inference import Model
from edgewise.cli.labelled import Answers, read_answers, read_examples
from edgewise.cli.lines import Line, straight, through
from edgewise.contract.scores import CLASS_SCORES

_MODEL_PATH = "/v2/models/"


@dataclass(frozen=True)
class Sources:
    """Where the answers come from: `data` asks servers, `logits` has them already."""

    data: Path | None
    logits: Path | None
    url: str
    cloud: str
    token: str
    cloud_token: str
    ca: str


@dataclass(frozen=True)
class Subject:
    """One model of a deployment. Its properties raise SampleError where there is nothing to calibrate."""

    cluster: Cluster
    deployment: EdgeDeployment
    model: EdgeModel
    namespace: str

    @property
    def confidence(self) -> Confidence:
        """With its method."""
        found = measured_by(self.model.spec.task, self.model.spec.confidence)
        if found is None or (found.method not in CLASS_SCORES and found.threshold is None):
            raise SampleError(
                f"no temperature changes how sure EdgeModel {self.model.metadata.name} is: calibrate is for "
                f"spec.confidence.method {', '.join(CLASS_SCORES)}, and Score with a threshold"
            )
        return found

    @property
    def wish(self) -> Wish:
        """What the deployment's budget allows, where nobody wished for anything."""
        escalation = self.deployment.spec.escalation
        ratio = escalation.budget.ratio if escalation else None
        return Wish(offload=None if ratio is None else float(ratio))

    @property
    def place(self) -> Place:
        asks = self.deployment.spec.escalation is not None
        return Place(self.namespace, self.model.metadata.name, self.deployment.metadata.name if asks else "")

    def samples(self, sources: Sources) -> Samples:
        """Of all examples. AskingError where nobody answers, SampleError where the answers are no use."""
        answers, threshold = self._answers(sources), self.confidence.threshold
        if threshold is None:
            return checked(answers.logits, answers.labels, answers.cloud)
        limit = float(threshold)
        cloud = None if answers.cloud is None else of_scores(answers.cloud, limit)
        return checked(of_scores(answers.logits, limit), answers.labels, cloud)

    def _answers(self, sources: Sources) -> Answers:
        if sources.logits is not None and sources.data is None:
            return read_answers(sources.logits)
        if sources.data is None or sources.logits is not None:
            raise SampleError("give labelled examples with --data, or logits with --logits, and not both")
        examples, output = read_examples(sources.data), self.confidence.output
        logits = self._at(sources.url, self._device(sources), local=True).logits(examples.inputs, output)
        cloud = None
        if sources.cloud:
            line = straight(_base(sources.cloud), sources.cloud_token, sources.ca)
            cloud = self._at(sources.cloud, line, local=False).logits(examples.inputs, output)
        return Answers(logits, examples.labels, cloud)

    def _at(self, url: str, line: Line, local: bool) -> Model:
        """The model that `url` names, else the one of the same name."""
        return Model(line, url.partition(_MODEL_PATH)[2].strip("/") or self.model.metadata.name, local)

    def _device(self, sources: Sources) -> Line:
        """The one named, or any that is ready."""
        if sources.url:
            return straight(_base(sources.url), sources.token, sources.ca)
        name = self.deployment.metadata.name
        if self.deployment.spec.serving.auth is not None:
            raise AskingError(
                f"{name} lets nobody in without a token or certificate, and the API server would show its own: "
                "name a device with --url, --ca and EDGEWISE_TOKEN, or give --logits"
            )
        return through(self.cluster, self.namespace, name)


def find(name: str, namespace: str, model: str) -> Subject:
    """`model` of EdgeDeployment `name`, the only one where that is empty. AskingError where there is none such."""
    cluster = Cluster()
    namespace = namespace or cluster.namespace
    deployment = cluster.deployment(name, namespace)
    names = [each.name for each in deployment.spec.models]
    if model not in names and (model or len(names) > 1):
        raise AskingError(f"{name} serves {', '.join(names)}: name one of them with --model")
    return Subject(cluster, deployment, cluster.model(model or names[0], namespace), namespace)


def _base(url: str) -> str:
    return url.partition(_MODEL_PATH)[0]
