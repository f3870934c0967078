"""Notice every `Model.fit` of a program that knows nothing of us, and add a callback to it.

Keras is never imported here: a hook waits until the program has imported it, then wraps
the one `fit` that all models share.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import sysconfig
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Protocol

_KERAS = "keras"
_WATCHED = "_lrdsl_watched"
_START = Path.cwd()
_LIBRARIES = (
    str(Path(__file__).parent.parent) + os.sep,
    *(
        sysconfig.get_path(name) + os.sep
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
    ),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the program."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Watcher(Protocol):
    """Who decides about each `fit`."""

    def around(self, place: Place) -> AbstractContextManager[Any]:
        """Return the context in which the `fit` at `place` runs.

        It yields the callback to add, or None where the `fit` is to be left alone.
        """

    def inside(self, place: Place) -> None:
        """Hear of a `fit` that another `fit` calls; it is left alone."""


def watch_fits(watcher: Watcher) -> None:
    """From now on, have `watcher` decide about every `Model.fit` of this process.

    Left alone are a `fit` that runs inside another, as the schedule has one clock, and
    those of a forked child, which has no part in our report.
    """
    keras = sys.modules.get(_KERAS)
    if keras is not None:
        _watch_model(keras, watcher)
    else:
        hook = _AfterImport(_KERAS, lambda keras: _watch_model(keras, watcher))
        sys.meta_path.insert(0, hook)


class _AfterImport(MetaPathFinder):
    """Call `then` each time the module `name` has really been executed.

    It stays in place: a first `find_spec` may only ask whether the module is there, as
    TensorFlow does before it lends `tf.keras`, and a first import may fail.
    """

    def __init__(self, name: str, then: Callable[[ModuleType], None]) -> None:
        self._name = name
        self._then = then

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    self._follow(spec.loader)
                return spec
        return None

    def _follow(self, loader: Loader) -> None:
        # On the instance, not by a loader of our own: whoever asks the loader for its type,
        # its resources or its source finds the real one.
        execute = loader.exec_module

        @functools.wraps(execute)
        def exec_module(module: ModuleType) -> None:
            execute(module)
            if module.__name__ == self._name:  # an archive shares one loader among modules
                self._then(module)

        loader.exec_module = exec_module  # type: ignore[method-assign]


def _watch_model(keras: Any, watcher: Watcher) -> None:
    model_class = keras.Model
    fit = model_class.fit
    if hasattr(fit, _WATCHED):
        return
    signature = inspect.signature(fit)
    process = os.getpid()
    state = threading.local()

    @functools.wraps(fit)
    def watched(*args: Any, **kwargs: Any) -> Any:
        if os.getpid() != process:
            return fit(*args, **kwargs)
        place = _place_of_call(sys._getframe(1), keras, args[0] if args else None)
        if getattr(state, "in_fit", False):
            watcher.inside(place)
            return fit(*args, **kwargs)
        try:
            call = signature.bind(*args, **kwargs)
        except TypeError:
            return fit(*args, **kwargs)  # which says what is wrong with them
        state.in_fit = True
        try:
            with watcher.around(place) as callback:
                if callback is not None:
                    _add(callback, call.arguments, keras)
                return fit(*call.args, **call.kwargs)
        finally:
            state.in_fit = False

    setattr(watched, _WATCHED, True)
    model_class.fit = watched


def _add(callback: Any, arguments: dict[str, Any], keras: Any) -> None:
    """Put `callback` in front of those that `fit` was given, in whatever form they came.

    In front, so that all others see in `logs` what it writes there.
    """
    given = arguments.get("callbacks")
    if given is None:
        others = []
    elif type(given) is keras.callbacks.CallbackList:
        # Keras would take the list as it is and not tell it the epochs and steps.  Opened,
        # it is told; a progress bar that it did not hold must not appear by that.
        others = list(given.callbacks)
        if not any(isinstance(one, keras.callbacks.ProgbarLogger) for one in others):
            arguments["verbose"] = 0
    else:
        others = keras.tree.flatten(given)  # as Keras does: single, list, nested
    arguments["callbacks"] = [callback, *others]


def _place_of_call(frame: FrameType | None, keras: Any, model: Any) -> Place:
    """Return the line of the program that led here, past libraries in between.

    A `fit` that the program's own model class has is passed too: who calls that one is
    what tells one `fit` from another.
    """
    nearest = frame
    libraries = _LIBRARIES
    if keras.__file__:
        libraries = (*libraries, str(Path(keras.__file__).parent) + os.sep)
    while frame is not None:
        file = frame.f_code.co_filename
        is_own_fit = frame.f_code.co_name == "fit" and frame.f_locals.get("self") is model
        if not is_own_fit and not file.startswith((*libraries, "<")):
            return Place(_shown(file), frame.f_lineno)
        frame = frame.f_back
    assert nearest is not None
    return Place(_shown(nearest.f_code.co_filename), nearest.f_lineno)


def _shown(file: str) -> str:
    """Return the path relative to where the user stood, if it is below."""
    path = Path(file)
    return str(path.relative_to(_START)) if path.is_relative_to(_START) else file
