"""The promises about the shape of the code: small modules, short functions, no printing outside the command line."""

import ast
import statistics
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "planner_graph"
MODULES = sorted(PACKAGE.rglob("*.py"))


def functions():
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module.relative_to(PACKAGE)}:{node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_no_module_is_longer_than_400_lines():
    lengths = {str(module.relative_to(PACKAGE)): len(module.read_text().splitlines()) for module in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def test_no_function_is_longer_than_60_lines():
    assert {name: lines for name, lines in functions() if lines > 60} == {}


def test_nine_of_ten_functions_are_shorter_than_30_lines():
    assert statistics.quantiles([lines for _, lines in functions()], n=10)[-1] < 30


def test_only_the_command_line_prints():
    for module in MODULES:
        calls = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call)]
        prints = [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
        assert not prints or "cli" in module.parts, f"{module} prints in lines {prints}"


def test_no_imports_inside_functions():
    for module in MODULES:
        for function in ast.walk(ast.parse(module.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                late = [node.lineno for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)]
                assert not late, f"{module} imports inside {function.name} in lines {late}"
