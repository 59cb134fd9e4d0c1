"""What is wrong with the database, its tables, or a mirror that writes them."""

from collections.abc import Sequence

from planner_graph.errors.base import PlannerGraphError


class DatabaseUnavailableError(PlannerGraphError, ConnectionError):
    """The database cannot be reached or refuses the connection; ``target`` names it without a password."""

    def __init__(self, target: str, problem: str, remedy: str) -> None:
        self.target = target
        super().__init__(f"database {target}: {problem}; {remedy}")


class SchemaVersionError(PlannerGraphError, RuntimeError):
    """The tables in the database do not fit this program; ``tables`` says whose they are, ours or LangGraph's."""

    def __init__(self, *, found: int | None, expected: int, tables: str = "planner_graph") -> None:
        self.found = found
        self.expected = expected
        self.tables = tables
        if found is None:
            text = f"the database has no {tables} tables; run 'planner-graph db upgrade'"
        else:
            text = f"the {tables} tables in the database are version {found}, this program needs {expected}; "
            text += (
                "run 'planner-graph db upgrade'"
                if found < expected
                else "upgrade the program: pip install --upgrade planner-graph"
            )
        super().__init__(text)


class ForeignTablesError(PlannerGraphError, RuntimeError):
    """Another program's tables have the names of ours; ``tables`` lists them."""

    def __init__(self, target: str, tables: Sequence[str]) -> None:
        self.target = target
        self.tables = tuple(tables)
        if len(self.tables) == 1:
            problem = f"the table {self.tables[0]} belongs to another program"
        else:
            problem = f"the tables {', '.join(self.tables)} belong to another program"
        remedy = (
            "use a schema of its own: CREATE SCHEMA planner_graph, then add ?options=-csearch_path%3Dplanner_graph "
            "to the connection string"
        )
        super().__init__(f"database {target}: {problem}; {remedy}")


class MirrorOpenError(PlannerGraphError, RuntimeError):
    """A mirror was opened that is open."""

    def __init__(self) -> None:
        super().__init__("the PlanMirror is open already; one may follow any number of runs, or make another one")


class MirrorNotOpenError(PlannerGraphError, RuntimeError):
    """A mirror was passed to a graph before it was opened, or after it was closed."""

    def __init__(self) -> None:
        super().__init__("the PlanMirror is not open; use it within 'with PlanMirror() as mirror:'")
