"""Base of all pydantic values that come from outside: frozen, closed, plain JSON inside."""

import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

LARGEST_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader reproduces exactly (RFC 8785 refuses larger ones)."""


class Value(BaseModel):
    """A frozen value with no keys but the declared ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def portable_json(value: Any) -> Any:
    """Return ``value`` unchanged if every JSON reader gives it back unchanged; raise ``ValueError`` otherwise."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise ValueError(f"{item} is not a JSON number")
        elif isinstance(item, int) and abs(item) > LARGEST_INTEGER:
            raise ValueError(f"integer {item} is larger than 2**53 - 1; write it as a string")
    return value


Json = Annotated[JsonValue, AfterValidator(portable_json)]
"""Any JSON value with finite numbers."""

JsonObject = Annotated[dict[str, JsonValue], AfterValidator(portable_json)]
"""A JSON object with finite numbers."""

Seconds = Annotated[float, Field(ge=0, le=10**9, allow_inf_nan=False)]
"""A duration in seconds, zero or more."""

PositiveSeconds = Annotated[float, Field(gt=0, le=10**9, allow_inf_nan=False)]
"""A duration in seconds, more than zero."""

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
"""A short name: of a type, a capability, an input, an output."""
