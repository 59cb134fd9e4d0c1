"""Decides which errors are worth another attempt."""

PROGRAMMING_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    SyntaxError,
    TypeError,
)
"""Errors that the same code with the same inputs will raise again."""


def is_worth_retrying(error: Exception) -> bool:
    """Tell whether another attempt may succeed where this one raised ``error``."""
    return not isinstance(error, PROGRAMMING_ERRORS)
