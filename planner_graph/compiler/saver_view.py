"""Views of checkpoint savers: they share all that a saver has, but read and write by a serializer of ours."""

import types
from functools import lru_cache
from typing import Any, TypeVar, cast

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from planner_graph.serializer import CheckpointSerializer

SaverT = TypeVar("SaverT")

_OWN = "own_serde"


def guarded(saver: SaverT, serializer: CheckpointSerializer) -> SaverT:
    """Return a view of ``saver`` that reads and writes by ``serializer``.

    What LangGraph's own serializer was made to allow by name stays allowed; one that encrypts encrypts what
    ``serializer`` writes. What is no saver (``None``, ``True``), or has a serializer of its user's making, is returned
    as it is. The saver itself does not change: other graphs may use it.
    """
    if not isinstance(saver, BaseCheckpointSaver):
        return saver
    serde = _in_place_of(saver.serde, serializer)
    if serde is saver.serde:
        return saver
    view = object.__new__(_view_of(cast("Any", type(saver))))
    view.__dict__ = saver.__dict__
    setattr(view, _OWN, serde)
    return cast("SaverT", view)


def serializer_of(saver: Any) -> CheckpointSerializer | None:
    """Return the serializer of ours by which a saver writes, if it does."""
    serde = getattr(saver, "serde", None)
    serde = serde.serde if isinstance(serde, EncryptedSerializer) else serde
    return serde if isinstance(serde, CheckpointSerializer) else None


def _in_place_of(serde: SerializerProtocol, serializer: CheckpointSerializer) -> SerializerProtocol:
    if isinstance(serde, CheckpointSerializer):
        return serde if serde.covers(serializer) else serializer.allowing(serde.allowed_types)
    if isinstance(serde, EncryptedSerializer):
        inner = _in_place_of(serde.serde, serializer)
        return serde if inner is serde.serde else EncryptedSerializer(serde.cipher, inner)
    if type(serde) is JsonPlusSerializer and not serde._custom_unpack_ext_hook:  # noqa: SLF001  # has no other name
        named = serde._allowed_msgpack_modules  # noqa: SLF001
        return serializer.allowing((name[0], name[1]) for name in (named if isinstance(named, set) else ()))
    return serde


@lru_cache(maxsize=64)
def _view_of(kind: type[Any]) -> type[Any]:
    """Return the class of views of savers of a class, or of their views."""
    if _OWN in vars(kind):
        return kind
    serde = property(lambda self: getattr(self, _OWN), lambda self, given: setattr(self, _OWN, given))
    made: type[Any] = types.new_class(
        kind.__name__, (kind,), exec_body=lambda names: names.update(__slots__=(_OWN,), serde=serde)
    )
    return made
