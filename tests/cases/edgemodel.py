"""EdgeModels that are accepted and that are refused."""

from __future__ import annotations

from tests.cases.case import ABSENT, accepted, changed, refused
from tests.cases.manifests import FULL_MODEL as MODEL
from tests.cases.manifests import NMS, SHA, SMALL_MODEL, TEXT_BOXES, VARIANT, Manifest

PRE, POST = "spec.processing.pre", "spec.processing.post"
DECODE: Manifest = {"decodeImage": {}}
RESIZE: Manifest = {"resize": {"width": 28, "height": 28}}
NORMALISE: Manifest = {"normalise": {}}
TENSOR: Manifest = {"toTensor": {}}
ONE_OF_PRE = "set exactly one of decodeImage, resize, crop, pad, normalise, toTensor"
ONE_OF_POST = "set exactly one of softmax, sigmoid, topK, nms, textBoxes, ctcDecode"
PRE_RULE = "pre must begin with decodeImage and end with normalise, if any, and toTensor"
POST_RULE = "post may hold one of topK, nms, textBoxes and ctcDecode, as its last step"
ONE_OF_TEST = "set exactly one of source, inline"

ACCEPTED = (
    accepted("the smallest model", SMALL_MODEL),
    accepted("a model with every field", MODEL),
    accepted("a model name of 52 characters", SMALL_MODEL, "metadata.name", "1" + "m" * 51),
    accepted("a self test written inline", SMALL_MODEL, "spec.selfTest", {"inline": "aGVsbG8="}),
    accepted("verification that is not required needs no keys", SMALL_MODEL, "spec.verification", {}),
    accepted("confidence of an output that the device picks", SMALL_MODEL, "spec.confidence", {}),
    accepted(
        "an anomaly by its distance",
        changed(SMALL_MODEL, "spec.task", "Anomaly"),
        "spec.confidence",
        {"threshold": "-0.5", "temperature": "0.2"},
    ),
    accepted(
        "an anomaly model of which nobody can tell",
        changed(SMALL_MODEL, "spec.task", "Anomaly"),
        "spec.confidence",
        {"method": "None"},
    ),
    accepted("confidence of None", SMALL_MODEL, "spec.confidence", {"output": "scores", "method": "None"}),
    accepted("a date with an offset", SMALL_MODEL, "spec.verification.notAfter", "2028-02-29T12:00:00+05:30"),
    accepted("pictures in, nothing more", SMALL_MODEL, "spec.processing", {"pre": [DECODE, TENSOR]}),
    accepted("pictures normalised", SMALL_MODEL, "spec.processing", {"pre": [DECODE, RESIZE, NORMALISE, TENSOR]}),
    accepted("probabilities out", SMALL_MODEL, "spec.processing", {"post": [{"sigmoid": {}}]}),
    accepted("boxes out, by the defaults", SMALL_MODEL, "spec.processing", {"post": [{"nms": {}}]}),
    accepted("boxes out, with every option", SMALL_MODEL, "spec.processing", {"post": [{"sigmoid": {}}, {"nms": NMS}]}),
    accepted("where text stands", SMALL_MODEL, "spec.processing", {"post": [{"textBoxes": TEXT_BOXES}]}),
    accepted(
        "text out",
        SMALL_MODEL,
        "spec.processing",
        {
            "post": [{"sigmoid": {"output": "y"}}, {"ctcDecode": {"output": "y", "space": True}}],
            "labelsFrom": "character",
        },
    ),
    accepted("an empty processing", SMALL_MODEL, "spec.processing", {}),
)  # fmt: skip

REFUSED = (
    refused("a name of 53 characters", MODEL, "metadata.name", "m" * 53, "no dot and at most 52 characters"),
    refused("a name with a dot", MODEL, "metadata.name", "digits.v2", "no dot and at most 52 characters"),
    refused("a version of two parts", MODEL, "spec.version", "2.1"),
    refused("a version with a leading v", MODEL, "spec.version", "v2.1.0"),
    refused("a task that does not exist", MODEL, "spec.task", "Translation"),
    refused("a description of 1025 characters", MODEL, "spec.description", "x" * 1025),
    refused("a confidence method that does not exist", MODEL, "spec.confidence.method", "Softmax"),
    refused("a temperature of 0", MODEL, "spec.confidence.temperature", "0.00", "temperature must be above 0"),
    refused("a temperature that is no number", MODEL, "spec.confidence.temperature", "warm"),
    refused("a threshold beside a method that has none", MODEL, "spec.confidence.threshold", "0.5",
            "threshold is for method Score"),
    refused("a threshold that is no number", MODEL, "spec.confidence.threshold", "high"),
    refused("an anomaly model without the score that parts", changed(MODEL, "spec.confidence", {"output": "score"}),
            "spec.task", "Anomaly", "needs threshold"),
    refused("a step that does nothing", MODEL, f"{PRE}[1]", {}, ONE_OF_PRE),
    refused("a step that does two things", MODEL, f"{PRE}[1].crop", {"width": 1, "height": 1}, ONE_OF_PRE),
    refused("a step after the model that does nothing", MODEL, f"{POST}[0]", {}, ONE_OF_POST),
    refused("17 steps", MODEL, PRE, [{"decodeImage": {}}] * 17),
    refused("five steps after the model", MODEL, POST, [{"softmax": {}}] * 5),
    refused("pictures that are never decoded", MODEL, PRE, [RESIZE, TENSOR], PRE_RULE),
    refused("pictures that become no tensor", MODEL, PRE, [DECODE, RESIZE], PRE_RULE),
    refused("pictures decoded twice", MODEL, PRE, [DECODE, DECODE, TENSOR], PRE_RULE),
    refused("two tensors", MODEL, PRE, [DECODE, TENSOR, TENSOR], PRE_RULE),
    refused("a tensor alone", MODEL, PRE, [TENSOR], PRE_RULE),
    refused("pixels normalised before they are resized", MODEL, PRE, [DECODE, NORMALISE, RESIZE, TENSOR], PRE_RULE),
    refused("pixels normalised twice", MODEL, PRE, [DECODE, NORMALISE, NORMALISE, TENSOR], PRE_RULE),
    refused("a picture of no width", MODEL, f"{PRE}[1].resize.width", 0),
    refused("a picture of 4097 pixels", MODEL, f"{PRE}[1].resize.height", 4097),
    refused("a fit that does not exist", MODEL, f"{PRE}[1].resize.fit", "Fill"),
    refused("a colour that does not exist", MODEL, f"{PRE}[0].decodeImage.colour", "CMYK"),
    refused("a picture of 67108865 pixels", MODEL, f"{PRE}[0].decodeImage.maxPixels", 67_108_865),
    refused("a fill of 256", MODEL, f"{PRE}[2].pad.fill", 256),
    refused("four channels", MODEL, f"{PRE}[4].normalise.mean", ["0.5"] * 4),
    refused("a division by 0", MODEL, f"{PRE}[4].normalise.std", ["0.0"], "scale and std must be above 0"),
    refused("a scale of 0", MODEL, f"{PRE}[4].normalise.scale", "0", "scale and std must be above 0"),
    refused("0 classes", MODEL, f"{POST}[1].topK.k", 0),
    refused("two answers", MODEL, POST, [{"topK": {}}, {"topK": {}}], POST_RULE),
    refused("a softmax after the answer", MODEL, POST, [{"topK": {}}, {"softmax": {}}], POST_RULE),
    refused("labels from two places", MODEL, "spec.processing.labelsFrom", "names",
            "set labels or labelsFrom, not both"),
    refused("text without an alphabet", MODEL, "spec.processing", {"post": [{"ctcDecode": {}}]},
            "ctcDecode needs labels or labelsFrom"),
    refused("a filter that does not exist", MODEL, f"{PRE}[1].resize.filter", "Lanczos"),
    refused("an alignment that does not exist", MODEL, f"{PRE}[2].pad.align", "End"),
    refused("a layout that does not exist", MODEL, f"{PRE}[5].toTensor.layout", "NCHW"),
    refused("boxes neither in rows nor in columns", MODEL, POST, [{"nms": {"layout": "Flat"}}],
            f"{POST}[0].nms.layout"),
    refused("boxes of other coordinates", MODEL, POST, [{"nms": {"coordinates": "Polar"}}],
            f"{POST}[0].nms.coordinates"),
    refused("scores of another sort", MODEL, POST, [{"nms": {"scoring": "Sum"}}], f"{POST}[0].nms.scoring"),
    refused("boxes in millimetres", MODEL, POST, [{"nms": {"unit": "Millimetres"}}], f"{POST}[0].nms.unit"),
    refused("2049 labels", MODEL, "spec.processing.labels", ["x"] * 2049),
    refused("a self test from nowhere", MODEL, "spec.selfTest", {"tolerance": "0.1"}, ONE_OF_TEST),
    refused("a self test from two places", MODEL, "spec.selfTest.inline", "aGVsbG8=", ONE_OF_TEST),
    refused("an inline self test of 65537 characters", MODEL, "spec.selfTest", {"inline": "x" * 65_537},
            "spec.selfTest.inline"),
    refused("an accuracy above 1", MODEL, "spec.selfTest.minAccuracy", "1.5"),
    refused("no builds", MODEL, "spec.variants", []),
    refused("17 builds", MODEL, "spec.variants", [{**VARIANT, "name": f"v{index}"} for index in range(17)]),
    refused("two builds of one name", MODEL, "spec.variants", [VARIANT, VARIANT], "Duplicate value"),
    refused("a build's name in capitals", MODEL, "spec.variants[0].name", "INT8"),
    refused("a build without a source", MODEL, "spec.variants[0].source", ABSENT),
    refused("a source without a scheme", MODEL, "spec.variants[0].source.uri", "models.example/digits.onnx"),
    refused("a source by ftp", MODEL, "spec.variants[0].source.uri", "ftp://models.example/digits.onnx"),
    refused("a hash that is too short", MODEL, "spec.variants[0].source.sha256", SHA[:-1]),
    refused("a hash in capitals", MODEL, "spec.variants[0].source.sha256", SHA.upper()),
    refused("a size below 0", MODEL, "spec.variants[0].source.size", -1),
    refused("a web server that is told to go without TLS", MODEL, "spec.variants[0].source",
            {"uri": "https://e.example/d", "sha256": SHA, "plainHTTP": True}, "plainHTTP is for oci:// sources"),
    refused("a secret's name with a slash", MODEL, "spec.variants[0].source.secretRef.name", "a/b"),
    refused("a secret's key with a space", MODEL, "spec.variants[0].source.caSecretRef.key", "ca crt"),
    refused("two patches from one file", MODEL, "spec.variants[0].deltas",
            [{"fromSha256": SHA, "uri": "https://e.example/d", "sha256": SHA}] * 2, "Duplicate value"),
    refused("required verification without keys", MODEL, "spec.verification", {"required": True},
            "required needs at least one of publicKeys"),
    refused("a date without a time", MODEL, "spec.verification.notAfter", "2027-01-01"),
    refused("a date that is not in the calendar", MODEL, "spec.verification.notAfter", "2027-02-29T00:00:00Z"),
    refused("a history of 0", MODEL, "spec.revisionHistoryLimit", 0),
    refused("a history of 51", MODEL, "spec.revisionHistoryLimit", 51),
    refused("a revision of 254 characters", MODEL, "status", {"revision": "x" * 254}, "status.revision"),
)  # fmt: skip
