"""Binds agent names to the bodies that do the work.

A body can be given as itself, as a function decorated with :func:`~planner_graph.catalog.catalog.agent`, as a dotted
path that is imported when the agent is first needed, or by an installed package through the entry point group
``planner_graph.agents``.
"""

import hashlib
import importlib
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from langchain_core.runnables import Runnable

from planner_graph.catalog.catalog import ENTRY_POINT_GROUP, declared_by
from planner_graph.catalog.spec import AgentSpec
from planner_graph.compiler.body import BINDABLE, Body
from planner_graph.compiler.usage import Prices, checked_prices
from planner_graph.errors import AgentBindingError, nearest
from planner_graph.serializer import type_name

_LOGGER = logging.getLogger(__name__)


class AgentFactory(Mapping[str, Body]):
    """Bodies by agent name; what ``compile_plan`` and the orchestrator take their agents from.

    ``prices`` are those of the language models that the bodies call, by the model's name. ``allowed_types`` are the
    classes of their own that they keep in checkpoints, or texts such as ``"shop.models:Draft"``.

    Raises:
        AllowedTypeError: something in ``allowed_types`` is no type.

    >>> factory = AgentFactory({"writer": lambda inputs: "a text", "seo": "my_company.seo:optimise"})
    >>> sorted(factory)
    ['seo', 'writer']
    """

    def __init__(
        self,
        bodies: Mapping[str, Body | str],
        *,
        prices: Prices | None = None,
        allowed_types: Iterable[type | str] = (),
    ) -> None:
        self.bindings = dict(bodies)
        self.prices = checked_prices(prices)
        self.allowed_types = tuple(allowed_types)
        for allowed in self.allowed_types:
            type_name(allowed)

    @classmethod
    def of(
        cls, *functions: Callable[..., Any], prices: Prices | None = None, allowed_types: Iterable[type | str] = ()
    ) -> Self:
        """Bind functions decorated with ``@agent`` to the names they declare.

        Raises:
            AgentBindingError: a function declares no agent, or two declare the same one.
        """
        bodies: dict[str, Body | str] = {}
        for function in functions:
            spec = declared_by(function)
            if spec is None:
                raise AgentBindingError(repr(function), "declares no agent; decorate it with @agent(...)")
            if spec.name in bodies:
                raise AgentBindingError(spec.name, "declared by two functions; rename one of them")
            bodies[spec.name] = function
        return cls(bodies, prices=prices, allowed_types=allowed_types)

    @classmethod
    def installed(cls) -> Self:
        """Bind the agents that installed packages offer under the entry point group ``planner_graph.agents``.

        Raises:
            AgentBindingError: two packages offer the same agent, and not the same body.
        """
        bodies: dict[str, Body | str] = {}
        for point in entry_points(group=ENTRY_POINT_GROUP):
            reference = f"{point.module}:{point.attr or ''}"
            if bodies.setdefault(point.name, reference) != reference:
                problem = f"installed packages offer both {bodies[point.name]!r} and {reference!r}; remove one of them"
                raise AgentBindingError(point.name, problem)
        return cls(bodies)

    @classmethod
    def load(cls, reference: str) -> Self:
        """Import bodies from ``package.module:attribute`` or ``path/to/file.py:attribute``.

        The attribute is a factory, a mapping of names to bodies, or a list of decorated functions. Modules are looked
        for in the working directory too; the folder of a file (of its outermost package, if it is in one) is put on the
        import path, as for a script.

        Raises:
            AgentBindingError: the reference cannot be imported or holds something else.
        """
        found = resolve(reference)
        if isinstance(found, cls):
            return found
        if isinstance(found, Mapping):
            return cls(found)
        if isinstance(found, Iterable) and not isinstance(found, str | Runnable):
            return cls.of(*found)
        kind = type(found).__name__
        raise AgentBindingError(reference, f"{kind} is no factory, mapping or list of functions decorated with @agent")

    @property
    def declared(self) -> tuple[AgentSpec, ...]:
        """Specs that the bound functions declare, in binding order; a catalog can be extended with them.

        Dotted paths are imported for that. One that cannot be imported is logged and declares nothing; the error is
        raised when the agent is needed.
        """
        specs = (declared_by(self._imported(name)) for name in self.bindings)
        return tuple(spec for spec in specs if spec is not None)

    def _imported(self, name: str) -> Any:
        """Return what is bound to a name, imported if need be; ``None`` if that fails."""
        body = self.bindings[name]
        if not isinstance(body, str):
            return body
        try:
            return resolve(body)
        except AgentBindingError as error:
            _LOGGER.warning("what agent %r declares cannot be read: %s", name, error)
            return None

    def extended(self, bodies: Mapping[str, Body | str]) -> Self:
        """Give a factory with further bindings, which win over the present ones.

        If they are a factory, its prices win, too, and its allowed types are added.
        """
        prices, allowed_types = self.prices, self.allowed_types
        if isinstance(bodies, AgentFactory):
            prices, allowed_types = {**prices, **bodies.prices}, (*allowed_types, *bodies.allowed_types)
            bodies = bodies.bindings
        return type(self)({**self.bindings, **bodies}, prices=prices, allowed_types=allowed_types)

    def __getitem__(self, name: str) -> Body:
        body = self.bindings[name]
        if isinstance(body, str):
            body = resolve(body)
        if not isinstance(body, Runnable) and not callable(body):
            raise AgentBindingError(name, f"{body!r} is neither a function nor a runnable; {BINDABLE}")
        return body

    def __contains__(self, name: object) -> bool:
        return name in self.bindings  # asking imports nothing

    def __iter__(self) -> Iterator[str]:
        return iter(self.bindings)

    def __len__(self) -> int:
        return len(self.bindings)


def resolve(reference: str) -> Any:
    """Import what ``package.module:attribute`` or ``path/to/file.py:attribute`` names.

    Raises:
        AgentBindingError: there is no such module, file or attribute, or importing it failed.
    """
    place, separator, attribute = reference.rpartition(":")
    if not separator or not place or not attribute:
        raise AgentBindingError(reference, "write it as package.module:attribute or path/to/file.py:attribute")
    found: Any = _import_file(Path(place), reference) if place.endswith(".py") else _import_module(place, reference)
    for part in attribute.split("."):
        if not hasattr(found, part):
            hint = nearest(part, dir(found))
            remedy = f", {hint}" if hint else f"; define {attribute!r} there"
            raise AgentBindingError(reference, f"{place} has no attribute {attribute!r}{remedy}")
        found = getattr(found, part)
    return found


def _import_module(name: str, reference: str) -> ModuleType:
    _look_in(Path.cwd())
    return _imported(lambda: importlib.import_module(name), reference)


def _import_file(path: Path, reference: str) -> ModuleType:
    """Import a file as a script would be; a file inside a package is imported under its package's name."""
    path = path.resolve()
    if not path.is_file():
        raise AgentBindingError(reference, f"no such file: {path}; check the path")
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    _look_in(folder)
    name = ".".join(parts)
    if len(parts) == 1 and not _belongs_to(name, path):
        return _imported(lambda: _execute(path), reference)
    module = _imported(lambda: importlib.import_module(name), reference)
    if not _belongs_to(name, path):
        problem = f"its module name {name!r} already belongs to {module.__file__}; rename the package"
        raise AgentBindingError(reference, problem)
    return module


def _belongs_to(name: str, path: Path) -> bool:
    """Tell whether importing ``name`` gives the file at ``path``, and no other module of that name."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None and Path(spec.origin).resolve() == path


def _execute(path: Path) -> ModuleType:
    """Import a file whose own name is taken, under one that is not."""
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"Python cannot import {path}")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _look_in(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()  # the file may be younger than what Python remembers of its folder


def _imported(load: Callable[[], ModuleType], reference: str) -> ModuleType:
    try:
        return load()
    except (Exception, SystemExit) as error:  # a user's module may raise anything while it is imported
        problem = f"importing it failed: {type(error).__name__}: {error}"
        if isinstance(error, ModuleNotFoundError):
            problem += "; install it, or start in the folder that holds it"
        raise AgentBindingError(reference, problem) from error
