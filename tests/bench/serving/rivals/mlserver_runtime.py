"""MLServer's runtime class for one ONNX file; imported by MLServer in its own environment."""

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Onnx(MLModel):
    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = self.settings.parameters.uri
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._output = self._session.get_outputs()[0].name
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        (given,) = payload.inputs
        (result,) = self._session.run([self._output], {given.name: NumpyCodec.decode_input(given)})
        output = NumpyCodec.encode_output(self._output, result)
        return InferenceResponse(id=payload.id, model_name=self.name, outputs=[output])
