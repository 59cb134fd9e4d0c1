"""The SQL files and the dashboard reach whoever installs the wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

from planner_graph.server.pages import STATIC
from planner_graph.store.queries import load
from planner_graph.store.upgrades import schema

ROOT = Path(__file__).parents[2]
READ = """
import sys
sys.path.insert(0, sys.argv[1])
from planner_graph.store import queries, upgrades
assert queries.__file__.startswith(sys.argv[1]), queries.__file__
assert not queries.__file__.startswith(sys.argv[2])
print(len(queries.load()), upgrades.schema().decode(), end="")
"""


def test_a_wheel_brings_its_sql_and_its_pages_along(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    command = [sys.executable, "-c", READ, str(tmp_path / "site"), str(ROOT)]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == f"{len(load())} {schema().decode()}"
    pages = tmp_path / "site/planner_graph/server/static"
    assert contents(pages) == contents(STATIC)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
