"""Finds the passages that can be quoted: one to three sentences that can be understood where they will stand.

A sentence that points elsewhere ("see below"), announces a list, is mostly code or breaks off is no quotation; one that
leans on the sentence before ("This means ...") is only quoted together with it.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from planner_graph.values import Value

from .language import UNSPACED, Language, joined, words
from .markup import Block, Kind
from .sources import Corpus

FEWEST_WORDS, MOST_WORDS = 6, 50
MOST_SENTENCES = 3
MOST_CODE = 0.4
LEAST_LETTERS = 0.6

_CODE = re.compile(r"`[^`]*`")
_END = re.compile(r"(?<!\.\.)[.!?\u3002\uff01\uff1f\u0964\u061f][)\]\u201d\"'\u2019\u00bb」]*$")
_NOISE = re.compile(r"https?://|[|{}<>]|-->?|\[[ x]\]|\S+@\S+\.\w")
_LABEL = re.compile(r"([^\s.:;,`(][^.:;,`(]{1,40}):\s+(?=\S)")
_CODE_LABEL = re.compile(r"(`[^`]+`)(?:\s+[-\u2013\u2014]|:)\s+(?=\S)")
_CALLOUT = re.compile(
    r"(?:note|tip|hint|important|warning|caution|info|attention|remark)\s*[:!\u2013\u2014]\s*", re.IGNORECASE
)
LONGEST_LABEL_WORDS = 4
FORMAL = re.compile(
    r"(?:change.?log|changes|history|news|release.?notes?|licen[cs]e|copying|contributing|contributors|authors|security|"
    r"glossary|cli|api|reference|commands?|code.of.conduct|acknowledge?ments|credits)\b",
    re.IGNORECASE,
)
"""Names of files about a project's affairs, and of those to look things up in: no prose to read from end to end."""
ENOUGH, FEWEST = 12, 3


class Passage(Value):
    """A quotable piece of a source, with the lines it stands on.

    ``label`` is what it begins with in bold, or a list item before its colon, with that punctuation. ``place`` orders
    passages as the sources do: document, block, offset of the sentence. ``opening`` marks the first passage of a
    document. ``section`` are the headings above, two at most.
    """

    sentences: tuple[str, ...]
    kind: Kind
    label: str
    file: str
    first_line: int
    last_line: int
    section: tuple[str, ...]
    place: tuple[int, int, int]
    opening: bool = False

    @property
    def text(self) -> str:
        """The sentences as one text."""
        return joined(self.sentences)


def passages(corpus: Corpus, language: Language) -> tuple[Passage, ...]:
    """Give all quotable passages of ``corpus`` in the order of the sources, none of them twice.

    Release notes, licences, references and the like are quoted only where there is little else; never a section from
    the paragraph on that says it is about something planned or outdated, nor a list item that says so of itself. Where
    fewer than three passages come of the rules of this module, short and leaning sentences count as well.
    """
    found = _collected(corpus, language, strict=True)
    return found if len(found) >= FEWEST else _collected(corpus, language, strict=False)


def _collected(corpus: Corpus, language: Language, *, strict: bool) -> tuple[Passage, ...]:
    found: dict[str, Passage] = {}
    for number, document in enumerate(corpus.documents):
        opening = True
        unfinished: set[tuple[str, ...]] = set()
        for position, block in enumerate(document.blocks):
            if strict and _unfinished(block, language):
                unfinished |= {block.headings} if block.kind == "paragraph" else set()
                continue
            if block.headings in unfinished:
                continue
            for passage in _of_block(block, language, document.name, (number, position), strict=strict):
                found.setdefault(passage.text.casefold(), passage.model_copy(update={"opening": opening}))
                opening = False
    telling = [passage for passage in found.values() if not FORMAL.match(PurePosixPath(passage.file).stem)]
    return tuple(telling if len(telling) >= ENOUGH else found.values())


def _unfinished(block: Block, language: Language) -> bool:
    prose = _CODE.sub("x", block.text)
    return any(re.search(pattern, prose, re.IGNORECASE) for pattern in language.lexicon.unfinished)


def _of_block(
    block: Block, language: Language, file: str, place: tuple[int, int], *, strict: bool
) -> Iterator[Passage]:
    label, text, shift = _label(block)
    run: list[tuple[int, str]] = []
    for offset, sentence in language.sentences(text):
        usable = _usable(sentence, language, block.kind, strict=strict)
        if not run or not usable or not _leans(sentence, language) or len(run) == MOST_SENTENCES:
            if run:
                yield _passage(block, run, label, file, (*place, run[0][0]))
                label = ""
            run = []
        if usable and (run or not strict or not _leans(sentence, language)):
            run.append((offset + shift, sentence))
        elif not run:
            label = ""  # it belongs to a sentence that is not quoted
    if run:
        yield _passage(block, run, label, file, (*place, run[0][0]))


def _passage(
    block: Block, run: Sequence[tuple[int, str]], label: str, file: str, place: tuple[int, int, int]
) -> Passage:
    last_offset, last = run[-1]
    return Passage(
        sentences=tuple(sentence for _, sentence in run),
        kind=block.kind,
        label=label,
        file=file,
        first_line=block.line_at(run[0][0]),
        last_line=block.line_at(last_offset + len(last) - 1),
        section=block.headings[:2],
        place=place,
    )


def _label(block: Block) -> tuple[str, str, int]:
    """Take the label off a block: the label, the rest, and how many characters were taken.

    A label that the rest begins with anyway is left out.
    """
    label, rest, taken = _split_label(block)
    return ("" if rest.casefold().startswith(label[:-1].casefold()) else label), rest, taken


def _split_label(block: Block) -> tuple[str, str, int]:
    if callout := _CALLOUT.match(block.text):
        return "", block.text[callout.end() :], callout.end()
    if block.label and (bold := re.match(re.escape(block.label) + r"\s*([:.!?\u2013\u2014-])\s*", block.text)):
        return block.label + (bold[1] if bold[1] in ".!?" else ":"), block.text[bold.end() :], bold.end()
    colon = _LABEL.match(block.text) or _CODE_LABEL.match(block.text)
    if colon and block.kind == "item" and len(words(colon[1])) <= LONGEST_LABEL_WORDS:
        return f"{colon[1]}:", block.text[colon.end() :], colon.end()
    return "", block.text, 0


def _usable(sentence: str, language: Language, kind: Kind, *, strict: bool) -> bool:
    """Whether a sentence is whole, is prose, and does not point to another place of its source."""
    prose = _CODE.sub("x", sentence)
    count = len(words(sentence))
    visible = [character for character in prose if not character.isspace()]
    letters = sum(character.isalpha() for character in visible)
    return (
        (FEWEST_WORDS if strict else 1) <= count <= MOST_WORDS
        and bool(_END.search(sentence) or (kind == "item" and sentence[-1].isalnum()))
        and letters >= LEAST_LETTERS * len(visible)
        and sum(map(len, _CODE.findall(sentence))) <= MOST_CODE * len(sentence)
        and not _NOISE.search(prose)
        and sentence.count("(") == sentence.count(")")
        and sentence.count("`") % 2 == 0
        and not (strict and any(re.search(pattern, sentence, re.IGNORECASE) for pattern in language.lexicon.references))
    )


def _leans(sentence: str, language: Language) -> bool:
    """Whether a sentence continues the one before it."""
    start = sentence.lstrip("\u201c\"'\u2018(\u00ab\u201e")
    first = words(start)[:1]
    if not first or start.startswith("`") or "_" in first[0] or re.match(f"[{UNSPACED}]", start):
        return False
    lexicon = language.lexicon
    opener = re.split("['\u2019]", first[0])[0].lower() in lexicon.openers
    early = [*words(start)[1:3], *words(start.partition(",")[2])[:1]]
    return start[:1].islower() or opener or not lexicon.pronouns.isdisjoint(map(str.lower, early))
