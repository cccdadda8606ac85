"""Functions of the user's own code, by ``package.module:function``; only what a study names is imported."""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from schedules.checks import complaint, near_miss

_FORM = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_OURS = {"models", "schedules"}


def is_function_name(name: str) -> bool:
    """Tell whether a name stands for a function of the user's, rather than for an entry of a table."""
    return _FORM.fullmatch(name) is not None


def load_function(field: str, name: str) -> Callable[..., Any]:
    """Import the module and return the function in it.

    Modules are looked for where Python looks, and last in the current folder.

    Args:
        field: what the name was given for; for the message.
        name: ``package.module:function``.

    Raises:
        ValueError: if the module cannot be imported, or has no such function; one line.
    """
    module_name, _, function_name = name.partition(":")
    here = str(Path.cwd())
    if not {here, ""} & set(sys.path):
        sys.path.append(here)  # the command line is installed elsewhere, and Python would not look here
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever the module does when it is imported
        condition = "package.module:function of a module that can be imported"
        raise ValueError(complaint(field, condition, name, _why_not(module_name, error, here))) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        callables = [key for key, value in vars(module).items() if callable(value)]
        remedy = f"There is no {function_name} in it. {near_miss(function_name, callables)}".strip()
        remedy += _why_another(module_name, module, Path(here))
        raise ValueError(complaint(field, f"a function of {module_name}", name, remedy))  # noqa: TRY004
    return function  # type: ignore[no-any-return]


def explains_itself(error: Exception) -> bool:
    """Tell whether an error comes from our own checks, which name the field, the value and the remedy.

    One from code of the user's may say anything, whatever its type.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return isinstance(error, ValueError) and str(frames[-1].f_globals.get("__name__")).partition(".")[0] in _OURS


def source_of(field: str, name: str) -> tuple[Path, str] | None:
    """Import the module of ``package.module:function`` and return its file with the file's SHA-256.

    Args:
        field: what the name was given for; for the message.
        name: ``package.module:function``.

    Returns:
        None where the module has no file.

    Raises:
        ValueError: as `load_function` does.
    """
    load_function(field, name)
    file = getattr(sys.modules[name.partition(":")[0]], "__file__", None)
    if file is None:
        return None
    path = Path(file)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def first_line(error: BaseException) -> str:
    """Return the class and the first line of the message of an exception in code that is not ours."""
    return f"{type(error).__name__}: {str(error) or 'no message'}".splitlines()[0]


def _why_another(module_name: str, module: ModuleType, here: Path) -> str:
    """Say so where a file of the current folder was meant, and another module has its name."""
    meant, found = here.joinpath(*module_name.split(".")).with_suffix(".py"), getattr(module, "__file__", None)
    if not meant.is_file() or (found and meant.samefile(found)):
        return ""
    return f" Python found {found or 'a module without a file'} before {meant}: give yours another name."


def _found_before(missing: str, here: Path) -> str:
    """Say so where the file of a module is in the current folder, and its package is another's of the same name."""
    meant, package = here.joinpath(*missing.split(".")).with_suffix(".py"), sys.modules.get(missing.rpartition(".")[0])
    if package is None or not meant.is_file():
        return ""
    found = getattr(package, "__file__", None) or "a package without a file"
    return f"Python found {found} before {meant.parent}: give yours another name."


def _modules_in(folder: Path, like: str) -> list[str]:
    """List the modules in a folder of the user's, with the packages that come before the last part of `like`."""
    before = like.rpartition(".")[0]
    names = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    names += [path.parent.name for path in folder.glob("*/__init__.py")]
    return [f"{before}.{name}" if before else name for name in names]


def _why_not(module_name: str, error: BaseException, here: str) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name and f"{module_name}.".startswith(f"{error.name}."):
        hint = f" Leave out the ending: {module_name[:-3]}." if module_name.endswith(".py") else ""
        if another := _found_before(error.name, Path(here)):
            return another
        near = near_miss(error.name, _modules_in(Path(here, *error.name.split(".")[:-1]), error.name))
        hint = f"{hint} {near}" if near and not hint else hint
        return f"There is no module {error.name!r} in {here} or among what is installed.{hint}"
    return f"Importing it raised {first_line(error)}"
