"""Runs the Python blocks of README and docs, and the examples in docstrings, as tests."""

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

markdown = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()], patterns=["README.md", "docs/*.md"])
docstrings = Sybil(parsers=[DocTestParser()], patterns=["planner_graph/**/*.py"])

pytest_collect_file = (markdown + docstrings).pytest()
