"""Sources and a harness for the tests of the blog campaign."""

from pathlib import Path
from typing import Any

from examples.blog_campaign.agents import agents
from planner_graph.catalog.catalog import spec_of

HARBOUR = """\
# The harbour

The harbour opens at six in the morning and closes when the last boat is back.
Fishers leave with every tide, since only then is the channel deep enough.

## Boats

- **Sailing boats.** The wind drives them, so they need no fuel at all.
- **Cutters.** A cutter pulls heavy nets and needs a crew of four people.

Small boats leave the harbour in calm weather only. Large boats stay at sea for several days and bring most fish home.

## Market

The market starts as soon as the first catch is on land. Traders from the whole region buy fresh fish at the market.
Prices depend on the size of the catch and on the weather. See the section below for details of every price.

## Lighthouse

Planned: a new lighthouse.

The lighthouse shines over forty miles of water in every direction. Boats find the harbour by the lighthouse at night.

- The lighthouse keeper counts the boats of the harbour every night.
"""

LIBRARY = """\
# The library

The library lends ten thousand books to readers of every age. Readers keep a book for four weeks at most.

## Readers

Young readers choose books in the garden room. Older readers prefer the quiet hall on the second floor.

## Books

New books arrive on the first Monday of the month. Rare books stay in the library and are read at a table.
"""


def campaign(*sources: Path | str, **keys: Any) -> dict[str, Any]:
    """Give the campaign as a body receives it."""
    return {
        "id": "test",
        "brief": "",
        "content_types": ["blog_post", "image", "social_media"],
        "sources": [str(source) for source in sources],
        **keys,
    }


def run(given: dict[str, Any], *, without: tuple[str, ...] = (), **configuration: dict[str, Any]) -> dict[str, Any]:
    """Call the bodies in the order in which the example lists them; gives all outputs by name."""
    outputs: dict[str, Any] = {}
    for body in agents:
        spec = spec_of(body)
        if spec.name in without:
            continue
        inputs = {item.name: outputs[item.name] for item in spec.inputs if item.name in outputs}
        missing = [item.name for item in spec.inputs if item.required and item.name not in inputs]
        assert not missing, f"{spec.name} lacks {missing}"
        found = body({**inputs, "campaign": given, "configuration": configuration.get(spec.name, {})})
        assert set(found) == set(spec.outputs), spec.name
        outputs |= found
    return outputs


def written(folder: Path, name: str, text: str) -> Path:
    """Write a source file and give its path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
