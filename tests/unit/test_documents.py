"""Reading YAML and JSON that strangers wrote: what comes out, and what is said about what cannot be read."""

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Annotated, Any

import pytest
from pydantic import Field

from planner_graph import documents
from planner_graph.documents import MAX_BYTES, Document, key_text
from planner_graph.documents.building import MAX_VALUES
from planner_graph.documents.document import MAX_FINDINGS
from planner_graph.errors import DocumentError, Finding
from planner_graph.values import MAX_DEPTH, Count, Flag, Json, Label, Value, without_repeats

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str | bytes, name: str = "doc.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refusal(path: Path | str) -> Finding:
    with pytest.raises(DocumentError) as caught:
        documents.read(path)
    (finding,) = caught.value.findings
    assert finding.problem
    assert finding.remedy
    return finding


def told(document: Document) -> list[tuple[int | None, str | None, str]]:
    return [(finding.line, finding.key, finding.problem) for finding in document.findings]


# What comes out


def test_plain_yaml_scalars_follow_the_core_schema_of_yaml_1_2() -> None:
    text = """
        texts: [no, on, yes, y, 2026-01-31, 12:30:00, 1_000, =, +, ., -, 0b1, 0x, nope, "1", '~', !!str 3, 1e, <<]
        nulls: [~, null, Null, NULL, ]
        flags: [true, True, TRUE, false, False, FALSE]
        integers: [0, -7, +7, 012, 0o14, 0xC, 12345678901234567890]
        floats: [1.5, -.5, 5., 1e3, 1E-3, .inf, -.INF]
        empty:
    """
    data = documents.parse(text, file="a.yaml").data
    assert data["texts"] == [
        *("no", "on", "yes", "y", "2026-01-31", "12:30:00", "1_000", "=", "+", ".", "-"),
        *("0b1", "0x", "nope", "1", "~", "3", "1e", "<<"),
    ]
    assert data["nulls"] == [None] * 4
    assert data["flags"] == [True] * 3 + [False] * 3
    assert data["integers"] == [0, -7, 7, 12, 12, 12, 12345678901234567890]
    assert data["floats"] == [1.5, -0.5, 5.0, 1000.0, 0.001, math.inf, -math.inf]
    assert data["empty"] is None
    assert math.isnan(documents.parse("a: .nan", file="a.yaml").data["a"])


def test_json_comes_out_as_the_standard_library_reads_it() -> None:
    value: dict[str, Any] = {"a": [1, -2.5e3, True, False, None, 'x,{}[]:"\\\n😀', {}], "": {"b": []}, "\\": "\\"}
    for text in (json.dumps(value), json.dumps(value, indent=2, ensure_ascii=False)):
        assert documents.parse(text, file="a.json").data == value


def test_the_same_content_is_the_same_in_both_syntaxes() -> None:
    text = '{"agents": {"a": {"outputs": ["x", "y"], "max_retries": 2}}}'
    assert documents.parse(text, file="a.json").data == documents.parse(text, file="a.yaml").data


def test_a_byte_order_mark_is_skipped(write: Write) -> None:
    assert documents.read(write(b"\xef\xbb\xbfa: 1")).data == {"a": 1}
    assert documents.read(write(b'\xef\xbb\xbf{"a": 1}', "doc.JSON")).data == {"a": 1}


def test_aliases_and_merge_keys_are_written_out() -> None:
    text = """
base: &base {x: 1, y: {z: 2}}
more: &more {x: 3, w: 4}
a: *base
b:
  <<: *base
  x: 5
c: {<<: [*more, *base]}
"""
    data = documents.parse(text, file="a.yaml").data
    assert data["a"] == {"x": 1, "y": {"z": 2}}
    assert data["b"] == {"x": 5, "y": {"z": 2}}
    assert data["c"] == {"x": 3, "y": {"z": 2}, "w": 4}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 1),
        (("b", "c"), 3),
        (("b", "d", 1), 6),
        (("b", "d", 1, "e"), 6),
        (("b", "d", 1, "f"), 7),
        (("b", "missing", "x"), 2),
        (("m", "y"), 9),
        (("nothing",), None),
    ],
)
def test_findings_know_the_line_of_their_key_or_of_the_nearest_around_it(path: Any, line: int | None) -> None:
    text = "a: 1\nb:\n  c: 2\n  d:\n    - x\n    - e: 1\n      f: 2\nbase: &base\n  y: 1\nm:\n  <<: *base\n"
    assert documents.parse(text, file="a.yaml").finding(path, "x").line == line


def test_findings_know_lines_of_json_too() -> None:
    document = documents.parse('{"a": 1,\n "b": {"c":\n [1,\n 2]}}', file="a.json")
    assert [document.finding(path, "x").line for path in (("a",), ("b", "c"), ("b", "c", 1))] == [1, 2, 4]


def test_paths_are_written_the_way_people_do() -> None:
    assert key_text(("agents", "writer", "dependencies", 0)) == "agents.writer.dependencies[0]"
    assert key_text(("agents", "two words", "x")) == "agents.'two words'.x"
    assert key_text(("line\nbreak",)) == "'line\\nbreak'"
    assert key_text(()) == ""


# What cannot be read at all


def test_a_missing_file_is_named() -> None:
    assert str(refusal("nowhere/a.yaml")) == "nowhere/a.yaml: no such file; check the path"


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert str(refusal(tmp_path)) == f"{tmp_path}: this is a folder; name a file in it"


def test_a_path_through_a_file_or_in_a_circle_cannot_be_read(write: Write, tmp_path: Path) -> None:
    assert refusal(write("a: 1") / "b.yaml").problem == "cannot be read: Not a directory"
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    assert refusal(tmp_path / "loop.yaml").problem == "cannot be read: Too many levels of symbolic links"
    assert refusal("a\0b").problem == "this is no path of a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_cannot_be_read(write: Write) -> None:
    path = write("a: 1")
    path.chmod(0)
    assert refusal(path).problem == "cannot be read: Permission denied"


def test_other_encodings_than_utf_8_are_refused_with_the_line(write: Write) -> None:
    finding = refusal(write(b"a: 1\nb: \xff\n"))
    assert (finding.line, finding.problem) == (2, "byte 8 is not UTF-8")
    assert refusal(write("a: 1".encode("utf-16"))).remedy == "save the file as UTF-8 text"


def test_an_endless_file_is_refused_without_waiting_for_its_end(tmp_path: Path) -> None:
    pipe, refused, ended = tmp_path / "pipe.yaml", Event(), Event()
    os.mkfifo(pipe)

    def write_on() -> None:
        with pipe.open("wb", buffering=0) as stream:
            stream.write(b"#" * (MAX_BYTES + 1))
            refused.wait(10)
            ended.set()

    writer = Thread(target=write_on)
    writer.start()
    assert refusal(pipe).problem == "the file is larger than 8 MiB"
    assert not ended.is_set()
    refused.set()
    writer.join()


def test_ten_megabytes_of_nesting_are_refused_unread(write: Write) -> None:
    started = time.perf_counter()
    assert refusal(write("[" * 10 * 2**20)).problem == "the file is larger than 8 MiB"
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("name", "unit"), [("a.yaml", "["), ("b.yaml", "{a: "), ("c.yaml", "- "), ("d.yaml", "? "), ("e.json", '{"a": [')]
)
def test_deep_nesting_just_under_the_size_limit_is_refused_fast(write: Write, name: str, unit: str) -> None:
    path = write((unit * (MAX_BYTES // len(unit)))[:MAX_BYTES], name)
    started = time.perf_counter()
    finding = refusal(path)
    assert time.perf_counter() - started < 1
    assert (finding.problem, finding.line) == ("nested deeper than 50 levels", 1)


def test_nesting_up_to_the_limit_is_read() -> None:
    inside = MAX_DEPTH - 1
    for name in ("a.yaml", "a.json"):
        assert documents.parse('{"a": ' + "[" * inside + "]" * inside + "}", file=name).data
        with pytest.raises(DocumentError, match="nested deeper"):
            documents.parse('{"a": ' + "[" * (inside + 1) + "]" * (inside + 1) + "}", file=name)


def test_nesting_through_aliases_counts() -> None:
    chain = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, MAX_DEPTH + 1))
    with pytest.raises(DocumentError, match="nested deeper than 50 levels"):
        documents.parse(chain, file="a.yaml")


@pytest.mark.parametrize("entry", ["[{}]", "{{<<: [{}]}}", "{{<<: {{x: [{}]}}}}"])
def test_alias_bombs_are_refused_fast(entry: str) -> None:
    lines = ["a0: &a0 {x: 1}", *(f"a{n}: &a{n} " + entry.format(", ".join([f"*a{n - 1}"] * 9)) for n in range(1, 40))]
    started = time.perf_counter()
    with pytest.raises(DocumentError) as caught:
        documents.parse("\n".join(lines), file="a.yaml")
    assert time.perf_counter() - started < 5
    assert caught.value.findings[0].problem == f"more than {MAX_VALUES:,} values, with aliases written out"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &a [*a]", "alias '*a' contains itself"),
        ("a: &a\n  b: {c: *a}", "alias '*a' contains itself"),
        ("a: &a {<<: *a}", "alias '*a' contains itself"),
        ("a: *b", "alias '*b' names no anchor"),
        ("a: *b\nb: &b 1", "alias '*b' names no anchor"),
    ],
)
def test_aliases_without_a_value_are_refused(text: str, problem: str) -> None:
    with pytest.raises(DocumentError, match=problem.replace("*", r"\*")):
        documents.parse(text, file="a.yaml")


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
@pytest.mark.parametrize("text", ["", "  \n", "null"])
def test_an_empty_file_is_refused(name: str, text: str) -> None:
    with pytest.raises(DocumentError, match="the file is empty; write at least one key"):
        documents.parse(text, file=name)


def test_a_file_of_comments_is_empty() -> None:
    with pytest.raises(DocumentError, match="the file is empty"):
        documents.parse("# nothing\n---\n", file="a.yaml")


@pytest.mark.parametrize(("text", "kind"), [("[1]", "a list"), ("3", "a single value"), ('"a"', "a single value")])
@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_the_top_level_must_be_a_mapping(name: str, text: str, kind: str) -> None:
    with pytest.raises(DocumentError, match=f"{name}:1: the top level is {kind}; write a mapping of keys to values"):
        documents.parse(text, file=name)


@pytest.mark.parametrize(
    ("name", "text", "line", "problem", "remedy"),
    [
        ("a.yaml", "a: 1\nb: [1\n", 3, "not valid YAML: did not find expected ',' or ']'", "fix the syntax"),
        ("a.yaml", "a: 'x\n", 2, "not valid YAML: found unexpected end of stream", "close what is open"),
        ("a.yaml", "a: b: c", 1, "not valid YAML: mapping values are not allowed", "put a value that holds ': '"),
        ("a.yaml", "a:\n\tb: 1", 2, "not valid YAML: found character that cannot start", "put the value in quotes"),
        ("a.yaml", "a: 1\nb: \a", 2, "not valid YAML: character U+0007 is not allowed", "remove it"),
        ("a.yaml", "a: 1\n---\nb: 1", 2, "a second document begins here", "keep one per file"),
        ("a.json", '{"a": 1,\n "b" 2}', 2, "not valid JSON: expecting ':' delimiter", "fix the syntax"),
        ("a.json", '{"a": 1', 1, "not valid JSON: expecting ',' delimiter", "fix the syntax"),
        ("a.json", '{"a": 1}\n{}', 2, "not valid JSON: extra data", "fix the syntax"),
    ],
)
def test_faulty_syntax_is_told_with_its_line(name: str, text: str, line: int, problem: str, remedy: str) -> None:
    with pytest.raises(DocumentError) as caught:
        documents.parse(text, file=name)
    (finding,) = caught.value.findings
    assert (finding.file, finding.line) == (name, line)
    assert finding.problem.startswith(problem)
    assert finding.remedy.startswith(remedy)


# What is told while the rest is read


def test_tags_build_nothing_and_are_told_together(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = f"""
a: !!python/object/apply:os.mkdir [{mark}]
b: [1, !!python/name:os.system x, !custom {{x: 1}}]
c: !!binary aGk=
d: !!map {{e: !!seq [!!str 1]}}
"""
    document = documents.parse(text, file="a.yaml")
    assert not mark.exists()
    assert told(document) == [
        (2, "a", "tag '!!python/object/apply:os.mkdir' is not allowed"),
        (3, "b[1]", "tag '!!python/name:os.system' is not allowed"),
        (3, "b[2]", "tag '!custom' is not allowed"),
        (4, "c", "tag '!!binary' is not allowed"),
    ]
    assert document.data == {"a": None, "b": [1, None, None], "c": None, "d": {"e": ["1"]}}


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_repeated_keys_are_told_and_the_first_counts(name: str) -> None:
    document = documents.parse('{"a": 1,\n"b": {"c": 2,\n"c": 3},\n"a": {"c": [4]}}', file=name)
    assert told(document) == [
        (3, "b.c", "key 'c' is repeated (first in line 2)"),
        (4, "a", "key 'a' is repeated (first in line 1)"),
    ]
    assert document.data == {"a": 1, "b": {"c": 2}}


def test_keys_that_are_no_text_are_told() -> None:
    document = documents.parse("1: a\ntrue: b\n~: c\n? [d]\n: e\n? {f: g}\n: h\nx: {2.5: [i]}\ny: 1", file="a.yaml")
    assert told(document) == [
        (1, None, "key 1 is a number, not text"),
        (2, None, "key true is true or false, not text"),
        (3, None, "a key is empty"),
        (4, None, "a key is not plain text"),
        (6, None, "a key is not plain text"),
        (8, "x", "key 2.5 is a number, not text"),
    ]
    assert document.data == {"x": {}, "y": 1}


def test_merging_something_else_than_a_mapping_is_told() -> None:
    document = documents.parse("a: {<<: 3}\nb: {<<: [{x: 1}, 2]}", file="a.yaml")
    assert told(document) == [
        (1, "a", "'<<' merges something that is no mapping"),
        (2, "b", "'<<' merges something that is no mapping"),
    ]


def test_a_document_of_faults_is_told_up_to_a_limit() -> None:
    document = documents.parse("".join(f"{number}: x\n" for number in range(MAX_FINDINGS + 7)), file="a.yaml")
    assert len(document.findings) == MAX_FINDINGS + 1
    assert document.findings[-1].problem == "more problems are not listed"


# From data to values


class Part(Value):
    name: Label
    size: Count = 0


class Whole(Value):
    title: Label
    ready: Flag = False
    parts: tuple[Part, ...] = ()
    tags: tuple[Label, ...] = Field(default=(), max_length=3)
    names: dict[Label, Part] = Field(default_factory=dict)
    extra: Json = None


class Unrepeated(Value):
    names: Annotated[tuple[Label, ...], without_repeats("name")] = ()


def validated(text: str, model: type[Any] = Whole) -> tuple[Any, list[str]]:
    document = documents.parse(text, file="w.yaml")
    value, findings = documents.validate(model, document, document.data)
    return value, [str(finding) for finding in findings]


def test_a_faultless_document_gives_its_value() -> None:
    value, findings = validated("title: x\nparts: [{name: a, size: 3}]\nextra: {a: [1]}")
    assert value == Whole(title="x", parts=(Part(name="a", size=3),), extra={"a": [1]})
    assert findings == []


def test_all_faults_are_told_at_once_from_top_to_bottom_and_the_rest_is_kept() -> None:
    value, findings = validated(
        """\
extra: {a: .nan, b: [1, .inf]}
redy: true
parts:
  - {name: a, size: -1}
  - {name: b, sizes: 3}
  - {size: 1}
  - c
  - {name: d, size: 2}
title: x
ready: yes
tags: [a, 3, " b"]
names: {one: {name: 1}, two: {name: z, size: 1.5}}
"""
    )
    assert findings == [
        "w.yaml:1: extra.a: nan is not a JSON number; write a finite number, or null",
        "w.yaml:1: extra.b[1]: inf is not a JSON number; write a finite number, or null",
        "w.yaml:2: redy: unknown key 'redy'; remove it, did you mean 'ready'?",
        "w.yaml:4: parts[0].size: -1 is out of range; use a number that is 0 or more",
        "w.yaml:5: parts[1].sizes: unknown key 'sizes'; remove it, did you mean 'size'?",
        "w.yaml:6: parts[2].name: key 'name' is missing; add it",
        "w.yaml:7: parts[3]: 'c' is not a mapping; write a mapping of keys to values, or remove it",
        "w.yaml:10: ready: 'yes' is not true or false; write true or false, without quotes",
        "w.yaml:11: tags[1]: 3 is not text; write text, in quotes where needed",
        "w.yaml:11: tags[2]: ' b' begins or ends with a space; remove the space",
        "w.yaml:12: names.one.name: 1 is not text; write text, in quotes where needed",
        "w.yaml:12: names.two.size: 1.5 is not a whole number; write a whole number without quotes",
    ]
    assert value == Whole(
        title="x",
        parts=(Part(name="a"), Part(name="b"), Part(name="d", size=2)),
        tags=("a",),
        names={"two": Part(name="z")},
        extra={"b": [1]},
    )


def test_an_unknown_key_near_no_other_lists_the_known_ones() -> None:
    _, findings = validated("title: x\nqqq: 1")
    assert findings == ["w.yaml:2: qqq: unknown key 'qqq'; known keys: title, ready, parts, tags, names, extra"]


def test_a_value_without_what_it_needs_is_no_value() -> None:
    assert validated("ready: true") == (None, ["w.yaml: title: key 'title' is missing; add it"])
    assert validated("title: 3") == (None, ["w.yaml:1: title: 3 is not text; write text, in quotes where needed"])


def test_a_second_fault_behind_a_first_is_told_with_its_own_place() -> None:
    value, findings = validated("names: [3, a, b, 4, a]", Unrepeated)
    assert findings == [
        "w.yaml:1: names[0]: 3 is not text; write text, in quotes where needed",
        "w.yaml:1: names[3]: 4 is not text; write text, in quotes where needed",
        "w.yaml:1: names[4]: name 'a' is named twice; name it once",
    ]
    assert value == Unrepeated(names=("a", "b"))


def test_what_is_not_plain_data_is_told_only_once() -> None:
    document = documents.parse("title: !!python/name:os.system x\nready: !x y\nparts: [!z {name: a}]", file="w.yaml")
    value, findings = documents.validate(Whole, document, document.data)
    assert value is None
    assert findings == []
    assert len(document.findings) == 3


def test_a_field_given_from_elsewhere_is_neither_asked_for_nor_known_as_a_key() -> None:
    document = documents.parse("entry: {titel: x, ready: true}", file="w.yaml")
    value, findings = documents.validate(Whole, document, document.data["entry"], ("entry",), given={"title": "t"})
    assert value == Whole(title="t", ready=True)
    assert [str(finding) for finding in findings] == [
        "w.yaml:1: entry.titel: unknown key 'titel'; known keys: ready, parts, tags, names, extra"
    ]


def test_a_fault_of_a_given_field_is_told_at_the_entry_itself() -> None:
    document = documents.parse("' x': {ready: 1}", file="w.yaml")
    value, findings = documents.validate(Whole, document, document.data[" x"], (" x",), given={"title": " x"})
    assert value is None
    assert [(finding.key, finding.problem) for finding in findings] == [
        ("' x'", "' x' begins or ends with a space"),
        ("' x'.ready", "1 is not true or false"),
    ]


def test_data_that_is_no_mapping_gives_no_value() -> None:
    document = documents.parse("entry: [1]", file="w.yaml")
    value, findings = documents.validate(Whole, document, document.data["entry"], ("entry",))
    assert value is None
    assert [finding.problem for finding in findings] == ["a list is not a mapping"]


def test_a_value_of_faults_is_told_up_to_a_limit() -> None:
    value, findings = validated("title: x\nextra: [" + ".nan, " * (MAX_FINDINGS + 9) + "]")
    assert value == Whole(title="x", extra=[])
    assert len(findings) == MAX_FINDINGS + 1
    assert findings[-1] == "w.yaml:2: more problems are not listed; fix these first"


def test_long_values_are_shown_shortened() -> None:
    _, findings = validated(f"title: [{'x' * 500}]\nready: {'y' * 500}\n{'z' * 120}: 1")
    assert all(len(finding) < 250 for finding in findings)
