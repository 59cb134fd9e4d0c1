"""The dashboard's files: nothing is made of text, nothing comes from elsewhere, libraries are those that are pinned."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from planner_graph.server.pages import FILES, FOLDERS, STATIC

VENDOR = STATIC / "vendor"
SCRIPT = Path(__file__).parents[2] / "scripts/vendor.py"
OWN = [path for path in sorted(STATIC.rglob("*")) if path.is_file() and VENDOR not in path.parents]
SCRIPTS = [path for path in OWN if path.suffix == ".js"]

MAKES_HTML = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc|setHTML"
)
RUNS_TEXT = re.compile(r"\beval\(|new Function|setTimeout\(\s*['\"`]|javascript:")
INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)")
SETS_STYLE = re.compile(r"""setAttribute\(\s*["']style|cssText|\bstyle:\s""")
ELSEWHERE = re.compile(r"https?://(?!www\.w3\.org/)")
IMPORTED = re.compile(r"""(?:^import|^\} from|^import .* from|import\()\s*["']([^"']+)["']""", re.MULTILINE)


def named(path):
    return path.relative_to(STATIC).as_posix()


@pytest.mark.parametrize(
    "pattern", [MAKES_HTML, RUNS_TEXT, INLINE, SETS_STYLE, ELSEWHERE], ids=lambda p: p.pattern[:20]
)
def test_no_text_becomes_html_script_or_style_and_nothing_comes_from_elsewhere(pattern):
    texts = {named(path): path.read_text(encoding="utf-8") for path in OWN}
    if pattern in (INLINE, SETS_STYLE):
        kinds = (".html", ".svg") if pattern is INLINE else (".js",)
        texts = {name: text for name, text in texts.items() if name.endswith(kinds)}
    assert texts
    assert {name: pattern.findall(text) for name, text in texts.items() if pattern.search(text)} == {}


@pytest.mark.parametrize(
    "bad", ["a.innerHTML = b", "document.write(x)", "eval(x)", '<p style="a">', "<script>a</script>"]
)
def test_the_patterns_find_what_they_look_for(bad):
    assert any(pattern.search(bad) for pattern in (MAKES_HTML, RUNS_TEXT, INLINE))


def test_every_module_that_is_imported_is_there():
    for script in SCRIPTS:
        for name in IMPORTED.findall(script.read_text(encoding="utf-8")):
            assert name.startswith("."), f"{named(script)} imports {name!r}"
            assert (script.parent / name).is_file(), f"{named(script)} imports {name!r}"


def test_all_modules_are_fetched_side_by_side():
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    preloaded = re.findall(r'rel="modulepreload" href="(js/[^"]+)"', page)
    others = {"js/app.js", "js/theme.js", "js/run/layout.worker.js"}
    assert sorted(preloaded) == sorted({named(path) for path in SCRIPTS} - others)


def test_everything_that_is_served_is_in_a_folder_that_is_served():
    outside = [path for path in OWN if path.parent == STATIC]
    assert sorted(named(path) for path in outside) == sorted(FILES.values())
    assert {named(path).split("/")[0] for path in OWN if path not in outside} <= set(FOLDERS)


def test_modules_stay_short():
    lengths = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SCRIPTS}
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def run(*arguments, script=SCRIPT):
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)


def test_the_libraries_are_what_is_pinned():
    checked = run("--check")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_each_library_has_its_licence():
    packages = json.loads((VENDOR / "vendor.json").read_text(encoding="utf-8"))
    for package in packages:
        licences = [file["to"] for file in package["files"] if file["from"] == "LICENSE"]
        assert licences, package["package"]
        assert "Copyright" in (VENDOR / licences[0]).read_text(encoding="utf-8")


def test_a_library_that_was_changed_or_added_by_hand_is_found(tmp_path):
    copy = tmp_path / "scripts/vendor.py"
    copy.parent.mkdir()
    shutil.copy(SCRIPT, copy)
    folder = tmp_path / "planner_graph/server/static/vendor"
    shutil.copytree(VENDOR, folder)
    (folder / "d3/d3.min.js").write_text("changed", encoding="utf-8")
    (folder / "other.js").write_text("", encoding="utf-8")
    (folder / "dagre/LICENSE").unlink()
    checked = run("--check", script=copy)
    assert checked.returncode == 1
    assert checked.stderr.splitlines() == [
        "other.js is in no package of vendor.json",
        "d3/d3.min.js is not what vendor.json says",
        "dagre/LICENSE is missing",
    ]
