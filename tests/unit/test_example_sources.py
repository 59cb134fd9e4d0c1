"""How the blog campaign reads its sources, and what it says when it cannot."""

import pytest

from examples.blog_campaign.language import Language
from examples.blog_campaign.markup import html_blocks, markdown_blocks, plain_blocks
from examples.blog_campaign.passages import passages
from examples.blog_campaign.sources import MAX_FILE_BYTES, SourcesError, read_sources
from tests.blog_sources import HARBOUR, campaign, run, written


def refusal(*sources):
    with pytest.raises(SourcesError) as caught:
        read_sources([str(source) for source in sources])
    return caught.value


def quotable(tmp_path, text, name="a.md", language="en"):
    return passages(read_sources([str(written(tmp_path, name, text))]), Language(language))


def test_a_campaign_without_sources_is_told_to_name_some():
    assert str(refusal()) == (
        "the list of sources has 1 problem:\n"
        "  sources: the campaign names no sources; list files or folders of .md, .txt or .html files"
    )


def test_everything_wrong_with_the_sources_is_reported_at_once(tmp_path):
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\0")
    binary = tmp_path / "binary.txt"
    binary.write_bytes(b"text\0text")
    latin = tmp_path / "latin.txt"
    latin.write_bytes("Straße".encode("latin-1"))
    huge = written(tmp_path, "huge.md", "a sentence " * (MAX_FILE_BYTES // 10))
    error = refusal(tmp_path / "gone", picture, binary, latin, huge)
    assert [finding.problem for finding in error.findings] == [
        "no such file or folder",
        "'.png' is no kind of text that can be read",
        "the file is binary",
        "byte 4 is not UTF-8",
        "the file has 2.2 MiB, the limit is 2 MiB",
    ]
    assert [finding.key for finding in error.findings] == [f"sources[{number}]" for number in range(5)]
    assert all(finding.remedy and finding.file for finding in error.findings)


def test_an_empty_folder_is_refused(tmp_path):
    assert "there is no text in it" in str(refusal(tmp_path))


def test_a_folder_of_unreadable_files_says_why(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a\0b")
    assert "the file is binary; name a text file" in str(refusal(tmp_path))


def test_the_planner_fails_with_the_same_words(tmp_path):
    with pytest.raises(SourcesError, match="no such file or folder; check the path"):
        run(campaign(tmp_path / "gone"))


def test_an_unreadable_file_in_a_folder_is_passed_over_and_named(tmp_path):
    written(tmp_path, "a.md", HARBOUR)
    (tmp_path / "b.txt").write_bytes(b"a\0b")
    strategy = run(campaign(tmp_path))["content_strategy"]
    assert [source["file"].rpartition("/")[2] for source in strategy["sources"]] == ["a.md"]
    assert [skipped["reason"] for skipped in strategy["skipped"]] == ["the file is binary; name a text file"]


def test_folders_are_read_in_order_readme_first_and_hidden_files_are_not(tmp_path):
    for name in ("z.md", "b/a.txt", "a.html", "README.md", ".hidden.md", ".git/x.md", "node_modules/x.md", "notes.rst"):
        written(tmp_path, name, "Some text is here to be read.")
    names = [document.name for document in read_sources([str(tmp_path)]).documents]
    assert [name.removeprefix(f"{tmp_path.name}/") for name in names] == ["README.md", "a.html", "z.md", "b/a.txt"]


def test_a_file_named_twice_is_read_once_and_names_are_relative_to_the_common_folder(tmp_path):
    readme = written(tmp_path, "README.md", HARBOUR)
    written(tmp_path, "docs/a.md", HARBOUR)
    corpus = read_sources([str(readme), str(tmp_path / "docs"), str(readme)])
    assert [document.name for document in corpus.documents] == ["README.md", "docs/a.md"]


def test_windows_line_ends_and_byte_order_marks_do_no_harm(tmp_path):
    path = tmp_path / "a.md"
    path.write_bytes(b"\xef\xbb\xbf# Title\r\n\r\nThe first\r\nparagraph.\r\n")
    (block,) = read_sources([str(path)]).documents[0].blocks
    assert (block.text, block.headings, block.marks) == ("The first paragraph.", ("Title",), ((0, 3), (10, 4)))


def test_markdown_gives_prose_without_code_tables_and_front_matter():
    text = (
        "---\ntitle: x\n---\n# One\n\nA *first* [link](x) with `code`.\n\n```\ncode\n```\n\n"
        "| a |\n|---|\n| b |\n\n## Two\n\n- **Bold.** item\n  goes on\n\n> [!NOTE]\n> A note.\n\n!!! tip\n    A tip.\n"
    )
    found = [(b.kind, b.headings, b.text, b.label, b.marks[0][1]) for b in markdown_blocks(text)]
    assert found == [
        ("paragraph", ("One",), "A first link with `code`.", "", 6),
        ("item", ("One", "Two"), "Bold. item goes on", "Bold", 18),
        ("paragraph", ("One", "Two"), "A note.", "", 22),
        ("paragraph", ("One", "Two"), "A tip.", "", 25),
    ]


def test_html_gives_prose_without_menus_scripts_and_titles():
    text = (
        "<title>No</title><nav><p>No</p></nav><script>no</script><h1>One</h1>\n"
        "<p>A <b>first</b>\nparagraph &amp; <code>code</code>.</p><h2>Two</h2><ul><li><b>Bold:</b> item</ul>"
    )
    found = [(b.kind, b.headings, b.text, b.label, b.marks) for b in html_blocks(text)]
    assert found == [
        ("paragraph", ("One",), "A first paragraph & `code`.", "", ((0, 2), (8, 3))),
        ("item", ("One", "Two"), "Bold: item", "Bold", ((0, 3),)),
    ]


def test_plain_text_gives_paragraphs_items_and_headings():
    text = "Title\n=====\n\nA paragraph\nof two lines.\n\nA heading\n\n- one\n- two\n"
    found = [(b.kind, b.headings, b.text, b.marks[0][1]) for b in plain_blocks(text)]
    assert found == [
        ("paragraph", ("Title",), "A paragraph of two lines.", 4),
        ("item", ("A heading",), "one", 9),
        ("item", ("A heading",), "two", 10),
    ]


def test_sentences_that_point_elsewhere_or_break_off_are_not_quoted(tmp_path):
    text = (
        "The first boat leaves the harbour at six. See the next chapter for all the details. "
        "The boats are of several kinds:\n\n"
        "This follows from nothing that is said before it. The second boat leaves the harbour at seven.\n\n"
        "The third boat leaves the harbour at eight. It comes back when the tide is high.\n"
    )
    assert [passage.text for passage in quotable(tmp_path, text)] == [
        "The first boat leaves the harbour at six.",
        "The second boat leaves the harbour at seven.",
        "The third boat leaves the harbour at eight. It comes back when the tide is high.",
    ]


def test_an_item_that_is_planned_is_not_quoted_but_its_neighbours_are(tmp_path):
    text = (
        "- A new lighthouse is not built yet on the island.\n- The old lighthouse shines over forty miles of water.\n"
    )
    text += "- The harbour opens at six in the morning.\n- Boats leave the harbour with every tide.\n"
    assert len(quotable(tmp_path, text)) == 3


def test_release_notes_are_not_quoted_where_there_is_prose_enough(tmp_path):
    prose = "\n\n".join(f"Boat number {number} leaves the harbour with the tide." for number in range(12))
    written(tmp_path, "CHANGELOG.md", "Version two mends the lock of the harbour gate.")
    found = quotable(tmp_path, prose)
    assert len(found) == 12
    both = passages(read_sources([str(tmp_path)]), Language("en"))
    assert {passage.file.rpartition("/")[2] for passage in both} == {"a.md"}


def test_a_text_of_fragments_is_quoted_all_the_same(tmp_path):
    assert [passage.text for passage in quotable(tmp_path, "Open daily. Closed on Monday.")] == [
        "Open daily.",
        "Closed on Monday.",
    ]
