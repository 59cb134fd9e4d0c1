"""Takes secrets out of what is logged or answered: tokens of the server, passwords of connection strings.

Nothing writes them there on purpose; this is for what others put into their messages.
"""

import logging
import re

HIDDEN = "***"

_SECRETS = (
    (re.compile(r"\bpg_[A-Za-z0-9_-]{43}"), f"pg_{HIDDEN}"),
    (re.compile(r"(postgres(?:ql)?://[^\s:@/]*:)[^\s@]*@"), rf"\g<1>{HIDDEN}@"),
    (re.compile(r"(\bpassword\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s']+)"), rf"\g<1>{HIDDEN}"),
)


def redacted(text: str) -> str:
    """Give ``text`` without what looks like a secret.

    >>> redacted("postgresql://ann:geheim@host/name, host=x password='ge heim' user=ann")
    'postgresql://ann:***@host/name, host=x password=*** user=ann'
    """
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class RedactingFormatter(logging.Formatter):
    """Formats log records, tracebacks included, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the text of a record."""
        return redacted(super().format(record))
