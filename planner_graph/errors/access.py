"""What the server refuses: tokens, and requests sent twice."""

from planner_graph.errors.base import PlannerGraphError


class TokenNotFoundError(PlannerGraphError, LookupError):
    """No token of the server has this id or name."""

    def __init__(self, token: str) -> None:
        self.token = token
        super().__init__(f"no token {token!r} in this database; 'planner-graph token list' shows all")


class TokenNameTakenError(PlannerGraphError, ValueError):
    """A token of this name is there that was not revoked."""

    def __init__(self, name: str) -> None:
        self.name = name
        remedy = f"use another name, or revoke that one first: planner-graph token revoke {name}"
        super().__init__(f"there is a token {name!r} already; {remedy}")


class KeyReusedError(PlannerGraphError, ValueError):
    """An idempotency key was sent with another request than before; ``run_id`` is what that one has started."""

    def __init__(self, key: str, run_id: str) -> None:
        self.key, self.run_id = key, run_id
        problem = f"the idempotency key {key!r} belongs to another request, which has started run {run_id}"
        super().__init__(f"{problem}; send a new key with a new request")


class RequestRepeatedError(PlannerGraphError, RuntimeError):
    """A request was sent again that has started a run already, which is ``run_id``."""

    def __init__(self, key: str, run_id: str) -> None:
        self.key, self.run_id = key, run_id
        super().__init__(f"the request with the idempotency key {key!r} has started run {run_id} already")
