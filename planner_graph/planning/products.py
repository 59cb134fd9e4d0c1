"""The products of a campaign: what it asks for, and what a plan can give of that.

A campaign's own deliverables replace those of the rules. A product lists outputs, best first, and is given by the first
that exists at the end of a run.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import takewhile

from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.rule import ProductSpec, Rule
from planner_graph.planning.contents import CAMPAIGN, Product


def of_rules(rules: Iterable[Rule], catalog: Catalog) -> dict[str, ProductSpec]:
    """Give the products of rules that apply, by name.

    A rule that says nothing of products gives all outputs of its agents, as far as they belong to no product; if none
    of the rules has a product, all of them do.
    """
    rules = list(rules)
    products = joined(rules)
    known = {output for product in products.values() for output in product.outputs}
    for rule in [rule for rule in rules if rule.deliverables is None] if products else rules:
        agents = (catalog.agents[name] for name in rule.select if name in catalog.agents)
        for output in (output for agent in agents for output in agent.outputs if output not in known):
            products.setdefault(output, ProductSpec(outputs=(output,)))
    return products


def by_name(
    name: str, declared: Mapping[str, ProductSpec], outputs: Collection[str], provided: Collection[str]
) -> ProductSpec | None:
    """Find what a campaign means by the deliverable ``name``: a declared product, else an output or a provided value.

    Whatever a campaign names is required. ``None`` if nothing is called so.
    """
    product = declared.get(name)
    if product is not None and (name in product.outputs or name not in provided):
        return product.model_copy(update={"required": True})
    return ProductSpec(outputs=(name,)) if name in outputs or name in provided else None


def joined(rules: Iterable[Rule]) -> dict[str, ProductSpec]:
    """Give the products that ``rules`` declare: outputs in the order of the rules, required or main if one says so."""
    products: dict[str, ProductSpec] = {}
    for rule in rules:
        for name, product in (rule.deliverables or {}).items():
            known = products.get(name, product)
            products[name] = ProductSpec(
                outputs=tuple(dict.fromkeys((*known.outputs, *product.outputs))),
                required=known.required or product.required,
                main=known.main or product.main,
            )
    return products


def worth_making(outputs: Iterable[str], provided: Collection[str]) -> tuple[str, ...]:
    """Give the outputs of a product that are better than the best one that the campaign provides."""
    return tuple(takewhile(lambda output: output not in provided, outputs))


def planned(products: Mapping[str, ProductSpec], gives: Mapping[str, str]) -> tuple[Product, ...]:
    """Give the products as a plan holds them; ``gives`` says where each value comes from that exists in it.

    An output that nothing gives is listed without a source. What is worse than a provided value is not listed.
    """
    provided = {name for name, source in gives.items() if source == CAMPAIGN}
    found = []
    for name, product in products.items():
        better = worth_making(product.outputs, provided)
        outputs = product.outputs[: len(better) + 1]
        found.append(
            Product(
                name=name,
                outputs=outputs,
                sources={output: gives[output] for output in outputs if output in gives},
                required=product.required,
                main=product.main,
            )
        )
    return tuple(found)
