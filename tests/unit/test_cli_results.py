"""Deliverables as files: names that stay in their folder, bytes that suit the value."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner_graph.cli.files import require_folder, write_files
from planner_graph.cli.results import LONGEST_NAME, as_files, contents, safe_name
from planner_graph.errors import InvalidInputError

PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    ("name", "value", "file", "data"),
    [
        ("post.html", "<p>ü", "post.html", "<p>ü".encode()),
        ("post", "# Title", "post.md", b"# Title"),
        ("social", {"a": ["ü"]}, "social.json", '{\n  "a": [\n    "ü"\n  ]\n}\n'.encode()),
        ("seo.json", {"slug": "x"}, "seo.json", b'{\n  "slug": "x"\n}\n'),
        ("notes.md", ["a"], "notes.md", b'[\n  "a"\n]\n'),
        ("count", 3, "count.json", b"3\n"),
        ("nothing", None, "nothing.json", b"null\n"),
        ("header.png", PIXEL, "header.png", b"\x89PNG\r\n\x1a\n"),
        ("header", PIXEL, "header.png", b"\x89PNG\r\n\x1a\n"),
        ("note", "data:text/plain,a%20b", "note.txt", b"a b"),
        ("note", "data: is plural", "note.md", b"data: is plural"),
        ("cut.png", "data:image/png;base64,iVBOR", "cut.png", b"data:image/png;base64,iVBOR"),
        ("v1.2", "text", "v1.2.md", b"text"),
        ("a/b", "text", "a_b.md", b"text"),
        ("../../etc/passwd", "text", "etc_passwd.md", b"text"),
        ("..", "text", "deliverable.md", b"text"),
        (".bashrc", "text", "bashrc.md", b"text"),
        ("con", "text", "_con.md", b"text"),
    ],
)
def test_a_deliverable_becomes_a_file(name, value, file, data):
    names, files = as_files({name: value}, {})
    assert names == {name: file}
    assert files == {file: data}


def test_names_that_would_be_the_same_file_are_told_apart():
    names, files = as_files({"a/b": "1", "a_b": "2", "A_B": "3", "plan.svg": "4"}, {"plan.svg": b"picture"})
    assert names == {"a/b": "a_b.md", "a_b": "a_b-2.md", "A_B": "A_B-3.md", "plan.svg": "plan.svg"}
    assert files["plan-2.svg"] == b"picture"
    assert len(files) == 5


@given(st.text(max_size=300))
def test_no_name_leads_out_of_its_folder(name):
    safe = safe_name(name)
    assert safe
    assert len(safe.encode("utf-8", "surrogatepass")) <= LONGEST_NAME + 1
    assert Path(safe).name == safe
    assert safe not in {".", ".."}
    assert not safe.startswith(".")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_every_structure_becomes_json_that_reads_back(value):
    data, extension = contents([value])
    assert extension == ".json"
    assert json.loads(data) == [value]


def test_files_replace_what_was_there_and_leave_nothing_behind(tmp_path):
    (tmp_path / "a.md").write_text("old")
    write_files(tmp_path, {"a.md": b"new", "b.md": b"more"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.md": "new", "b.md": "more"}


def test_a_link_in_the_folder_is_replaced_and_what_it_leads_to_is_not(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("precious")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a.md").symlink_to(outside)
    write_files(folder, {"a.md": b"new"})
    assert outside.read_text() == "precious"
    assert (folder / "a.md").read_text() == "new"


def test_a_file_that_cannot_be_replaced_is_named_and_no_temporary_file_stays(tmp_path):
    (tmp_path / "a.md").mkdir()
    with pytest.raises(InvalidInputError, match=r"cannot write to '.*a\.md': .*directory; name another place"):
        write_files(tmp_path, {"a.md": b"new"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.md"]


def test_a_folder_that_is_a_file_is_refused_with_its_name(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InvalidInputError, match=r"cannot write to '.*out': file exists; name another place"):
        write_files(tmp_path / "out", {"a.md": b"new"})


def test_looking_whether_a_folder_can_be_written_to_leaves_nothing(tmp_path):
    require_folder(tmp_path / "new" / "deep")
    require_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_done(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError, match=r"cannot write to '.*/file/deep': not a directory; name another place"):
        require_folder(tmp_path / "file" / "deep")
    with pytest.raises(InvalidInputError, match=r"cannot write to '/proc/new': no such file"):
        require_folder(Path("/proc/new"))
