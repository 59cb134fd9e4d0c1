"""Writes files so that none is ever half-written: first under a temporary name, then moved into place."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from planner_graph.errors import Finding, InvalidInputError


def replace_file(path: Path, data: bytes) -> None:
    """Write one file, in place of what is there.

    Raises:
        InvalidInputError: it cannot be written.
    """
    write_files(path.parent, {path.name: data})


def write_files(folder: Path, files: Mapping[str, bytes], *, private: Collection[str] = ()) -> None:
    """Write files by name into ``folder``, which is made if need be. All are complete before the first is moved there.

    Those that are ``private`` can be read by their owner only.

    Raises:
        InvalidInputError: they cannot be written.
    """
    with _translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".planner-graph-", dir=folder) as staging:
            for name, data in files.items():
                (Path(staging) / name).write_bytes(data)
                if name in private:
                    (Path(staging) / name).chmod(0o600)
            for name in files:
                with _translated(folder / name):
                    (Path(staging) / name).replace(folder / name)


def require_folder(folder: Path | None) -> None:
    """Refuse a folder that cannot be written to, before any work is done; nothing new is left there.

    Raises:
        InvalidInputError: it is no folder, or the system does not let us write.
    """
    if folder is None:
        return
    with _translated(folder):
        new = [path for path in (folder.absolute(), *folder.absolute().parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".planner-graph-", dir=folder):
            pass
        for path in new:
            path.rmdir()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        problem = f"cannot write to {str(path)!r}: {(error.strerror or str(error)).lower()}"
        raise InvalidInputError([Finding(problem=problem, remedy="name another place", key="--output")]) from error
