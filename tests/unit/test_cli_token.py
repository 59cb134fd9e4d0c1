"""What ``planner-graph token create`` takes."""

import pytest

from planner_graph.cli.commands.token import checked
from planner_graph.errors import InvalidInputError


@pytest.mark.parametrize(("expires", "seconds"), [(None, None), ("1m", 60), ("90d", 90 * 86_400)])
def test_a_token_expires_when_it_is_told_to(expires, seconds):
    assert checked("ann@example.com", expires) == seconds


@pytest.mark.parametrize(
    ("name", "expires", "keys"),
    [
        ("local", None, ["NAME"]),
        ("ann\n", None, ["NAME"]),
        ("ann", "0d", ["--expires"]),
        ("", "soon", ["NAME", "--expires"]),
    ],
)
def test_everything_that_is_wrong_is_told_at_once(name, expires, keys):
    with pytest.raises(InvalidInputError) as error:
        checked(name, expires)
    assert [finding.key for finding in error.value.findings] == keys
