"""gRPC beside HTTP: the same tensor to the same server, by clients that both cost next to nothing."""

import contextlib
from functools import partial

from tritonclient.grpc import service_pb2

from tests.bench.figures import Figure, Report
from tests.bench.serving import models, ours
from tests.bench.serving.clients import Connection
from tests.bench.serving.http2 import GrpcConnection
from tests.bench.serving.messages import binary
from tests.bench.serving.models import Model
from tests.bench.serving.timing import interleaved, over, timed

ROUNDS = 15
METHOD = "/inference.GRPCInferenceService/ModelInfer"


def grpc(report: Report) -> None:
    """A picture of 602,112 bytes to two models, and 3,136 bytes to the small MLP."""
    for model, each in ((models.cnn(), 20), (models.average(), 60), (models.mlp(), 60)):
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(ours.serving(model))
            report.settings["ours"] = server.settings
            by_grpc = stack.enter_context(GrpcConnection(server.grpc_port, METHOD))
            by_http = stack.enter_context(Connection(server.port))
            contestants = {
                "gRPC": timed(partial(by_grpc.ask, _infer(model))),
                "HTTP": timed(partial(by_http.ask, binary(model))),
            }
            p50 = interleaved(contestants, ROUNDS, each)
        ratio = over(p50["gRPC"], p50["HTTP"])
        report.add(Figure(f"gRPC p50 / HTTP p50 ({model.name})", ratio, "x", limit=1.3, raw=p50))


def _infer(model: Model) -> bytes:
    request = service_pb2.ModelInferRequest(model_name=model.name, id="bench")
    request.inputs.add(name=model.input, datatype=model.datatype, shape=model.shape)
    request.raw_input_contents.append(model.sample().tobytes())
    raw: bytes = request.SerializeToString()
    return raw
