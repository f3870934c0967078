"""Run a program and add a callback that does nothing to each of its fits."""

import sys
from contextlib import contextmanager

from lrdsl.training.attach import watch_fits
from lrdsl.training.launch import run, show_error
from lrdsl.training.target import read_words


class Watcher:
    @contextmanager
    def around(self, place):
        print("around", place)
        if "--leave" in sys.argv:
            yield None
            return
        from keras.callbacks import Callback

        class Ours(Callback):
            pass

        try:
            yield Ours()
        finally:
            print("over")

    def inside(self, place):
        print("inside", place)


words = read_words(sys.argv[1:])
watch_fits(Watcher())
ending = run(words.target, words.arguments)
if ending.error is not None:
    show_error(ending.error)
sys.exit(ending.status)
