"""A rule: which agents a kind of campaign needs, and which products it gives."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_serializer

from planner_graph.catalog.spec import Name, ValueName
from planner_graph.values import Fault, FaultyValueError, Flag, Label, Value, without_repeats


def _not_empty(names: tuple[str, ...]) -> tuple[str, ...]:
    # not min_length, which also complains where a name in the list is faulty
    if not names:
        raise FaultyValueError.single("the list is empty", "name at least one")
    return names


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Words = Annotated[
    tuple[Label, ...],
    BeforeValidator(_as_list, json_schema_input_type=Label | list[Label]),
    without_repeats("word"),
    AfterValidator(_not_empty),
]
"""A word, or several that mean the same."""


class Condition(Value):
    """When a rule applies: every key that is given must match. No key at all matches always.

    Of several words one must match. ``agents`` are agents that must all be in the plan, selected by whatever else.
    """

    campaign_type: Words | None = None
    content_type: Words | None = None
    task_type: Words | None = None
    include_images: Flag | None = None
    agents: Annotated[tuple[Name, ...], without_repeats("agent"), AfterValidator(_not_empty)] | None = Field(
        default=None, description="Agents that must all be in the plan, whatever selects them."
    )

    @field_serializer("campaign_type", "content_type", "task_type")
    def _as_written(self, words: tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        return words[0] if words and len(words) == 1 else words


class ProductSpec(Value):
    """What a product may be: outputs, best first; the first that exists is delivered.

    ``required``: the campaign misses it if there is none of them. ``main``: without it the run has failed.
    """

    outputs: Annotated[
        tuple[ValueName, ...],
        without_repeats("output"),
        AfterValidator(_not_empty),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
    ] = Field(description="Outputs that may be delivered, best first.")
    required: Flag = Field(default=True, description="Whether the result lacks something without it.")
    main: Flag = Field(default=False, description="Whether the run has failed without it.")


def _spread_product(value: Any) -> Any:
    """Spread the short forms of one product: an output, or a list of outputs, best first."""
    if isinstance(value, str | list | tuple):
        value = {"outputs": value}
    if isinstance(value, Mapping) and isinstance(value.get("outputs"), str):
        return {**value, "outputs": [value["outputs"]]}
    return value


def _spread_products(value: Any) -> Any:
    """Spread the short forms: a list of outputs that are products, or the outputs of each product."""
    if isinstance(value, list | tuple):
        return _named_by_output(value)
    if not isinstance(value, Mapping):
        return value
    return {name: _spread_product(product) for name, product in value.items()}


def _named_by_output(outputs: list[Any] | tuple[Any, ...]) -> dict[str, Any]:
    """Give each output as a product of the same name."""
    faults, products = [], {}
    for position, output in enumerate(outputs):
        if not isinstance(output, str):
            faults.append(Fault((position,), "an output's name is not text", "write the name of an output"))
        elif output in products:
            faults.append(Fault((position,), f"output {output!r} is named twice", "name it once"))
        else:
            products[output] = {"outputs": [output]}
    if faults:
        raise FaultyValueError(faults)
    return products


def _not_main_and_optional(products: dict[str, ProductSpec] | None) -> dict[str, ProductSpec] | None:
    faults = [
        Fault((name,), f"product {name!r} is 'main' and not 'required'", "remove one of the two keys")
        for name, product in (products or {}).items()
        if product.main and not product.required
    ]
    if faults:
        raise FaultyValueError(faults)
    return products


_Written = str | list[ValueName] | ProductSpec
"""One product as people write it."""

Products = Annotated[
    dict[Label, ProductSpec] | None,
    BeforeValidator(_spread_products, json_schema_input_type=list[ValueName] | dict[Label, _Written] | None),
    AfterValidator(_not_main_and_optional),
]
"""Products by name; ``None`` where nothing is said about them, which is not the same as none."""


class Rule(Value):
    """Agents that a kind of campaign needs, and the products it gives."""

    name: Label
    when: Condition = Field(default=Condition(), description="Every key given must match; none: always.")
    select: Annotated[tuple[Name, ...], without_repeats("agent")] = Field(
        min_length=1, description="Names of the agents needed."
    )
    without: Annotated[tuple[Name, ...], without_repeats("agent")] = Field(
        default=(), description="Agents that are not needed although agents of the plan depend on them."
    )
    deliverables: Products = Field(
        default=None,
        description="What the campaign gives: for each product its outputs, best first, or {outputs, required, main}. "
        "Without this key: all outputs of the agents selected.",
    )
