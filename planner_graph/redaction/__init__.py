"""Takes secrets out of what leaves for people: errors, logs, events, previews, answers.

What agents give and read is never changed; what is shown of it is. ``docs/security.md`` lists what is recognised.
"""

from planner_graph.redaction.named import SECRET, SHORTEST_TEXT, texts_of, without_secrets, without_texts
from planner_graph.redaction.shapes import HIDDEN
from planner_graph.redaction.texts import MARGIN, RedactingFormatter, redacted, redacted_json

__all__ = [
    "HIDDEN",
    "MARGIN",
    "SECRET",
    "SHORTEST_TEXT",
    "RedactingFormatter",
    "redacted",
    "redacted_json",
    "texts_of",
    "without_secrets",
    "without_texts",
]
