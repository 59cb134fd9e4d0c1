"""Whatever the input: reading ends, tells what is wrong in plain words, and what remains is valid."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from planner_graph import documents
from planner_graph.campaign import Campaign
from planner_graph.catalog.rule import Rule
from planner_graph.catalog.spec import AgentSpec
from planner_graph.documents import Document
from planner_graph.errors import DocumentError, Finding

MODELS: list[type[BaseModel]] = [AgentSpec, Campaign, Rule]
INNER = (
    "agent kind hard soft optional required factor jitter initial_seconds parameters max_parallel budget_usd "
    "campaign_type task_type title parallel plan campaign writer"
)
WORDS = sorted({*(name for model in MODELS for name in model.model_fields), *INNER.split()})
untimed = settings(deadline=None)

UNSAID = ("Input should", "[type=", "pydantic", "Value error", "validation error", "Traceback", "NoneType", "tuple")
"""Words of the library and the language underneath, which no message may use."""

words = st.sampled_from(WORDS) | st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(st.characters(), max_size=4)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=5), max_leaves=25
)


def plausible(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    """Mappings of this model's keys to anything, so that faults lie deep."""
    names = st.sampled_from([*model.model_fields])
    return st.dictionaries(names | words, values, max_size=8)


def check(model: type[BaseModel], data: Any) -> None:
    document = Document(file="x.json", data={})
    value, findings = documents.validate(model, document, data)
    for finding in findings:
        assert isinstance(finding, Finding)
        assert finding.problem
        assert finding.remedy
        shown = str(finding)
        shown.encode()
        assert not any(phrase in shown for phrase in UNSAID)
    assert (value is None) <= bool(findings)
    if value is not None:
        model.model_validate(value.model_dump())
        assert documents.validate(model, document, data) == (value, findings)


@pytest.mark.parametrize("model", MODELS)
@untimed
@given(data=st.data())
def test_validation_ends_and_leaves_a_valid_value_whatever_the_data(
    model: type[BaseModel], data: st.DataObject
) -> None:
    check(model, data.draw(values | plausible(model)))


@pytest.mark.parametrize("model", MODELS)
@untimed
@given(data=st.data())
def test_data_without_findings_is_what_the_model_accepts(model: type[BaseModel], data: st.DataObject) -> None:
    drawn = data.draw(plausible(model))
    value, findings = documents.validate(model, Document(file="x.json", data={}), drawn)
    if not findings:
        assert value == model.model_validate(drawn)


@untimed
@given(st.dictionaries(words, values, max_size=6), st.sampled_from([None, 1]))
def test_json_is_read_as_the_standard_library_reads_it(data: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(data, indent=indent)
    # compared as text, in which not-a-number equals itself
    assert json.dumps(documents.parse(text, file="a.json").data) == json.dumps(json.loads(text))


text = st.text(st.characters(exclude_categories=["Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"]), max_size=6)
finite = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


@untimed
@given(st.dictionaries(text, finite, min_size=1, max_size=6))
def test_json_is_read_alike_in_a_yaml_file(data: dict[str, Any]) -> None:
    written = json.dumps(data, ensure_ascii=False)
    assert documents.parse(written, file="a.json").data == data
    assert documents.parse(written, file="a.yaml").data == data


@untimed
@given(st.text(max_size=200) | st.text(alphabet="a:-[]{}&*!<>|'\" \n?,#%0.~", max_size=60))
def test_any_text_is_read_or_refused_with_findings(text: str) -> None:
    for name in ("a.yaml", "a.json"):
        try:
            document = documents.parse(text, file=name)
            findings = document.findings
            assert isinstance(document.data, dict)
        except DocumentError as error:
            findings = error.findings
        assert all(finding.problem and finding.remedy and finding.file == name for finding in findings)


@untimed
@given(st.text(alphabet="ab:-[]{}&* \n<,", max_size=60))
def test_plain_yaml_means_what_the_yaml_library_says(text: str) -> None:
    try:
        document = documents.parse(text, file="a.yaml")
    except DocumentError:
        return
    if not document.findings:
        assert document.data == yaml.load(text, Loader=yaml.SafeLoader)
