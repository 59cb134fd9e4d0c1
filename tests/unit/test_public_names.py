"""What the package offers at its top: to type checkers and at run time alike, and without loading what is not used."""

import ast
import subprocess
import sys
from pathlib import Path

import planner_graph


def test_type_checkers_see_the_names_that_there_are():
    tree = ast.parse(Path(planner_graph.__file__).read_text())
    (seen,) = [node for node in tree.body if isinstance(node, ast.If)]
    homes = {name.name: node.module for node in seen.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert homes == {name: f"planner_graph.{home}" for name, home in planner_graph._HOMES.items()}
    assert list(planner_graph.__all__) == sorted(planner_graph.__all__)


def test_every_name_can_be_imported():
    assert all(getattr(planner_graph, name).__name__ == name for name in planner_graph.__all__)


def test_planning_loads_neither_langgraph_nor_a_database_driver():
    script = (
        "import sys; from planner_graph import Campaign, MasterPlanner\n"
        "MasterPlanner().create_execution_plan(Campaign(type='blog_creation'))\n"
        "print(sorted({'langgraph', 'langchain_core', 'psycopg'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
