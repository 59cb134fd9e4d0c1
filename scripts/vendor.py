"""Brings the dashboard's libraries from their npm packages, at the versions that ``vendor.json`` pins.

``python scripts/vendor.py`` fetches each package with the ``npm`` client, compares the archive with the pinned
integrity, and writes the listed files. ``--check`` needs no network: it compares the files that are there with their
pinned hashes. ``--pin`` writes integrity and hashes of the versions named, after somebody has changed one on purpose.
"""

import argparse
import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).parents[1] / "planner_graph/server/static/vendor"
PINS = VENDOR / "vendor.json"


def main(arguments: list[str] | None = None) -> int:
    """Do what the options say; the exit code is 1 if something is not as it is pinned."""
    parser = argparse.ArgumentParser(description="Bring or check the dashboard's libraries.")
    parser.add_argument("--check", action="store_true", help="only compare the files with their pinned hashes")
    parser.add_argument("--pin", action="store_true", help="write the hashes of what is fetched")
    options = parser.parse_args(arguments)
    packages = json.loads(PINS.read_text(encoding="utf-8"))
    if not options.check:
        for package in packages:
            fetch(package, pin=options.pin)
    if options.pin:
        PINS.write_text(json.dumps(packages, indent=2) + "\n", encoding="utf-8")
    problems = list(differences(packages))
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


def fetch(package: dict[str, Any], *, pin: bool) -> None:
    """Write the files of one package.

    Raises:
        SystemExit: the archive is not the pinned one.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is needed to fetch packages")
    name = f"{package['package']}@{package['version']}"
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", name, "--json", "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # names come from vendor.json
        [archive] = Path(folder).glob("*.tgz")
        found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if pin:
            package["integrity"] = found
        elif found != package["integrity"]:
            raise SystemExit(f"{name}: the archive is {found}, pinned is {package['integrity']}")
        with tarfile.open(archive) as packed:
            for file in package["files"]:
                member = packed.extractfile(f"package/{file['from']}")
                if member is None:
                    raise SystemExit(f"{name} has no file {file['from']!r}")
                content = member.read()
                (VENDOR / file["to"]).parent.mkdir(parents=True, exist_ok=True)
                (VENDOR / file["to"]).write_bytes(content)
                if pin:
                    file["sha256"] = hashlib.sha256(content).hexdigest()


def differences(packages: list[dict[str, Any]]) -> Iterator[str]:
    """Say which files are missing, changed, or not pinned at all."""
    pinned = {file["to"]: file["sha256"] for package in packages for file in package["files"]}
    there = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file() and path != PINS}
    for name in sorted(there - pinned.keys()):
        yield f"{name} is in no package of {PINS.name}"
    for name, expected in sorted(pinned.items()):
        if name not in there:
            yield f"{name} is missing"
        elif hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() != expected:
            yield f"{name} is not what {PINS.name} says"


if __name__ == "__main__":
    sys.exit(main())
