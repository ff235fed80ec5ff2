"""What every kind is made of: the model base, rules that exist twice (CEL and Python), bounded types, references.

Attribute docstrings become the field descriptions of the CRDs, so they are written for the person who runs
`kubectl explain`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

ON_RECORD = "on record"
"""The context to read with what was accepted once."""


@dataclass(frozen=True)
class Rule:
    """One validation said twice: as CEL for the API server, as Python for everything else. One table tests both."""

    message: str
    cel: str
    holds: Callable[[Any], bool]
    later: bool = False
    """It came when there were such objects already: what is on record is not judged by it."""


class Model(BaseModel):
    """Base of everything in the API: camelCase on the wire, unknown fields ignored (the CRD may be newer than us)."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _rules_hold(self, info: ValidationInfo) -> Model:
        for rule in self.rules:
            if not (rule.later and info.context == ON_RECORD) and not rule.holds(self):
                raise ValueError(rule.message)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        if cls.rules:
            target = handler.resolve_ref_schema(schema)
            target["x-kubernetes-validations"] = [{"rule": rule.cel, "message": rule.message} for rule in cls.rules]
        return schema

    def wire(self) -> dict[str, Any]:
        """The object as it goes to the API server or into a document: camelCase, absent members left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def exactly_one(*names: str) -> Rule:
    """Exactly one of these members (snake_case) is set: what a union would say, said so that Kubernetes can hold it."""
    camel = [to_camel(name) for name in names]
    cel = " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in camel)
    return Rule(
        f"set exactly one of {', '.join(camel)}",
        f"{cel} == 1",
        lambda self: sum(getattr(self, name) is not None for name in names) == 1,
    )


@dataclass(frozen=True)
class ListType:
    """How server-side apply merges a bounded list, and so which items may not be there twice."""

    kind: Literal["map", "set", "atomic"]
    limit: int
    keys: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        items = {**handler(source), "max_length": self.limit}
        return core_schema.no_info_after_validator_function(self.without_duplicates, cast("CoreSchema", items))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        keys = {"x-kubernetes-list-map-keys": list(self.keys)} if self.keys else {}
        return {**handler(core), "x-kubernetes-list-type": self.kind, **keys}

    def without_duplicates(self, items: list[Any]) -> list[Any]:
        """`items` as they are; ValueError when two are the same to the API server."""
        seen = [self._identity(item) for item in items]
        if self.kind != "atomic" and len(set(seen)) < len(seen):
            twice = next(identity for identity in seen if seen.count(identity) > 1)
            raise ValueError(f"Duplicate value: {twice}")
        return items

    def _identity(self, item: Any) -> Any:
        if not self.keys:
            return item
        wire = item.wire()
        return tuple(wire.get(key) for key in self.keys)


def list_map(*keys: str, limit: int) -> ListType:
    """A list whose items are told apart by `keys` (as on the wire): server-side apply merges it item by item."""
    return ListType("map", limit, keys)


def atomic(limit: int) -> ListType:
    """A list whose order means something: one owner for the whole of it."""
    return ListType("atomic", limit)


def set_of(limit: int) -> ListType:
    """A list of different scalars."""
    return ListType("set", limit)


def pattern(regex: str, length: int) -> StringConstraints:
    return StringConstraints(pattern=regex, max_length=length)


def _in_the_calendar(text: str) -> str:
    datetime.fromisoformat(text.replace("Z", "+00:00"))
    return text


DnsLabel = Annotated[str, pattern(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", 63)]
DnsName = Annotated[str, pattern(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", 253)]
LabelKey = Annotated[str, pattern(r"^([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$", 317)]
LabelValue = Annotated[str, pattern(r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", 63)]
Text = Annotated[str, StringConstraints(max_length=1024)]
Word = Annotated[str, StringConstraints(max_length=253)]
Image = Annotated[str, pattern(r"^([A-Za-z0-9][A-Za-z0-9._:/@-]*)?$", 512)]
Path = Annotated[str, pattern(r"^/[^:]*$", 256)]
Uri = Annotated[str, pattern(r"^(https?|oci|s3|gs|az|pvc|file)://.+$", 2048)]
TargetUrl = Annotated[str, pattern(r"^(http|https|grpc|grpcs)://[^/@]+(/.*)?$", 2048)]
Sha256 = Annotated[str, pattern(r"^[a-f0-9]{64}$", 64)]
SemVer = Annotated[
    str, pattern(r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$", 64)
]
Quantity = Annotated[str, pattern(r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$", 20)]
Bandwidth = Annotated[str, pattern(r"^[1-9][0-9]*(k|M|G|Ki|Mi|Gi)?$", 20)]
Duration = Annotated[str, pattern(r"^([0-9]+(ms|s|m|h|d))+$", 20)]
Fraction = Annotated[str, pattern(r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$", 8)]
Decimal = Annotated[str, pattern(r"^[0-9]{1,9}(\.[0-9]{1,6})?$", 16)]
SignedDecimal = Annotated[str, pattern(r"^-?[0-9]{1,9}(\.[0-9]{1,6})?$", 17)]
Milliseconds = Annotated[str, pattern(r"^[0-9]{1,9}(\.[0-9]{1,6})?ms$", 18)]
Percent = Annotated[str, pattern(r"^(100|[1-9]?[0-9])%$", 4)]
Timestamp = Annotated[
    str,
    pattern(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?(Z|[+-][0-9]{2}:[0-9]{2})$", 32),
    AfterValidator(_in_the_calendar),
    Field(json_schema_extra={"format": "date-time"}),
]
Count = Annotated[int, Field(ge=0, le=2_147_483_647)]
Bytes = Annotated[int, Field(ge=0, le=9_007_199_254_740_991)]
Resource = Annotated[Bytes | Quantity, Field(json_schema_extra={"x-kubernetes-int-or-string": True})]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=32)]
Resources = Annotated[dict[LabelKey, Resource], Field(max_length=16)]


class SecretKeyRef(Model):
    """One key of a Secret in the same namespace. The operator never reads it: it is mounted into the pod."""

    name: DnsName
    key: Annotated[str, pattern(r"^[-._a-zA-Z0-9]+$", 253)]


class SecretRef(Model):
    """A Secret in the same namespace. The operator never reads it: it is mounted into the pod."""

    name: DnsName


class Toleration(Model):
    """As in a Pod."""

    key: LabelKey | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Count | None = None


class ResourceRequirements(Model):
    """As in a Pod's container."""

    requests: Resources | None = None
    limits: Resources | None = None


class Condition(Model):
    """metav1.Condition."""

    type: Annotated[str, pattern(r"^[A-Z][A-Za-z]*$", 64)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, pattern(r"^[A-Z][A-Za-z0-9]*$", 128)]
    message: Annotated[str, StringConstraints(max_length=4096)] = ""
    observed_generation: Count | None = None
    last_transition_time: Timestamp | None = None


class Status(Model):
    """What all three kinds report, after kstatus: Ready, Reconciling, Stalled, each with its own observedGeneration."""

    observed_generation: Annotated[int, Field(ge=-1)] | None = None
    """Generation of the spec this status speaks of; -1 until the operator has seen the object."""
    conditions: Annotated[list[Condition], list_map("type", limit=8)] | None = None
    """Ready, Reconciling while the operator works on it, Stalled when a person must act."""


class Metadata(Model):
    """The part of ObjectMeta that edgewise reads."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
