"""What LangGraph Studio shows of this example: its agents at work on any campaign, and the plan of its own.

``langgraph.json`` in the top folder names these two; start there with ``langgraph dev``.
"""

from pathlib import Path

from planner_graph import AgentFactory, Campaign, Studio

HERE = Path(__file__).parent

studio = Studio(AgentFactory.load(f"{HERE / 'agents.py'}:agents"))

campaign = studio.campaigns()
blog_campaign = studio.plan(Campaign.load(HERE / "campaign.yaml"), name="blog_campaign")
