"""Words that depend on the language: what the parts of a page are called, what a sentence may lean on, what is filler.

A language that is not listed gets English labels and neither filler nor opener rules: nothing is guessed.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """Words of one language.

    ``openers`` are first words that lean on the sentence before, ``pronouns`` second or third ones that do; ``references`` point to another place of the source;
    ``fillers`` maps a phrase to what replaces it, ``joints`` are words that may start the second half of a sentence
    split at a comma; ``comparisons`` mark a passage that compares; ``common_headings`` say nothing about their content.
    ``reading_ease`` holds base, weight of words per sentence, and weight of syllables per word.
    """

    conjunction: str = "and"
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
    fillers: dict[str, str] = field(default_factory=dict)
    joints: tuple[str, ...] = ()
    comparisons: tuple[str, ...] = ()
    common_headings: frozenset[str] = frozenset()
    reading_ease: tuple[float, float, float] | None = None


def lexicon(code: str) -> Lexicon:
    """Give the words of the language with this ISO 639-1 code."""
    return LEXICONS.get(code, Lexicon())


LEXICONS = {
    "en": Lexicon(
        openers=frozenset(
            "this that these those it its they them their he she his her such then thus hence therefore however also but "
            "and or nor so yet otherwise instead both either neither here there again still else likewise "
            "moreover furthermore meanwhile afterwards consequently accordingly conversely because which who whose "
            "same another others one ones additionally note now next finally similarly on what how why "
            "whether".split()
        ),
        pronouns=frozenset({"them", "these", "those", "they"}),
        references=(
            r"\bsee\b",
            r"\b(?:above|below|beside this|previous|preceding|earlier|aforementioned)\b",
            r"\b(?:the|as) follow(?:ing|s)\b",
            r"\bthis (?:file|document|page|section|chapter|guide|folder|text|table|list|example)\b",
            r"\b(?:section|chapter|figure|table|appendix|step) [\dA-Z]\b",
            r"\b(?:described|shown|said|mentioned|documented|listed|explained|discussed) (?:above|below|in|at|earlier)\b",
            r"\b(?:visit|refer to|check out|head over|read more|click|have a look|take a look|take a moment)\b",
        ),
        fillers={
            "in order to": "to",
            "due to the fact that": "because",
            "in spite of the fact that": "although",
            "at this point in time": "now",
            "at the present time": "now",
            "for the purpose of": "for",
            "in the event that": "if",
            "with regard to": "about",
            "a large number of": "many",
            "the majority of": "most",
            "has the ability to": "can",
            "is able to": "can",
            "are able to": "can",
            "make use of": "use",
            "makes use of": "uses",
            "it should be noted that": "",
            "it is important to note that": "",
            "it is worth noting that": "",
            "please note that": "",
            "needless to say,": "",
            "as a matter of fact,": "",
            "basically,": "",
            "basically": "",
            "essentially,": "",
            "actually,": "",
            "actually": "",
            "really": "",
            "of course,": "",
        },
        joints=("it", "they", "we", "you", "this", "there", "he", "she", "nothing", "everything", "nobody"),
        comparisons=(
            r"\b(?:unlike|versus|vs\.?|alternatives?|competitors?|compared (?:to|with)|in contrast|rather than|instead of)\b",
            r"\b(?:more|less|fewer|faster|slower|larger|smaller|better|worse|cheaper|higher|lower|longer|shorter) than\b",
            r"\b\d+(?:\.\d+)?(?:x| times)\b",
        ),
        common_headings=frozenset(
            {
                *("overview", "introduction", "intro", "about", "summary", "conclusion", "abstract", "background"),
                *("installation", "install", "setup", "requirements", "prerequisites", "usage", "examples", "example"),
                *("license", "licence", "contributing", "changelog", "contents", "table of contents", "faq", "notes"),
                *("references", "links", "see also", "further reading", "acknowledgements", "credits", "contact"),
                *("quickstart", "quick start", "getting started", "readme", "index", "home", "documentation", "todo"),
                *("appendix", "glossary", "miscellaneous", "other", "general", "details", "description", "unreleased", "preface"),
                *("features", "key features", "main features", "why", "goals", "support", "resources", "authors", "status"),
            }
        ),
        reading_ease=(206.835, 1.015, 84.6),
    ),
    "de": Lexicon(
        conjunction="und",
        sources="Quellen",
        contents="Inhalt",
        skip_link="Zum Inhalt springen",
        back="Zurück zum Text",
        chart_title="Wovon die Quellen am meisten sprechen",
        chart_axis="Textstellen, die den Ausdruck nennen",
        header_alt="Titelbild",
        openers=frozenset(
            "dies diese dieser dieses diesen er sie es ihr ihre sein seine dann also daher deshalb deswegen somit jedoch "
            "aber und oder auch dabei damit dazu dadurch darin davon hier dort sonst stattdessen beide außerdem ferner "
            "folglich weil welche welcher welches jene jener jenes".split()
        ),
        references=(r"\bsiehe\b", r"\b(?:oben|unten|folgende[nrs]?|vorige[nrs]?)\b", r"\b(?:Abschnitt|Kapitel|Abbildung) \d"),
        fillers={
            "aufgrund der Tatsache, dass": "weil",
            "zum jetzigen Zeitpunkt": "jetzt",
            "in der Lage ist": "kann",
            "eine große Anzahl von": "viele",
            "eigentlich": "",
            "sozusagen": "",
            "gewissermaßen": "",
        },
        comparisons=(r"\bals\b.{0,40}\b(?:schneller|besser|größer|kleiner)", r"\b(?:im Gegensatz|verglichen mit|statt)\b"),
        common_headings=frozenset(
            "einleitung einführung überblick übersicht zusammenfassung inhalt installation fazit lizenz quellen".split()
        ),
        reading_ease=(180.0, 1.0, 58.5),
    ),
    "fr": Lexicon(
        conjunction="et",
        contents="Sommaire",
        skip_link="Aller au contenu",
        back="Retour au texte",
        chart_title="Ce dont les sources parlent le plus",
        chart_axis="passages qui citent l’expression",
        header_alt="Carte de titre",
        openers=frozenset(
            "ce cet cette ces il elle ils elles ceci cela ça celui celle ceux celles alors donc ainsi cependant mais et ou "
            "aussi ici là sinon leur leurs son sa ses car puis ensuite enfin pourtant toutefois".split()
        ),
        references=(r"\bvoir\b", r"\bci-(?:dessus|dessous|après)\b", r"\b(?:section|chapitre|figure) \d"),
        fillers={"en raison du fait que": "parce que", "à l’heure actuelle": "maintenant", "dans le but de": "pour"},
        comparisons=(r"\b(?:contrairement|par rapport|au lieu de|plutôt que)\b", r"\b(?:plus|moins) \w+ que\b"),
        common_headings=frozenset("introduction sommaire résumé conclusion installation licence références".split()),
        reading_ease=(207.0, 1.015, 73.6),
    ),
    "es": Lexicon(
        conjunction="y",
        sources="Fuentes",
        contents="Contenido",
        skip_link="Saltar al contenido",
        back="Volver al texto",
        chart_title="De qué hablan más las fuentes",
        chart_axis="pasajes que mencionan la expresión",
        header_alt="Portada",
        openers=frozenset(
            "este esta esto estos estas ese esa eso esos esas él ella ellos ellas entonces así luego por pero y o también "
            "aquí allí sino su sus porque además sin".split()
        ),
        references=(r"\bvéase\b", r"\b(?:arriba|abajo|siguientes?)\b", r"\b(?:sección|capítulo|figura) \d"),
        fillers={"debido al hecho de que": "porque", "en este momento": "ahora", "con el fin de": "para"},
        comparisons=(r"\b(?:a diferencia|en comparación|en lugar de|en vez de)\b", r"\b(?:más|menos) \w+ que\b"),
        common_headings=frozenset("introducción resumen contenido conclusión instalación licencia referencias".split()),
        reading_ease=(206.84, 1.02, 60.0),
    ),
}
