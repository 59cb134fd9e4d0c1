"""``planner-graph token``: a token is shown once, and is nowhere else."""

import re

import psycopg


def test_a_token_is_created_listed_and_revoked(stored):
    created = stored("token", "create", "ann", "--role", "operator", "--expires", "90d")
    other = stored("token", "create", "bob", "--json")
    taken = stored("token", "create", "ann")
    listed, table = stored("token", "list", "--json"), stored("token", "list")
    revoked, again = stored("token", "revoke", "ann"), stored("token", "revoke", other.document["id"], "--json")

    assert [ended.code for ended in (created, other, listed, table, revoked, again)] == [0] * 6
    assert re.fullmatch(r"pg_[A-Za-z0-9_-]{43}\n", created.out)
    assert re.fullmatch(
        r"token 'ann', role operator, good until [\d-]+ [\d:]+ UTC; it is not shown again:\n", created.err
    )
    assert re.fullmatch(r"pg_[A-Za-z0-9_-]{43}", other.document["token"])
    assert (taken.code, taken.out) == (2, "")
    assert "there is a token 'ann' already" in taken.err
    ann, bob = listed.document["tokens"]
    assert (ann["name"], ann["role"], ann["state"], ann["last_used_at"]) == ("ann", "operator", "usable", None)
    assert (bob["name"], bob["role"], bob["expires_at"]) == ("bob", "viewer", None)
    assert [line.split()[:3] for line in table.out.splitlines()] == [
        ["name", "role", "state"],
        ["ann", "operator", "usable"],
        ["bob", "viewer", "usable"],
    ]
    assert re.fullmatch(r"token 'ann' is revoked since [\d-]+ [\d:]+ UTC\n", revoked.out)
    assert (again.document["name"], again.document["state"]) == ("bob", "revoked")
    assert all("pg_" not in text for ended in (listed, table, revoked, again) for text in (ended.out, ended.err))
    with psycopg.connect(stored.environment["PLANNER_GRAPH_DSN"]) as conn:
        entries = conn.execute("SELECT principal, action, subject, outcome FROM audit_log ORDER BY id").fetchall()
    assert entries == [
        ("local", action, name, "done") for action in ("create_token", "revoke_token") for name in ("ann", "bob")
    ]


def test_faults_are_told_before_anything_is_made(stored):
    bad, unknown = stored("token", "create", "a b", "--expires", "0d"), stored("token", "revoke", "ann")

    assert (bad.code, bad.out, unknown.code, unknown.out) == (2, "", 2, "")
    assert bad.err.startswith("error: the input has 2 problems\nNAME: 'a b' cannot be the name of a token\n")
    assert unknown.err == "error: no token 'ann' in this database\n    'planner-graph token list' shows all\n"
