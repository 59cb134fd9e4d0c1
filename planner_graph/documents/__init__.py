"""Reads YAML and JSON that strangers wrote, and turns everything that is wrong with it into findings.

Text becomes tokens, tokens become plain data that remembers its lines, data becomes values of a pydantic model. Only
plain data is accepted: no tags that build objects, no repeated keys, and limits on size, depth and on what aliases
expand to, all checked while reading.
"""

from planner_graph.documents.document import NOWHERE, Document, KeyPath, key_text, told
from planner_graph.documents.reading import MAX_BYTES, STDIN, parse, read
from planner_graph.documents.validation import validate

__all__ = ["MAX_BYTES", "NOWHERE", "STDIN", "Document", "KeyPath", "key_text", "parse", "read", "told", "validate"]
