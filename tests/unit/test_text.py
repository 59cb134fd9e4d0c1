import json

import pytest

from planner_graph.text import UNSTORABLE, escaped, one_line, printable, storable, utf8

UNSTORABLE_TEXTS = ["a\x00b", "a" + chr(0xD800) + "b", "a" + chr(0xDFFF) + "b"]


@pytest.mark.parametrize("text", UNSTORABLE_TEXTS)
def test_characters_that_postgres_refuses_are_replaced(text):
    assert storable(text) == "a\ufffdb"


def test_characters_that_postgres_refuses_are_written_out():
    assert [escaped(text) for text in UNSTORABLE_TEXTS] == ["a\\x00b", "a\\ud800b", "a\\udfffb"]


@pytest.mark.parametrize("mend", [storable, escaped, lambda text: utf8(text).decode()])
def test_text_that_can_be_stored_stays_as_it_is(mend):
    text = "naïve 😀 \t\n\x1b\u202e\\x00\ufffd"
    assert mend(text) == text


def test_exactly_what_utf_8_cannot_store_is_refused_and_nul():
    characters = map(chr, range(0x110000))
    assert [char for char in characters if UNSTORABLE.search(char)] == ["\0", *map(chr, range(0xD800, 0xE000))]


@pytest.mark.parametrize("value", ["\ud800", ["a\ud83db"], {"\udfff": 1}])
def test_json_with_lone_surrogates_is_the_same_json_in_utf_8(value):
    assert json.loads(utf8(json.dumps(value, ensure_ascii=False))) == value


def test_nothing_shown_steers_the_terminal():
    assert printable("a\x1b[2J\x07\u202eb\u00a0\u200b") == "a\\x1b[2J\\x07\\u202eb\\xa0\\u200b"
    assert printable("Grüße\n\t漢字 🙂") == "Grüße\n\t漢字 🙂"


def test_one_line_has_no_line_ends_and_no_spaces_around():
    assert one_line(" a\r\n\tb\u2028c\x1b ") == "a b c\\x1b"
