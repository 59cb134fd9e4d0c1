"""Bad input: one clear message with file, key and remedy, exit code 2, nothing half-written."""

from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from planner_graph.store.upgrades import SCHEMA_VERSION
from tests.acceptance.conftest import WORKSHOP, Ended

CATALOG = """\
agents:
  writer: {outputs: [post], inputs: [review]}
  editor: {outputs: [review], inputs: [post]}
"""


def refusal(ended: Ended) -> str:
    """Give what a command said when it refused its input; what the agents' module printed before is left out."""
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err
    return ended.err.removeprefix("the workshop opens\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "c.yaml: the file is empty\n    write at least one key\n"),
        ("- a\n", "c.yaml:1: the top level is a list\n    write a mapping of keys to values\n"),
        (b"\xff\xfe", "c.yaml:1: byte 0 is not UTF-8\n    save the file as UTF-8 text\n"),
        ("tpe: blog_creation\n", "c.yaml:1: tpe: unknown key 'tpe'\n    remove it, did you mean 'type'?\n"),
        ("type: 3\n", "c.yaml:1: type: 3 is not text\n    write text, in quotes where needed\n"),
        (
            "type: blog_creation\nlimits: {max_parallel: -1}\n",
            "c.yaml:2: limits.max_parallel: -1 is out of range\n    use a number that is 1 or more\n",
        ),
        ("{}\n", "c.yaml: the campaign asks for nothing\n    add a 'type', 'tasks' or 'deliverables'\n"),
        (
            "type: blog_creaton\n",
            "c.yaml:1: type: unknown campaign type 'blog_creaton'\n    did you mean 'blog_creation'?\n",
        ),
        (
            "type: blog_creation\nconfiguration: {writr: {}}\n",
            "c.yaml:2: configuration.writr: configuration for an unknown agent 'writr'\n    did you mean 'writer'?\n",
        ),
        (
            "type: !!python/object/apply:os.system ['touch pwned']\n",
            "c.yaml:1: type: tag '!!python/object/apply:os.system' is not allowed\n    use plain values only\n",
        ),
        ("brief: " + "[" * 100_000, "c.yaml:1: nested deeper than 50 levels\n    flatten it\n"),
        ("brief: " + "[" * 10_000_000, "c.yaml: the file is larger than 8 MiB\n    split it\n"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "bytes",
)
def test_a_faulty_campaign_is_refused(command, text, message):
    assert refusal(command("plan", command.write("c.yaml", text))) == f"error: {message}"
    assert command.files() == ["c.yaml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            CATALOG,
            (
                "k.yaml:2: agents.writer.inputs: circular dependency: writer needs editor needs writer\n"
                "    remove one of these dependencies or make it optional\n"
            ),
        ),
        (
            "agents: {a: {outputs: [post]}, b: {outputs: [post]}}",
            (
                "k.yaml:1: agents.b.outputs[0]: output 'post' is already produced by agent 'a'\n"
                "    rename one of them, or make one agent the fallback of the other\n"
            ),
        ),
        (
            "agents: {a: {outputs: [post], inputs: [facts]}}",
            (
                "k.yaml:1: agents.a.inputs[0]: agent 'a' needs the input 'facts', which neither an agent nor the"
                " campaign gives\n    add 'facts' under 'provided' in the campaign, or make the input not required\n"
            ),
        ),
        (
            "agents: {a: {outputs: [post], dependencies: [ghost]}}",
            (
                "k.yaml:1: agents.a.dependencies[0]: agent 'a' depends on an unknown agent 'ghost'\n"
                "    declare it or remove it\n"
            ),
        ),
        (
            "agents: {a: {outputs: [post], estimate_seconds: -5}}",
            "k.yaml:1: agents.a.estimate_seconds: -5 is out of range\n    use a number that is more than 0\n",
        ),
    ],
)
def test_a_faulty_catalog_is_refused(command, text, message):
    campaign = command.write("c.yaml", "deliverables: [post]\n")
    shown = command("plan", campaign, "--no-builtin", "--catalog", command.write("k.yaml", text))
    assert refusal(shown) == f"error: {message}"


def test_an_agent_named_like_one_of_the_built_in_catalog_is_named_where_that_does_not_fit_any_more(command):
    campaign = command.write("c.yaml", "deliverables: [letter]\n")
    other = command.write("k.yaml", "agents: {writer: {outputs: [letter]}, extra: {outputs: [more]}}\n")
    lines = refusal(command("plan", campaign, "--catalog", other)).splitlines()
    assert any(line.startswith("marketing.yaml:") for line in lines)
    assert lines[-1] == (
        "laid over agents of the built-in catalog: 'writer'; give them other names, or leave that catalog out with"
        " --no-builtin"
    )
    assert command("plan", campaign, "--catalog", other, "--no-builtin").code == 0


@pytest.mark.parametrize("name", ["plan", "campaign", "result", "__start__", "a|b", "a:b"])
def test_an_agent_may_not_have_a_name_that_the_graph_uses_itself(command, name):
    shown = command("catalog", "check", command.write("k.yaml", f"agents:\n  '{name}': {{}}\n"))
    assert f"agent name '{name}' is" in refusal(shown)


@pytest.mark.parametrize(("path", "problem"), [("missing.yaml", "no such file"), (".", "this is a folder")])
def test_a_file_that_cannot_be_read_is_named(command, path, problem):
    assert f"error: {path}: {problem}\n" in refusal(command("plan", path))


def test_everything_wrong_is_said_at_once_before_anything_is_done(command):
    campaign = command.write("c.yaml", "deliverables: [gold]\nbudget: 3\n")
    catalog = command.write("k.yaml", "agents:\n  a:\n    max_retries: -1\n")
    shown = command("run", campaign, "--catalog", catalog, "--strategy", "fast", "--output", "out")
    assert refusal(shown) == (
        "error: the input has 4 problems\n"
        "k.yaml:3: agents.a.max_retries: -1 is out of range\n"
        "    use a number that is 0 or more\n"
        "c.yaml:1: deliverables[0]: no agent produces the deliverable 'gold'\n"
        "    ask for an output that an agent of the catalog declares\n"
        "c.yaml:2: budget: unknown key 'budget'\n"
        "    known keys: id, name, type, content_types, include_images, tasks, deliverables, provided, configuration,"
        " brief, sources, limits, strategy, durability\n"
        "strategy: unknown strategy 'fast'\n"
        "    choose one of: sequential, parallel, adaptive\n"
        "agents that are declared in Python are found with --agents MODULE:NAME\n"
    )
    assert command.files() == ["c.yaml", "k.yaml"]


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("nowhere.py:agents", "no such file"),
        ("nowhere:agents", "ModuleNotFoundError"),
        ("agents", "write it as package.module:attribute or path/to/file.py:attribute"),
        (f"{WORKSHOP}:agnts", "did you mean 'agents'?"),
        (f"{WORKSHOP}:nothing", "int is no factory, mapping or list of functions decorated with @agent"),
    ],
)
def test_agents_that_cannot_be_found_are_named(command, reference, problem):
    said = refusal(command("run", command.write("c.yaml", "deliverables: [summary]"), "--agents", reference))
    assert f"agent binding '{reference}'" in said
    assert problem in said


def test_a_faulty_declaration_in_python_is_refused_with_its_key(command):
    command.write(
        "mine.py", "from planner_graph import agent\n@agent(max_retries=-1)\ndef x(inputs): ...\nagents = [x]\n"
    )
    shown = command("run", command.write("c.yaml", "deliverables: [x]"), "--agents", "mine.py:agents")
    assert "agents.x.max_retries: -1 is out of range" in refusal(shown)


def test_all_agents_without_code_are_named_and_nothing_is_started(command):
    campaign = command.write("c.yaml", "type: content_repurposing\n")
    command.write("mine.py", "agents = {'writer': lambda inputs: 1}\n")
    assert refusal(command("run", campaign, "--agents", "mine.py:agents")) == (
        "error: --agents: 'mine.py:agents' has no code for 3 agents of the plan: 'planner', 'editor', 'social_media'\n"
        "    add it there, beside 'writer'\n"
    )
    assert refusal(command("run", campaign)) == (
        "error: --agents: no installed package has code for 4 agents of the plan: 'planner', 'writer', 'editor',"
        " 'social_media'\n    name it: --agents package.module:name or --agents file.py:name\n"
    )
    assert "home" not in command.files()


def test_an_output_folder_that_is_a_file_is_refused_before_anything_is_run(command, tmp_path):
    campaign = command.write("c.yaml", "deliverables: [header.png]")
    shown = command("run", campaign, "--agents", f"{WORKSHOP}:agents", "--output", campaign, CALLS=tmp_path / "calls")
    assert refusal(shown) == "error: --output: cannot write to 'c.yaml': file exists\n    name another place\n"
    assert command.files() == ["c.yaml"]


def run_on(command, dsn):
    campaign = command.write("c.yaml", "deliverables: [header.png]")
    return command("run", campaign, "--agents", f"{WORKSHOP}:agents", "--dsn", dsn, "--output", "out")


def test_no_database_is_one_message_without_the_password(command):
    said = refusal(run_on(command, "postgresql://me:my-secret@127.0.0.1:1/campaigns"))
    assert said.startswith("error: database me@127.0.0.1:1/campaigns: ")
    assert "check host and port, and that the server is running" in said
    assert "my-secret" not in said
    assert command.files() == ["c.yaml"]


def test_a_dsn_that_cannot_be_read_is_not_repeated(command):
    said = refusal(run_on(command, "postgresql://me:my-se@cret@127.0.0.1/x"))
    assert "--dsn" in said
    assert "cret" not in said


def test_a_refused_login_is_one_message_without_the_password(command, dsn):
    wrong = make_conninfo(dsn, user="nobody_at_all", password="wr0ng-pa55")  # noqa: S106  # of nobody
    said = refusal(run_on(command, wrong))
    assert said.startswith("error: database nobody_at_all@")
    assert "check user and password" in said or "role" in said
    assert "wr0ng-pa55" not in said


def test_a_database_without_our_tables_is_prepared_by_the_first_run(command, empty_dsn):
    assert run_on(command, empty_dsn).code == 0


def test_a_schema_newer_than_the_program_is_refused(command, dsn):
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("INSERT INTO planner_graph_schema (version) VALUES (99)")
    for shown in (run_on(command, dsn), command("db", "check", "--dsn", dsn), command("db", "upgrade", "--dsn", dsn)):
        assert f"version 99, this program needs {SCHEMA_VERSION}\n    upgrade the program" in refusal(shown)


def test_an_unknown_run_is_answered_with_how_to_find_them(stored):
    for arguments in (["status", "abcd1234"], ["resume", "abcd1234"], ["status", "no-such-run"]):
        said = refusal(stored(*arguments))
        assert said == f"error: no run '{arguments[1]}' in this database\n    'planner-graph runs' lists them\n"


def test_an_empty_database_has_no_latest_run(stored):
    assert "start one with: planner-graph run FILE" in refusal(stored("status"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runn"], "Did you mean 'run', 'runs', 'rerun'?"),
        (["plan"], "Missing argument 'FILE'"),
        (["plan", "--nope", "x"], "No such option: --nope"),
        (["draw", "x", "--format", "png"], "'mermaid', 'dot', 'svg'"),
        (["runs", "--limit", "0"], "--limit"),
    ],
)
def test_a_mistyped_command_is_answered_with_how_to_use_it(command, arguments, message):
    said = refusal(command(*arguments))
    assert message in said
    assert "--help" in said


def test_an_unexpected_error_is_one_line_unless_the_traceback_is_asked_for(command):
    def said(*arguments: str, **environment: str) -> str:
        with Path("/dev/full").open("w") as full:
            running = command.start(*arguments, stdout=full, environment=environment)
        ended: Ended = running.end()
        assert ended.code == 1
        return ended.err

    line = "error: OSError: [Errno 28] No space left on device\n"
    assert said("catalog", "list") == f"{line}set PLANNER_GRAPH_DEBUG=1 to see where it happened\n"
    for long in (said("--debug", "catalog", "list"), said("catalog", "list", PLANNER_GRAPH_DEBUG="1")):
        assert long.startswith("Traceback (most recent call last):")
        assert long.endswith(line)
