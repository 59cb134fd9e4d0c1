"""Counts what the language models use that an agent's body calls, and what that costs.

LangChain tells of model calls to callback handlers. While an agent runs, a context variable holds a handler of its own,
and LangChain itself adds that one to every call made in the context: by the body, by runnables and subgraphs, in their
threads and tasks. A handler in the body's config would miss the calls that are made with a config of their own, as the
manuals of tracers advise; LangChain lets callbacks that are passed replace those that are inherited.
"""

import math
import threading
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any, Self
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers.context import register_configure_hook

from planner_graph.errors import Finding, InvalidInputError
from planner_graph.values import Amount, Value

UNKNOWN_MODEL = "unknown"
"""Name of a model that nobody names: neither its answer nor LangChain's description of the call."""

DIGITS = 12
"""Decimal places of a cost in USD; a token of the cheapest models costs some 1e-8."""

COUNTS = ("input_tokens", "output_tokens", "total_tokens", "calls")
"""What a usage counts, of all models together and of each."""


class ModelPrice(Value):
    """What a model costs, in USD per million tokens.

    Input tokens that the provider read from its cache cost ``cached_input_usd``, or as much as others if that is
    ``None``.
    """

    input_usd: Amount
    output_usd: Amount
    cached_input_usd: Amount | None = None

    def cost(self, tokens: "Tokens") -> float:
        """Give the cost of ``tokens`` in USD."""
        cached = min(tokens.cached, tokens.input)
        cached_usd = self.input_usd if self.cached_input_usd is None else self.cached_input_usd
        millions = (tokens.input - cached) * self.input_usd + cached * cached_usd + tokens.output * self.output_usd
        return millions / 1_000_000


Prices = Mapping[str, ModelPrice]
"""Prices by the name of the model."""


def checked_prices(prices: Prices | None) -> dict[str, ModelPrice]:
    """Give a copy of ``prices``.

    Raises:
        InvalidInputError: something in there is no price or no name; all findings at once.
    """
    given = dict(prices or {})
    findings = []
    for model, price in given.items():
        if not isinstance(model, str) or not model:
            findings.append(Finding(problem=f"{model!r} names no model", remedy="use its name as key", key="prices"))
        elif not isinstance(price, ModelPrice):
            remedy = "write ModelPrice(input_usd=..., output_usd=...), in USD per million tokens"
            findings.append(Finding(problem=f"{price!r} is no price", remedy=remedy, key=f"prices[{model!r}]"))
    if findings:
        raise InvalidInputError(findings)
    return given


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """Tokens of one call or of many; ``cached`` ones are among ``input``."""

    input: int = 0
    output: int = 0
    total: int = 0
    cached: int = 0

    @classmethod
    def of(cls, told: UsageMetadata) -> Self:
        """Read what a message says."""
        details = told.get("input_token_details") or {}
        return cls(
            input=int(told["input_tokens"]),
            output=int(told["output_tokens"]),
            total=int(told["total_tokens"]),
            cached=int(details.get("cache_read") or 0),
        )

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(
            input=self.input + other.input,
            output=self.output + other.output,
            total=self.total + other.total,
            cached=self.cached + other.cached,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelCall:
    """One call of a model.

    ``model`` is the one that answered, ``asked`` the name it was called by, which may be an alias. A call is
    ``measured`` if ``tokens`` are all that it used; one that was cut short may have used more.
    """

    model: str
    asked: str
    tokens: Tokens = Tokens()
    measured: bool = True


class UsageMeter(BaseCallbackHandler):
    """Takes down the calls of models; any thread may tell it of them."""

    run_inline = True  # another thread would cost more than the note that is taken
    ignore_agent = True
    ignore_chain = True
    ignore_custom_event = True
    ignore_retriever = True
    ignore_retry = True

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._open: dict[UUID, str] = {}
        self._calls: list[ModelCall] = []

    @property
    def calls(self) -> tuple[ModelCall, ...]:
        """All calls so far; those that have not ended are not measured."""
        with self._lock:
            going_on = [ModelCall(model=asked, asked=asked, measured=False) for asked in self._open.values()]
            return (*self._calls, *going_on)

    def add(self, calls: Iterable[ModelCall]) -> None:
        """Take down calls that were made elsewhere."""
        with self._lock:
            self._calls += calls

    def on_chat_model_start(self, serialized: Any, messages: Any, **about: Any) -> None:  # noqa: ARG002
        """Take down that a call of a chat model begins."""
        self._begin(**about)

    def on_llm_start(self, serialized: Any, prompts: Any, **about: Any) -> None:  # noqa: ARG002
        """Take down that a call of another model begins."""
        self._begin(**about)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """Take down what a call used; an answer from LangChain's own cache is no call."""
        message = _message(response)
        told = message and message.usage_metadata
        if told and told.get("total_cost") == 0:  # LangChain's mark of such an answer
            with self._lock:
                self._open.pop(run_id, None)
            return
        self._end(run_id, message, measured=told is not None)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, response: LLMResult | None = None, **_: Any) -> None:
        """Take down a call that failed, which costs nothing, or was cut short, which may cost anything."""
        message = _message(response)
        cut_short = isinstance(message, AIMessageChunk) or not isinstance(error, Exception)
        self._end(run_id, message, measured=not cut_short)

    def _begin(self, run_id: UUID, metadata: dict[str, Any] | None = None, **_: Any) -> None:
        asked = (metadata or {}).get("ls_model_name")
        with self._lock:
            self._open[run_id] = str(asked or UNKNOWN_MODEL)

    def _end(self, run_id: UUID, message: AIMessage | None, *, measured: bool) -> None:
        named = message.response_metadata.get("model_name") if message else None
        told = message.usage_metadata if message else None
        tokens = Tokens.of(told) if told else Tokens()
        with self._lock:
            asked = self._open.pop(run_id, UNKNOWN_MODEL)
            self._calls.append(ModelCall(model=str(named or asked), asked=asked, tokens=tokens, measured=measured))


_METER: ContextVar[UsageMeter | None] = ContextVar("planner_graph_usage_meter", default=None)
register_configure_hook(_METER, inheritable=True)


def start_meter() -> UsageMeter:
    """Give a new meter that takes down the calls made in the present context, instead of the one before."""
    meter = UsageMeter()
    _METER.set(meter)
    return meter


def calls_to_json(meter: UsageMeter) -> list[dict[str, Any]]:
    """Write down the calls of a meter for the process that :func:`add_calls` is called in."""
    return [asdict(call) for call in meter.calls]


def add_calls(written: Iterable[Mapping[str, Any]]) -> None:
    """Take down, in the present context, calls that were made in another process."""
    meter = _METER.get()
    if meter is not None:
        meter.add(ModelCall(**{**call, "tokens": Tokens(**call["tokens"])}) for call in written)


def usage_of(calls: Iterable[ModelCall], prices: Prices) -> dict[str, Any] | None:
    """Sum calls up as plain JSON, or give ``None`` if there are none.

    ``{"input_tokens", "output_tokens", "total_tokens", "calls", "cost_usd", "models": {name: {the first four}}}``.
    ``cost_usd`` is ``None`` if the price of a model is unknown, or the tokens of a call.
    """
    found = sorted(calls, key=lambda call: (call.model, call.asked))
    if not found:
        return None
    names = dict.fromkeys(call.model for call in found)
    models = {name: _sum([call for call in found if call.model == name]) for name in names}
    costs = [_cost(call, prices) for call in found]
    known = [cost for cost in costs if cost is not None]
    cost_usd = round(math.fsum(known), DIGITS) if len(known) == len(costs) else None
    return {**_sum(found), "cost_usd": cost_usd, "models": models}


def _sum(calls: Iterable[ModelCall]) -> dict[str, int]:
    calls = list(calls)
    tokens = sum((call.tokens for call in calls), Tokens())
    return {
        "input_tokens": tokens.input,
        "output_tokens": tokens.output,
        "total_tokens": tokens.total,
        "calls": len(calls),
    }


def _cost(call: ModelCall, prices: Prices) -> float | None:
    """Give the cost of a call in USD; a price for the full name of the model goes before one for an alias."""
    if not call.measured:
        return None
    if call.tokens == Tokens():
        return 0.0
    price = prices.get(call.model) or prices.get(call.asked)
    return price.cost(call.tokens) if price else None


def _message(response: LLMResult | None) -> AIMessage | None:
    """Give the message a response consists of; if there are several, each tells the usage of all."""
    first = next(iter(response.generations), []) if response else []
    generation = next(iter(first), None)
    message = generation.message if isinstance(generation, ChatGeneration) else None
    return message if isinstance(message, AIMessage) else None
