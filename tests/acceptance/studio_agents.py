"""Agents for tests of LangGraph's server, which loads this file; see ``langgraph_server``.

One of them waits at a gate, a named pipe: it goes on as soon as somebody opens the other end.
"""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from langgraph.graph.message import add_messages
from langgraph.prebuilt import create_react_agent
from langgraph.types import interrupt
from langgraph.warnings import LangGraphDeprecatedSinceV10

from planner_graph import AgentFactory, AgentSpec, Catalog, Rule, Studio, agent

ANSWER = "Forty two is what the book says."


@agent(outputs=["draft"], estimate_seconds=1)
def drafter(inputs):
    """Writes a draft in a plain function."""
    return {"draft": f"about {inputs['campaign']['brief']}"}


@agent(inputs=["draft"], outputs=["verdict"], estimate_seconds=3)
async def reviewer(inputs):
    """Asks a person."""
    return {"verdict": interrupt({"publish": inputs["draft"]})}


@agent(inputs=["draft", "gate"], outputs=["passed"], estimate_seconds=2)
def porter(inputs):
    """Waits until the gate is opened."""
    Path(inputs["gate"]).open(encoding="utf-8").close()
    return {"passed": inputs["draft"]}


class Disguised(tuple[str]):
    """A value that LangGraph's serializer writes as a call of ``os.system``, as somebody could write into its store."""

    __slots__ = ()

    def _asdict(self) -> dict[str, str]:
        return {"command": f"touch {self[0]}"}


Disguised.__module__, Disguised.__name__ = "os", "system"


@agent(inputs=["draft", "trap"], outputs=["sprung"], estimate_seconds=1)
def trapper(inputs):
    """Asks with a question whose stored bytes name a command."""
    return {"sprung": interrupt([Disguised([inputs["trap"]])])}


@agent(inputs=["draft"], outputs=["film"], max_retries=1, backoff={"initial_seconds": 0}, estimate_seconds=1)
async def filmer(_):
    """Has no camera."""
    raise OSError("no camera")


@agent(dependencies={"hard": ["drafter"], "soft": ["reviewer", "porter", "filmer"]}, outputs=["page"])
async def publisher(inputs):
    """Puts together what there is."""
    return {"page": " | ".join(str(inputs[name]) for name in ("draft", "verdict", "passed") if name in inputs)}


@tool
def look_up(what: str) -> str:
    """Look something up in the book."""
    return f"{what}: 42"


class TalkingModel(BaseChatModel):
    """A chat model that looks something up first, and then says :data:`ANSWER` word by word."""

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Any:  # noqa: ARG002
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> ChatResult:
        whole = None
        for chunk in self._stream(messages, stop, run_manager):
            whole = chunk if whole is None else whole + chunk
        assert whole is not None
        message = AIMessage(whole.message.content, tool_calls=whole.message.tool_calls)  # type: ignore[attr-defined]
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: CallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> Iterator[ChatGenerationChunk]:
        if isinstance(messages[-1], ToolMessage):
            for word in ANSWER.split(" "):
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=word if word == "Forty" else f" {word}"))
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
        else:
            call = tool_call_chunk(name="look_up", args='{"what": "everything"}', id="1", index=0)
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[call]))

    @property
    def _llm_type(self) -> str:
        return "talking"


class Talk(TypedDict, total=False):
    """What an assistant reads and gives."""

    messages: Annotated[list[Any], add_messages]
    remaining_steps: int
    dialogue: list[str]


def noted(state: Talk) -> Talk:
    """Give what was said so far."""
    return {"dialogue": [message.content for message in state["messages"]]}


with warnings.catch_warnings():  # its successor is in another package, and builds the same graph
    warnings.simplefilter("ignore", LangGraphDeprecatedSinceV10)
    assistant = create_react_agent(TalkingModel(), [look_up], state_schema=Talk, post_model_hook=noted)
"""An agent that is LangGraph's own agent graph."""

functions = (drafter, reviewer, porter, filmer, trapper, publisher)
talks = AgentSpec.model_validate(
    {"name": "assistant", "type": "assistant", "inputs": ["messages"], "outputs": ["dialogue"]}
)

RULES = {
    "letter": ["drafter", "publisher"],
    "reviewed": ["drafter", "reviewer", "publisher"],
    "gated": ["drafter", "porter", "publisher"],
    "trapped": ["drafter", "trapper"],
    "filmed": ["drafter", "filmer", "publisher"],
    "everything": ["drafter", "reviewer", "porter", "filmer", "publisher"],
    "talk": ["assistant"],
}
team = Catalog.of(
    *functions,
    talks,
    rules=[
        Rule.model_validate({"name": kind, "when": {"campaign_type": kind}, "select": agents})
        for kind, agents in RULES.items()
    ],
)


studio = Studio(AgentFactory({**{each.__name__: each for each in functions}, "assistant": assistant}), catalog=team)
campaign = studio.campaigns("team")
