"""Every regular expression of the package takes time linear in what it reads, however that was made up.

They are found in the source, so that a new one is tested, too. From each, texts are made that are bad for it: its
beginning again and again, its parts repeated, itself without its end. A pattern that looks at the same characters from
many places takes four times as long for a text of twice the length.
"""

import ast
import importlib
import re
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import planner_graph

# the only parser of Python's own syntax, which has no public name
codes: Any = importlib.import_module("re._constants")
parser: Any = importlib.import_module("re._parser")

PACKAGE = Path(planner_graph.__file__).parent
MATCHERS = {"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
FIRST_SIZE = 22
"""Characters with which a pattern is tried first that may take a time exponential in the text."""
SIZES = (1_000, 4_000, 16_000)
SHORT_SECONDS = 0.02
"""What even the slowest linear pattern stays below on a busy machine; beyond it, growth decides."""
MOST_PARTS = 25
MOST_GROWTH = 9.0
"""Of the time, for a text of four times the length: linear ones take four times as long, quadratic ones sixteen."""


class Expression(NamedTuple):
    """A regular expression of the source: the pattern, and how it is applied."""

    place: str
    pattern: re.Pattern[str]
    methods: frozenset[str]


@cache
def sources() -> dict[str, ast.Module]:
    """Read all modules that import ``re`` or use a pattern; none does so without the two letters."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if re.search(r"\bre\b|\bregex\b|\.(?:fullmatch|search|match|sub|finditer)\(", text):
            name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
            found[name] = ast.parse(text)
    return found


def uses_of_re(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=attribute)) if attribute != "escape":
                yield node, attribute


def compiled_in(module: str) -> dict[str, re.Pattern[str]]:
    """Find all patterns that a module holds: in names, and within tuples, mappings and instances that names hold."""
    found: dict[str, re.Pattern[str]] = {}
    seen: set[int] = set()
    pending = [(name, value) for name, value in vars(importlib.import_module(module)).items() if name != "__builtins__"]
    while pending:
        name, value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, re.Pattern):
            found.setdefault(name, value)
        elif isinstance(value, list | tuple | set | frozenset):
            pending += [(f"{name}[{number}]", item) for number, item in enumerate(value)]
        elif isinstance(value, dict):
            pending += [(f"{name}[{key!r}]", item) for key, item in value.items()]
        elif type(value).__module__ == module and hasattr(type(value), "__slots__"):
            pending += [(f"{name}.{slot}", getattr(value, slot)) for slot in type(value).__slots__]
    return found


def expressions() -> list[Expression]:
    """Find all of the package, each once, with the methods by which any module applies it."""
    trees = sources()
    methods: dict[str, set[str]] = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=attribute):
                    if attribute in MATCHERS:
                        methods.setdefault(name, set()).add(attribute)
    found: dict[tuple[str, int], Expression] = {}
    for module, tree in trees.items():
        if not any(uses_of_re(tree)):
            continue
        for name, pattern in compiled_in(module).items():
            used = methods.get(name) or methods.get("pattern")
            found.setdefault(
                (pattern.pattern, pattern.flags), Expression(f"{module}.{name}", pattern, frozenset(used or ()))
            )
        for call, attribute in uses_of_re(tree):
            if attribute != "compile":
                pattern = re.compile(eval_pattern(module, call.args[0]))
                place = f"{module}:{call.lineno}"
                found.setdefault((pattern.pattern, pattern.flags), Expression(place, pattern, frozenset({attribute})))
    return list(found.values())


def eval_pattern(module: str, node: ast.expr) -> str:
    for part in ast.walk(node):  # what only a function knows is some word
        if isinstance(part, ast.JoinedStr):
            known = vars(importlib.import_module(module))
            part.values = [
                ast.copy_location(ast.Constant("word"), value)
                if any(isinstance(name, ast.Name) and name.id not in known for name in ast.walk(value))
                else value
                for value in part.values
            ]
    given = eval(compile(ast.Expression(node), module, "eval"), vars(importlib.import_module(module)))  # noqa: S307  # our own source
    assert isinstance(given, str)
    return given


def test_each_pattern_of_the_source_is_among_those_that_are_tested():
    known = {expression.pattern.pattern for expression in expressions()}
    for module, tree in sources().items():
        calls = [call for call, attribute in uses_of_re(tree) if attribute == "compile"]
        patterns = {pattern.pattern for pattern in compiled_in(module).values()} if calls else set()
        in_functions = {
            call
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            for call in ast.walk(node)
            if call in calls
        }
        assert len(patterns) >= len(set(calls) - in_functions), f"a pattern of {module} is in no name"
        assert patterns <= known
        for call in in_functions:
            assert patterns, f"line {call.lineno} of {module} compiles a pattern that no name holds"


def test_nothing_else_of_the_package_looks_for_patterns():
    for module, tree in sources().items():
        for node in ast.walk(tree):
            match node:
                case (
                    ast.ImportFrom(module="re")
                    | ast.ImportFrom(module="regex")
                    | ast.Import(names=[ast.alias(name="regex")])
                ):
                    pytest.fail(f"{module}: import re, so that its patterns are found")
                case ast.Import(names=names):
                    assert all(alias.asname is None for alias in names if alias.name == "re"), module


class Samples:
    """Texts that a parsed pattern matches: ``whole``, and one for each of its parts."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.parts: list[str] = []
        self.whole = self.text(parser.parse(pattern.pattern, pattern.flags))

    def text(self, tree: Any) -> str:
        made = ""
        for code, argument in tree:
            piece = self.piece(code, argument)
            if piece:
                self.parts.append(piece)
            made += piece
            self.parts.append(made)
        return made

    def piece(self, code: Any, argument: Any) -> str:  # noqa: PLR0911  # one for each kind of part
        match code:
            case codes.LITERAL:
                return chr(int(argument))
            case codes.NOT_LITERAL:
                return "a" if argument != ord("a") else "b"
            case codes.ANY:
                return "a"
            case codes.IN:
                return "".join(self.characters(argument))[:1]
            case codes.MAX_REPEAT | codes.MIN_REPEAT | codes.POSSESSIVE_REPEAT:
                low, high, tree = argument
                return self.text(tree) * int(max(low, min(int(high), 3)))
            case codes.SUBPATTERN:
                return self.text(argument[3])
            case codes.ATOMIC_GROUP:
                return self.text(argument)
            case codes.BRANCH:
                branches = [self.text(branch) for branch in argument[1]]  # all of them, for their parts
                return branches[0]
            case codes.ASSERT:
                return "" if argument[0] < 0 else self.text(argument[1])[:0]
        return ""

    def characters(self, items: Any) -> Iterator[str]:
        negated = items[0][0] is codes.NEGATE
        pattern = re.compile(f"[{'^' if negated else ''}{''.join(map(_class, items[negated:]))}]")
        for char in map(chr, [*range(97, 123), *range(32, 97), *range(123, 127), 9, 10, 13, 0, *range(128, 0x3000)]):
            if pattern.match(char):
                if not negated:
                    self.parts.append(char)
                yield char
                if not char.isalnum():
                    self.parts.append(char)
                    break


def _class(item: Any) -> str:
    code, argument = item
    if code is codes.LITERAL:
        return re.escape(chr(argument))
    if code is codes.RANGE:
        return f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
    return {
        codes.CATEGORY_DIGIT: r"\d",
        codes.CATEGORY_NOT_DIGIT: r"\D",
        codes.CATEGORY_SPACE: r"\s",
        codes.CATEGORY_NOT_SPACE: r"\S",
        codes.CATEGORY_WORD: r"\w",
        codes.CATEGORY_NOT_WORD: r"\W",
    }[argument]


def bad_texts(pattern: re.Pattern[str], size: int) -> Iterator[str]:
    """Make texts that are bad for a pattern: beginnings and parts repeated, near matches, openers without an end."""
    samples = Samples(pattern)
    parts = list(dict.fromkeys(part for part in samples.parts if part))[:MOST_PARTS]
    whole = samples.whole
    units = [*parts, whole, whole[:-1], *(f"{part}{end}" for part in parts for end in (" ", "\\", '"', "\n")[:2])]
    for unit in dict.fromkeys(filter(None, units)):
        many = unit * (size // len(unit) + 1)
        yield many
        yield f"{whole[:-1]}{many}"
        yield f"{many}\x00"
        yield f"{whole[: len(whole) // 2]}{many}\n!"


def seconds(apply: Callable[[str], Any], text: str) -> float:
    """Measure the processor time of the shortest of a few tries: what else the machine does only makes it longer."""
    best = float("inf")
    for _ in range(3):
        started = time.thread_time()
        apply(text)
        best = min(best, time.thread_time() - started)
        if best < SHORT_SECONDS / 4:
            break
    return best


def appliers(expression: Expression) -> Iterator[Callable[[str], Any]]:
    for method in sorted(expression.methods):
        if method in {"sub", "subn"}:
            yield lambda text: expression.pattern.sub("", text)
        elif method == "finditer":
            yield lambda text: sum(1 for _ in expression.pattern.finditer(text))
        else:
            yield getattr(expression.pattern, method)


@pytest.mark.parametrize("expression", expressions(), ids=lambda expression: expression.place)
def test_a_regular_expression_takes_time_linear_in_the_text(expression):
    assert expression.methods, "nothing applies it"
    for apply in appliers(expression):
        for text in bad_texts(expression.pattern, FIRST_SIZE):
            assert seconds(apply, text) < SHORT_SECONDS, text
        small, middle, large = ([*bad_texts(expression.pattern, size)] for size in SIZES)
        for least, less, text in zip(small, middle, large, strict=True):
            check_growth(apply, (least, less, text))


def check_growth(apply: Callable[[str], Any], texts: tuple[str, str, str]) -> None:
    least, less, text = texts
    if (before := seconds(apply, less)) > SHORT_SECONDS:  # already there: do not wait for the worst
        assert before < MOST_GROWTH * seconds(apply, least), less[:80]
    if (taken := seconds(apply, text)) > SHORT_SECONDS:
        assert taken < MOST_GROWTH * seconds(apply, less), text[:80]


@pytest.mark.parametrize(
    "pattern", [r"a+b", r"://[^\s@]*@", r'"(?:[^"\\]|\\.)*"', r"(\w+\s?)*=", r"x.*y", r"\s+$", r"(?:<[a-z]*)+>"]
)
def test_the_test_finds_patterns_that_take_longer(pattern):
    """Ones as people write them without a second thought; each looks at the same characters from many places."""
    bad = Expression("here", re.compile(pattern), frozenset({"search"}))
    with pytest.raises(AssertionError):
        test_a_regular_expression_takes_time_linear_in_the_text(bad)


def test_the_dashboard_has_no_pattern_that_sees_what_others_wrote():
    """Patterns in JavaScript are listed here by hand: each with what it sees."""
    known = {
        r"/\B(?=(\d{3})+$)/g": "the digits of one number",
        r"/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g": "texts; it is one character",
    }
    literal = re.compile(r"(?:[(,=:;!&|?]|return)[ ]?(/(?![*/])(?:[^/\\\n\[]|\\.|\[[^\]\n]*\])+/[a-z]*)")
    own = list((PACKAGE / "server" / "static" / "js").rglob("*.js"))
    found = {found[1] for path in own for found in literal.finditer(path.read_text(encoding="utf-8"))}
    assert found == set(known)
    assert not [path for path in own if "RegExp" in path.read_text(encoding="utf-8")]
