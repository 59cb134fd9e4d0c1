"""Products in the words of the command line: before a run, after it, and as files."""

from planner_graph.cli.commands.plan import summary
from planner_graph.cli.results import as_files
from planner_graph.planning.contents import Product
from planner_graph.planning.explanation import product_lines
from tests.catalogs import spec
from tests.fakes import planned

PLAN = planned(spec("writer", gives=["draft"]), spec("seo", gives=["optimized"]))
PRODUCTS = (
    Product(
        name="post",
        outputs=("optimized", "edited", "draft"),
        sources={"optimized": "seo", "draft": "writer"},
        main=True,
    ),
    Product(name="pictures", outputs=("images",), sources={}, required=False),
    Product(name="draft", outputs=("draft",), sources={"draft": "campaign"}),
)


def test_a_plan_says_what_each_product_is_made_of_and_what_is_not_in_it():
    plan = PLAN.model_copy(update={"products": PRODUCTS})
    lines = [
        "post: optimized from seo, else draft from writer (main)",
        "pictures: not in this plan, no agent of it gives 'images' (optional)",
        "draft: from campaign",
    ]
    assert product_lines(plan) == lines
    assert [line for line in summary(plan) if line.startswith("deliverable ")] == [
        f"deliverable {line}" for line in lines
    ]
    assert "\n".join(f"  {line}" for line in lines) in plan.explain()


def test_a_plan_of_an_earlier_version_says_where_its_deliverables_come_from():
    plan = PLAN.model_copy(update={"products": (), "deliverables": {"draft": "writer"}})
    assert product_lines(plan) == ["draft: from writer"]


def test_a_file_has_the_extension_of_the_output_that_the_product_is():
    names, _ = as_files({"post": "<p>", "note": "text", "a.txt": "text"}, {}, {"post": "post.html", "note": "note"})
    assert names == {"post": "post.html", "note": "note.md", "a.txt": "a.txt"}
