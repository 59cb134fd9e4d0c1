"""What a campaign may say, and where it comes from."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planner_graph.campaign import Campaign, Limits, Task
from planner_graph.errors import CampaignError, DocumentError
from planner_graph.types import Strategy

Write = Callable[..., Path]

FULL = """
id: spring
name: Spring campaign
type: blog_creation
content_types: [blog_post, image]
include_images: true
tasks:
  - {type: image_generation, title: Header, description: One wide picture, parameters: {width: 1600}}
deliverables: [optimized_content]
provided: {key_themes: [rain, umbrellas]}
configuration: {writer: {tone: friendly}}
brief: |
  Tell people
  about spring.
sources: [notes]
limits: {max_parallel: 4, resources: {llm_requests: 8}, timeout_seconds: 600, budget_usd: 2.5}
strategy: parallel
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "campaign.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def campaign(**fields: Any) -> Campaign:
    return Campaign.model_validate(fields)


def test_every_field_is_read_from_a_file(write: Write, tmp_path: Path) -> None:
    path = write(FULL)
    loaded = Campaign.load(path)
    assert loaded.file == str(path)
    assert (
        loaded.model_dump()
        == campaign(
            id="spring",
            name="Spring campaign",
            type="blog_creation",
            content_types=("blog_post", "image"),
            include_images=True,
            tasks=(
                Task(
                    type="image_generation", title="Header", description="One wide picture", parameters={"width": 1600}
                ),
            ),
            deliverables=("optimized_content",),
            provided={"key_themes": ["rain", "umbrellas"]},
            configuration={"writer": {"tone": "friendly"}},
            brief="Tell people\nabout spring.\n",
            sources=(str(tmp_path / "notes"),),
            limits=Limits(max_parallel=4, resources={"llm_requests": 8}, timeout_seconds=600, budget_usd=2.5),
            strategy=Strategy.PARALLEL,
        ).model_dump()
    )


def test_a_campaign_goes_through_json_unchanged() -> None:
    made = campaign(type="x", tasks=[{"type": "y"}], provided={"a": [1, None]}, strategy="adaptive")
    assert Campaign.model_validate_json(made.model_dump_json()) == made


def test_faults_raise_all_at_once(write: Write) -> None:
    path = write("typ: x\ninclude_images: maybe\nlimits: {max_parallel: 0}\n")
    with pytest.raises(CampaignError) as caught:
        Campaign.load(path)
    assert str(caught.value) == (
        "campaign has 3 problems:\n"
        f"  {path}:1: typ: unknown key 'typ'; remove it, did you mean 'type'?\n"
        f"  {path}:2: include_images: 'maybe' is not true or false; write true or false, without quotes\n"
        f"  {path}:3: limits.max_parallel: 0 is out of range; use a number that is 1 or more"
    )


def test_faults_of_document_and_of_meaning_are_told_together_from_top_to_bottom(write: Write) -> None:
    _, findings = Campaign.read(write("type: 3\nbrief: !x y\ntype: b\nnam: c\n"))
    assert [(finding.line, finding.key) for finding in findings] == [(1, "type"), (2, "brief"), (3, "type"), (4, "nam")]


def test_what_is_not_faulty_is_kept(write: Write) -> None:
    read, findings = Campaign.read(write("type: x\ntasks: [{type: a}, {title: b}, 3]\nstrategy: fast\n"))
    assert [finding.key for finding in findings] == ["tasks[1].type", "tasks[2]", "strategy"]
    assert (read.type, read.tasks, read.strategy) == ("x", (Task(type="a"),), None)


def test_a_file_that_cannot_be_read_raises(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="no such file"):
        Campaign.load(tmp_path / "missing.yaml")


def test_an_unknown_strategy_is_told_with_the_known_ones(write: Write) -> None:
    (finding,) = Campaign.read(write("strategy: paralel"))[1]
    assert finding.problem == "'paralel' is not one of sequential, parallel, adaptive"
    assert finding.remedy == "did you mean 'parallel'?"


def test_an_editor_may_be_told_the_schema_in_the_file(write: Write) -> None:
    assert Campaign.load(write('{"$schema": "x.json", "type": "a"}', "a.json")).id == campaign(type="a").id


def test_sources_are_absolute_against_the_folder_of_the_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    write('sources: [a.md, sub/b, ./c, ../d, /e/f, "~/g", "~nobody-at-all/h"]', "here/campaign.yaml")
    monkeypatch.chdir(tmp_path)
    here = tmp_path / "here"
    assert Campaign.load("here/campaign.yaml").sources == (
        f"{here}/a.md",
        f"{here}/sub/b",
        f"{here}/c",
        f"{here}/../d",
        "/e/f",
        "/home/someone/g",
        f"{here}/~nobody-at-all/h",
    )


def test_sources_of_a_campaign_from_python_stay_as_they_are() -> None:
    assert campaign(sources=["a.md"]).sources == ("a.md",)


def test_findings_about_a_campaign_know_file_and_line(write: Write) -> None:
    path = write("type: x\ntasks:\n  - type: a\n  - type: b\n")
    finding = Campaign.load(path).finding(("tasks", 1, "type"), "unknown task type 'b'", "remove it")
    assert str(finding) == f"{path}:4: tasks[1].type: unknown task type 'b'; remove it"
    assert str(campaign().finding(("type",), "missing", "add it")) == "type: missing; add it"


# The id


def test_a_given_id_is_kept() -> None:
    assert campaign(id="spring").id == "spring"


def test_the_derived_id_is_a_name_of_the_content() -> None:
    made = campaign(type="x")
    assert made.id == "campaign-" + hashlib.sha256(b'{"type":"x"}').hexdigest()[:12]
    assert campaign(type="x", id="").id == made.id
    assert campaign(type="y").id != made.id
    assert campaign(type="x", sources=["a"]).id != made.id


def test_the_derived_id_depends_neither_on_folder_nor_on_order_nor_on_spelled_out_defaults(write: Write) -> None:
    ids = {
        Campaign.load(write("type: x\nsources: [a]\nlimits: {max_parallel: 2}", "one/a.yaml")).id,
        Campaign.load(write("limits: {max_parallel: 2}\nsources: [a]\ntype: x", "two/b.yaml")).id,
        Campaign.load(write('{"sources": ["a"], "type": "x", "limits": {"max_parallel": 2}}', "three/c.json")).id,
        campaign(type="x", sources=("a",), limits=Limits(max_parallel=2, resources={}), include_images=False).id,
    }
    assert len(ids) == 1


def test_the_derived_id_survives_a_copy_with_other_sources() -> None:
    made = campaign(type="x", sources=["a"])
    assert made.model_copy(update={"sources": ("/b",)}).id == made.id


def test_repeated_deliverables_and_content_types_are_told(write: Write) -> None:
    _, findings = Campaign.read(write("content_types: [a, a]\ndeliverables: [b, c, b]"))
    assert [(finding.key, finding.problem) for finding in findings] == [
        ("content_types[1]", "content type 'a' is named twice"),
        ("deliverables[2]", "deliverable 'b' is named twice"),
    ]
