"""What `lrdsl train` does to run a program, and nothing else: for tests without Keras."""

import sys

from lrdsl.training.launch import run, show_error
from lrdsl.training.target import TargetError, read_words

words = read_words(sys.argv[1:])
try:
    ending = run(words.target, words.arguments)
except TargetError as error:
    sys.exit(f"target: {error}")
if ending.error is not None:
    show_error(ending.error)
if ending.words is not None:
    print(ending.words, file=sys.stderr)
sys.exit(ending.status)
