"""The bodies that the protocols take and give, as JSON schemas with examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from scoring_service.openapi_parts import Json, listed, structure
from scoring_service.schema import Feature, Schema, Value
from scoring_service.settings import Settings
from scoring_service.tensors import COLUMN_TYPES

NUMBERS: Final[Json] = {"type": "array", "items": {"type": "number"}}
TEXT: Final[Json] = {"type": "string"}
RESULT: Final = structure({"result": NUMBERS})
PREDICTIONS: Final = structure({"predictions": NUMBERS})
TENSOR: Final = structure({"name": TEXT, "datatype": TEXT, "shape": {"type": "array", "items": {"type": "integer"}}})
INFERRED: Final = structure(
    {"model_name": TEXT, "model_version": TEXT, "id": TEXT, "outputs": {"type": "array", "items": TENSOR}}
)
PROBLEM: Final = structure(
    {
        "type": TEXT,
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "error": {"type": "string", "description": "The detail again, for clients of the Open Inference Protocol"},
        "errors": {
            "type": "array",
            "items": structure({"row": {"type": "integer"}, "field": TEXT, "message": TEXT}, ["message"]),
        },
    },
    ["type", "title", "status", "detail"],
)


class Bodies:
    """Bodies for one schema."""

    def __init__(self, schema: Schema, settings: Settings) -> None:
        self._schema = schema
        self._max_rows = settings.max_rows
        self._values = [_example(feature) for feature in schema.features]
        self._named = dict(zip(schema.names, self._values, strict=True))

    def rows(self) -> Json:
        """What `/score` takes."""
        either = {"oneOf": [self._many(self._list_row()), self._many(self._object_row())]}
        return structure({"data": either})

    def score(self) -> Json:
        """The bodies of `/score` by media type."""
        examples = {"lists": {"data": [self._values]}, "objects": {"data": [self._named]}}
        return {"application/json": _with_examples({"$ref": "#/components/schemas/Rows"}, examples)}

    def inference(self) -> Json:
        """The bodies of `/v2/models/…/infer` by media type."""
        if self._schema.numeric:
            return {"application/json": self._whole()}
        columns = [self._column(feature) for feature in self._schema.features]
        inputs = {"type": "array", "prefixItems": columns, "minItems": len(columns), "maxItems": len(columns)}
        body = structure({"inputs": inputs, "id": TEXT}, ["inputs"], closed=True)
        return {"application/json": _with_examples(body, {"one tensor per feature": {"inputs": self._tensors()}})}

    def _whole(self) -> Json:
        count = len(self._schema.features)
        shape: Json = {"type": "array", "prefixItems": [{"const": 1}, {"const": count}], "minItems": 2, "maxItems": 2}
        # One row, because the number of values depends on the shape, which a schema cannot say.
        whole = structure(
            {"name": {"const": "input"}, "datatype": {"const": "FP64"}, "shape": shape, "data": self._list_row()},
            closed=True,
        )
        body = structure({"inputs": listed(whole, 1), "id": TEXT}, ["inputs"], closed=True)
        values = {"name": "input", "datatype": "FP64", "shape": [1, count], "data": self._values}
        examples = {"one tensor": {"inputs": [values]}, "one tensor per feature": {"inputs": self._tensors()}}
        return _with_examples(body, examples)

    def _column(self, feature: Feature) -> Json:
        one: Json = {"type": "array", "prefixItems": [{"const": 1}], "minItems": 1, "maxItems": 1}
        kinds = {"name": {"const": feature.name}, "datatype": {"const": COLUMN_TYPES[feature.type]}}
        return structure({**kinds, "shape": one, "data": listed(_value(feature), 1)}, closed=True)

    def _tensors(self) -> list[Json]:
        return [
            {"name": each.name, "datatype": COLUMN_TYPES[each.type], "shape": [1], "data": [self._named[each.name]]}
            for each in self._schema.features
        ]

    def invocations(self) -> Json:
        """The bodies of `/invocations` by media type."""
        names = self._schema.names
        split = structure({"columns": {"const": names}, "data": self._many(self._list_row())})
        columns: Json = {name: [value] for name, value in self._named.items()}
        lists: Json = {feature.name: listed(_value(feature), 1) for feature in self._schema.features}
        either = [
            structure({"dataframe_split": split}, closed=True),
            structure({"dataframe_records": self._many(self._object_row())}, closed=True),
            structure({"instances": self._many(self._object_row())}, closed=True),
            structure({"inputs": structure(lists, closed=True)}, closed=True),
            structure({"inputs": self._many(self._list_row())}, closed=True),
        ]
        examples = {
            "dataframe_split": {"dataframe_split": {"columns": names, "data": [self._values]}},
            "dataframe_records": {"dataframe_records": [self._named]},
            "instances": {"instances": [self._named]},
            "inputs": {"inputs": columns},
        }
        table = ",".join(names) + "\n" + ",".join(_spelt(value) for value in self._values) + "\n"
        return {
            "application/json": _with_examples({"oneOf": either}, examples),
            "text/csv": {"schema": {"type": "string"}, "example": table},
        }

    def _many(self, row: Json) -> Json:
        return listed(row, self._max_rows)

    def _object_row(self) -> Json:
        features = self._schema.features
        return structure({feature.name: _value(feature) for feature in features}, closed=True)

    def _list_row(self) -> Json:
        values = [_value(feature) for feature in self._schema.features]
        return {"type": "array", "prefixItems": values, "minItems": len(values), "maxItems": len(values)}


def _with_examples(schema: Json, examples: Mapping[str, object]) -> Json:
    return {"schema": schema, "examples": {name: {"value": value} for name, value in examples.items()}}


def _spelt(value: Value) -> str:
    return value if isinstance(value, str) else repr(value)


def _value(feature: Feature) -> Json:
    bounds: Json = {"minimum": feature.minimum, "maximum": feature.maximum, "enum": feature.values}
    known = {name: bound for name, bound in bounds.items() if bound is not None}
    if not feature.nullable:
        return {"type": feature.type, "title": feature.name, **known}
    listed = {} if feature.values is None else {"enum": [*feature.values, None]}
    return {"type": [feature.type, "null"], "title": feature.name, **known, **listed}


def _example(feature: Feature) -> Value:
    if feature.values is not None:
        return feature.values[0]
    match feature.type:
        case "string":
            return "text"
        case "boolean":
            return True
        case "integer":
            return round(_middle(feature))
    return _middle(feature)


def _middle(feature: Feature) -> float:
    low, high = feature.minimum, feature.maximum
    if low is not None and high is not None:
        return (low + high) / 2
    return low if low is not None else high if high is not None else 0.0
