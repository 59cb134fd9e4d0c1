"""How the mirror behaves."""

from typing import Annotated

from pydantic import Field

from planner_graph.values import PositiveSeconds, Seconds, Value

AtLeastOne = Annotated[int, Field(strict=True, ge=1)]


class MirrorSettings(Value):
    """Choices of a mirror; the defaults suit a database on the same network.

    An event is written ``delay_seconds`` after it was told, with all that came until then. When ``queue_limit``
    events wait to be written, agents wait before they tell more. At its end an invocation waits at most
    ``flush_seconds`` for its events to be written. A database that is away for longer than ``patience_seconds`` is
    given up for the runs that go on then, whose reports say so; runs that begin when it is back are followed.

    ``output_preview`` is how many characters of one agent's output the live table shows at most, ``all_previews`` how
    many of all outputs of a run together; a run of many agents shows less of each.

    A run does not fail because its tables do, with one exception: an ``exclusive`` mirror ends it with ``RunHeldError``
    or ``LeaseLostError`` once another process holds it. Before that shows, agents may start for a moment.
    """

    delay_seconds: Seconds = 0.005
    queue_limit: AtLeastOne = 10_000
    batch_limit: AtLeastOne = 1_000
    flush_seconds: Seconds = 30.0
    patience_seconds: Seconds = 600.0
    heartbeat_seconds: PositiveSeconds = 2.0
    output_preview: AtLeastOne = 1_000
    all_previews: AtLeastOne = 64_000
    exclusive: bool = False

    def preview_of_each(self, agents: int) -> int:
        """Give how many characters of each output are shown in a run of so many agents."""
        return min(self.output_preview, self.all_previews // max(agents, 1))
