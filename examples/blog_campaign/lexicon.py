"""Words that depend on the language: what the parts of a page are called, what a sentence may lean on, what is filler.

They stand in ``lexicon.yaml``, which says what each kind of word is for.
"""

from pathlib import Path

import yaml
from pydantic import Field

from planner_graph.values import Value

FILE = Path(__file__).with_name("lexicon.yaml")


class Lexicon(Value):
    """Words of one language; see ``lexicon.yaml``."""

    conjunction: str = ""
    sources: str = "Sources"
    contents: str = "Contents"
    skip_link: str = "Skip to content"
    back: str = "Back to the text"
    chart_title: str = "What the sources talk about most"
    chart_axis: str = "passages that mention the phrase"
    header_alt: str = "Title card"
    openers: frozenset[str] = frozenset()
    pronouns: frozenset[str] = frozenset()
    references: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    fillers: dict[str, str] = Field(default_factory=dict)
    joints: tuple[str, ...] = ()
    comparisons: tuple[str, ...] = ()
    common_headings: frozenset[str] = frozenset()
    reading_ease: tuple[float, float, float] | None = None


def lexicon(code: str) -> Lexicon:
    """Give the words of the language with this ISO 639-1 code; nothing is guessed for one that is not listed."""
    known = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return Lexicon.model_validate(known.get(code, {}))
