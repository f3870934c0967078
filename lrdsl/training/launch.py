"""Run a user's program in this process as `python` would, and tell how it ended.

The program sees what it sees under `python`: its own folder first on `sys.path` (the
current one for a module), its own `sys.argv`, itself as `__main__`.  Nothing is put back
afterwards: threads and `atexit` functions of the program still count on it.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import io
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

from lrdsl.training.dialogue import Status
from lrdsl.training.target import Kind, Target, TargetError


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program ended.

    Attributes:
        status: the exit status that `python` would have given.
        error: the exception that ended it; None after a normal end and after `sys.exit`.
        words: what `sys.exit` was given, where that was not a number.
    """

    status: int
    error: BaseException | None = None
    words: str | None = None


def run(target: Target, arguments: Sequence[str]) -> Ending:
    """Run `target` to its end, that of its own threads included.

    Raises:
        TargetError: what was to be run is not there.  Whatever the program itself raises
            is in the `Ending`.
    """
    before = set(threading.enumerate())
    try:
        try:
            _start(target, arguments)
        finally:
            # Python waits for these after the last line, so the program is not over yet.
            for thread in set(threading.enumerate()) - before:
                if not thread.daemon:
                    thread.join()
    except TargetError:
        raise
    except SystemExit as exit_:
        return _exited(exit_)
    except KeyboardInterrupt as error:
        return Ending(Status.INTERRUPTED, error)
    except BaseException as error:  # the program may raise anything
        return Ending(1, error)
    return Ending(0)


def show_error(error: BaseException) -> None:
    """Print the program's traceback as Python does, without the frames that are ours."""
    _hide_own_frames(error, set())
    hook = sys.excepthook
    try:
        # The program may have put its own hook here; it wants to see what it raised.
        hook(type(error), error, error.__traceback__)
    except SystemExit:
        pass
    except BaseException as second:
        print("Error in sys.excepthook:", file=sys.stderr)
        sys.__excepthook__(type(second), second, second.__traceback__)
        print("\nOriginal exception was:", file=sys.stderr)
        sys.__excepthook__(type(error), error, error.__traceback__)


def _exited(exit_: SystemExit) -> Ending:
    match exit_.code:
        case None:
            return Ending(0)
        case int():
            return Ending(int(exit_.code))
        case other:
            return Ending(1, words=str(other))


def _start(target: Target, arguments: Sequence[str]) -> None:
    match target.kind:
        case Kind.SCRIPT:
            _run_script(target.name, arguments)
        case Kind.MODULE:
            _run_module(target.name, arguments)
        case Kind.FUNCTION:
            _run_function(target.name, arguments)


def _run_script(name: str, arguments: Sequence[str]) -> None:
    path = os.path.abspath(name)  # noqa: PTH100 - as Python's: symbolic links stay in __file__
    # A folder or an archive with a `__main__` in it can be run; a plain file has none.
    inside = importlib.machinery.PathFinder.find_spec("__main__", [path])
    if inside is not None:
        _lead_path(path)
        sys.argv = [name, *arguments]
        _execute(_code_of(inside), file=inside.origin, spec=inside, package="")
        return
    if Path(path).is_dir():
        raise TargetError(f"the folder `{name}` holds no `__main__.py`")
    _lead_path(str(Path(path).resolve().parent))
    sys.argv = [name, *arguments]
    try:
        with io.open_code(path) as file:
            text = file.read()
    except OSError as error:
        raise TargetError(f"cannot read `{name}`: {error.strerror}") from error
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    # Without dont_inherit the `from __future__` line of this module would rule in theirs.
    code = compile(text, path, "exec", dont_inherit=True)
    _execute(code, file=path, spec=None, package=None, loader=loader)


def _run_module(name: str, arguments: Sequence[str]) -> None:
    _lead_path(str(Path.cwd()))
    sys.argv = ["-m", *arguments]  # what Python itself shows while it looks for the module
    spec = _find(name)
    if spec is None:
        raise TargetError(f"there is no module `{name}` here or on the path")
    if spec.submodule_search_locations is not None:
        inner = f"{name}.__main__"
        spec = _find(inner)
        if spec is None:
            raise TargetError(f"`{name}` is a package and has no `{inner}` to run")
    sys.argv[0] = spec.origin or name
    _execute(_code_of(spec), file=spec.origin, spec=spec, package=spec.parent)


def _run_function(name: str, arguments: Sequence[str]) -> None:
    module_name, _, attributes = name.partition(":")
    _lead_path(str(Path.cwd()))
    sys.argv = [name, *arguments]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # something that the module itself imports is missing: its own traceback
        raise TargetError(
            f"there is no module `{error.name}` here or on the path (for `{name}`)"
        ) from None
    function: Any = module
    for attribute in attributes.split("."):
        if not hasattr(function, attribute):
            raise TargetError(f"the module `{module_name}` has no `{attributes}`")
        function = getattr(function, attribute)
    if not callable(function):
        raise TargetError(
            f"`{name}` is a {type(function).__name__}, which cannot be called; "
            "name a function without arguments"
        )
    sys.argv[0] = getattr(module, "__file__", None) or name
    # As the script that pip makes for an entry point does.
    sys.exit(function())


def _find(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        # A parent package that is not there; anything else is the program's own trouble.
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            return None
        raise


def _code_of(spec: ModuleSpec) -> CodeType:
    get_code = getattr(spec.loader, "get_code", None)
    code = get_code(spec.name) if get_code is not None else None
    if not isinstance(code, CodeType):
        raise TargetError(f"`{spec.name}` holds no Python code that can be run")
    return code


def _execute(
    code: CodeType,
    *,
    file: str | None,
    spec: ModuleSpec | None,
    package: str | None,
    loader: object = None,
) -> None:
    main = ModuleType("__main__")
    main.__dict__.update(
        __file__=file,
        __spec__=spec,
        __package__=package,
        __loader__=loader if spec is None else spec.loader,
        __cached__=None if spec is None else spec.cached,
        __builtins__=sys.modules["builtins"],
        __annotations__={},
    )
    sys.modules["__main__"] = main
    exec(code, main.__dict__)


def _lead_path(folder: str) -> None:
    """Make `folder` the first place to import from, instead of where we ourselves began.

    To be called before `sys.argv` is the program's.
    """
    if sys.flags.safe_path:
        return  # the user asked Python to put no such folder there
    command = Path(sys.argv[0] if sys.argv else "").resolve()
    # Python put there the folder of the `lrdsl` command (on Windows the command itself),
    # or the current one for `python -m`.  Anything else somebody else has put there.
    if sys.path and sys.path[0] in {str(command.parent), str(command), str(Path.cwd()), ""}:
        sys.path[0] = folder
    else:
        sys.path.insert(0, folder)


_GLUE = {
    str(Path(__file__).with_name(name)) for name in ("launch.py", "attach.py", "session.py")
}


def _hide_own_frames(error: BaseException, seen: set[int]) -> None:
    """Take our frames out of the tracebacks of `error` and of those that led to it."""
    if id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = _without_own_frames(error.__traceback__)
    for other in (error.__cause__, error.__context__):
        if other is not None:
            _hide_own_frames(other, seen)


def _without_own_frames(traceback: TracebackType | None) -> TracebackType | None:
    kept = []
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename not in _GLUE:
            kept.append(traceback)
        traceback = traceback.tb_next
    rest = None
    for entry in reversed(kept):
        rest = TracebackType(rest, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return rest
