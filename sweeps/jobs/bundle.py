"""What travels to the cluster: one archive with the study, a note about this machine, and the user's code.

Ray unpacks the archive on every node and starts the job's processes inside it, so that code in it comes before what is
installed there.
"""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from sweeps.errors import InputError

if TYPE_CHECKING:
    from sweeps.spec import Study

#: Folder inside the archive for what we add, and the two files in it.
FOLDER = ".fairsweep"
STUDY_FILE = f"{FOLDER}/study.yaml"
SUBMISSION_FILE = f"{FOLDER}/submission.json"

MAX_BYTES = 100 * 2**20
_NAMED_FILES = 3
_TIME = (1980, 1, 1, 0, 0, 0)  # equal contents make equal archives, which Ray sends once


@dataclass(frozen=True, kw_only=True)
class Code:
    """The user's code that travels.

    Args:
        folder: where it is on this machine.
        sizes: bytes of each file, by its path inside the folder.
    """

    folder: Path
    sizes: Mapping[str, int]

    @property
    def total_bytes(self) -> int:
        """Return the size of all files."""
        return sum(self.sizes.values())


def code_in(folder: Path) -> Code:
    """Return the files of a folder that travel: those that git keeps or would keep.

    Raises:
        InputError: it is no folder inside a git repository, it is too large, a link leads out of it or to a folder, or
            a submodule is not checked out.
    """
    if not folder.is_dir():
        raise InputError(f"--code must be a folder; got {str(folder)!r}.")
    sizes = {}
    for name in _files(folder):
        path = folder / name
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"--code {folder}: links must stay inside the folder; {name} leads to {path.resolve()}. Remove it, or "
                "add it to .gitignore."
            )
        if path.is_symlink() and path.is_dir():
            raise InputError(
                f"--code {folder}: links must lead to files; {name} leads to a folder, and what is in it would not "
                "travel under that name. Remove it, or add it to .gitignore."
            )
        if path.is_file() and not name.startswith(f"{FOLDER}/"):
            sizes[name] = path.stat().st_size
    code = Code(folder=folder, sizes=sizes)
    if code.total_bytes > MAX_BYTES:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:_NAMED_FILES]
        named = ", ".join(f"{name} ({_mebibytes(sizes[name])})" for name in largest)
        raise InputError(
            f"--code {folder}: must be at most {_mebibytes(MAX_BYTES)}; got {_mebibytes(code.total_bytes)}. The "
            f"largest files are {named}. Add what the trials do not need to .gitignore; data belongs on the cluster's "
            "disks (FAIRSWEEP_DATA)."
        )
    return code


def write_archive(path: Path, study: Study, submission: str, code: Code | None) -> None:
    """Write what travels as a ZIP archive.

    Args:
        path: file to write; must end in ``.zip``.
        study: as resolved, with overrides applied.
        submission: text of the note about this machine.
        code: the user's code, or None.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, STUDY_FILE, study_text(study).encode())
        _add(archive, SUBMISSION_FILE, submission.encode())
        for name in sorted(code.sizes) if code else ():
            _add(archive, name, (code.folder / name).read_bytes() if code else b"")


def study_text(study: Study) -> str:
    """Return a study as the text of a study file that means the same."""
    return yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)


def _files(folder: Path) -> Iterator[str]:
    """Yield the files that git keeps or would keep in a folder, and in the repositories inside it (submodules)."""
    for name in _kept_by_git(folder):
        path = folder / name
        if path.is_symlink() or not path.is_dir():
            yield name
        elif (path / ".git").exists():
            yield from (f"{name.rstrip('/')}/{inside}" for inside in _files(path))
        else:
            raise InputError(
                f"--code {folder}: submodules must be checked out; {name} is not. Run: git submodule update --init"
            )


def _kept_by_git(folder: Path) -> list[str]:
    command = ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)  # noqa: S603
    except FileNotFoundError:
        raise InputError("--code needs git, which is not installed: it says which files travel.") from None
    except subprocess.SubprocessError:
        raise InputError(
            f"--code must be a folder inside a git repository, whose .gitignore says what stays here; got "
            f"{str(folder)!r}. Run git init there first."
        ) from None
    return list(dict.fromkeys(name.decode() for name in done.stdout.split(b"\0") if name))


def _mebibytes(number: float) -> str:
    return f"{number / 2**20:.1f} MiB"
