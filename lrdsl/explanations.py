"""What each code of a diagnostic means, with a wrong example and the repaired one."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from lrdsl.records import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """What gives a code, or does not any more.

    Attributes:
        text: a schedule; Python, where a running `fit` gives the code; or a log of metrics.
        options: the arguments of `lrdsl values` after the file; `log.csv` has the columns
            `epoch`, `loss` and `val_loss`.
    """

    text: str
    options: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code means.

    Attributes:
        meaning: why it is a problem, and what to do.
        wrong: an example that gives the code.
        right: the same, repaired.
        kind: what the examples are: "lrs", "python" or "log".
    """

    meaning: str
    wrong: Example
    right: Example
    kind: str = "lrs"


def _lrs(
    meaning: str, wrong: str, right: str, options: str = "", other: str | None = None
) -> Explanation:
    """Return an explanation by schedules; `other` are the options of the repaired one."""
    last = options if other is None else other
    return Explanation(meaning, Example(wrong, options), Example(right, last))


def _python(meaning: str, wrong: str, right: str) -> Explanation:
    return Explanation(meaning, Example(wrong), Example(right), "python")


_E = "--epochs 10"
_ES = "--epochs 10 --steps-per-epoch 4"

EXPLANATIONS: Final = MappingProxyType(
    {
        "LRS101": _lrs(
            "A schedule is text in UTF-8, without control characters. Another file was given, "
            "or one was damaged.",
            "cosine(max=\x070.1)",
            "cosine(max=0.1)",
            _E,
        ),
        "LRS102": _lrs(
            "The text goes on in a way that the language does not know. The message says what "
            "could stand there.",
            "const(1e-3) unti 10 then exp(0.1)",
            "const(1e-3) until 10 then exp(0.1)",
            "--epochs 20",
        ),
        "LRS103": _lrs(
            "A segment ends, and another begins without the word between them.",
            "0.1 until 5 0.01",
            "0.1 until 5 then 0.01",
            _E,
        ),
        "LRS104": _lrs(
            "A call has its parenthesis right behind its name: with a space between them, a "
            "name and a group in parentheses would follow each other.",
            "cosine (max=0.1)",
            "cosine(max=0.1)",
            _E,
        ),
        "LRS105": _lrs(
            "A number is digits, perhaps with one point and an exponent, and ends before a "
            "word begins.",
            "const(1e-)",
            "const(1e-3)",
            _E,
        ),
        "LRS106": _lrs(
            "Each `(` needs its `)`.",
            "cosine(max=0.1",
            "cosine(max=0.1)",
            _E,
        ),
        "LRS107": _lrs(
            "Any text is safe to read, since its size, nesting and numbers are bounded. What "
            "people write is far below these limits.",
            "0.1234567890123456789012345678901234567890123",
            "0.1234567890123456",
            _E,
        ),
        "LRS108": _lrs(
            "The language's own words, such as `until`, cannot name a value.",
            "let until = 5\nlr = 0.1",
            "let hold = 5\nlr = 0.1 until hold then 0.01",
            _E,
        ),
        "LRS109": _lrs(
            "A file needs something to plan: a bare schedule, or a target such as `lr = …`.",
            "let peak = 0.1",
            "let peak = 0.1\nlr = peak",
            _E,
        ),
        "LRS110": _lrs(
            "A file is one bare schedule, or statements: beside others, a schedule says which "
            "target it sets.",
            "momentum = 0.9\ncosine(max=0.1)",
            "momentum = 0.9\nlr = cosine(max=0.1)",
            _E,
        ),
        "LRS111": _lrs(
            "One name or target has one definition.",
            "lr = 0.1\nlr = 0.01",
            "lr = 0.1 until 5 then 0.01",
            _E,
        ),
        "LRS112": Explanation(
            "A log of metrics is what `keras.callbacks.CSVLogger` writes, or a history in "
            "JSON: names in the first line, then a line for each epoch.",
            Example("epoch,val_loss\n0,0.5\n1,low"),
            Example("epoch,val_loss\n0,0.5\n1,0.4"),
            "log",
        ),
        "LRS201": _lrs(
            "A name is a `let`, a parameter, a target above, or one of the language's own "
            "values. A definition sees only what stands above it.",
            "let peak = 0.1\nlr = cosine(max=peek)",
            "let peak = 0.1\nlr = cosine(max=peak)",
            _E,
        ),
        "LRS202": _lrs(
            "`lrdsl curves` lists the curves; functions are defined with `def`, above their "
            "first use.",
            "cosin(max=0.1)",
            "cosine(max=0.1)",
            _E,
        ),
        "LRS203": _lrs(
            "The curve has no parameter of this name. `lrdsl curves NAME` shows those that it "
            "has.",
            "cosine(max=0.1, eta_min=0.01)",
            "cosine(max=0.1, min=0.01)",
            _E,
        ),
        "LRS204": _lrs(
            "A parameter without a default has to be given.",
            "poly(from=0.1)",
            "poly(2, from=0.1)",
            _E,
        ),
        "LRS205": _lrs(
            "Each parameter is given once, by position or by name; `max` and `from` of a "
            "cosine are one.",
            "cosine(max=0.1, from=0.2)",
            "cosine(max=0.1)",
            _E,
        ),
        "LRS206": _lrs(
            "What the language knows by a name keeps it: a name of one's own is another.",
            "let epoch = 5\nlr = 0.1",
            "let first = 5\nlr = 0.1 until first then 0.01",
            _E,
        ),
        "LRS207": _lrs(
            "`name=value` sets a `let` of the file.",
            "let peak = 0.1\nlr = cosine(max=peak)",
            "let peak = 0.1\nlr = cosine(max=peak)",
            f"peek=0.2 {_E}",
            f"peak=0.2 {_E}",
        ),
        "LRS208": _lrs(
            "A curve needs its parentheses, and a value has none.",
            "warmup(5) then cosine",
            "warmup(5, from=0) then cosine(max=0.1)",
            _E,
        ),
        "LRS301": _lrs(
            "`until` counts from the start of the block, so each boundary is after the one "
            "before. `for` says how long a segment is.",
            "0.1 until 20 then 0.01 until 10 then 0.001",
            "0.1 until 20 then 0.01 for 10 then 0.001",
            "--epochs 40",
        ),
        "LRS302": _lrs(
            "The training, or the block, is over before this segment begins.",
            "0.1 until 20 then 0.01",
            "0.1 until 5 then 0.01",
            _E,
        ),
        "LRS303": _lrs(
            "A file that mixes epochs and steps needs to know how many steps an epoch has.",
            "0.1 until 500 steps then 0.01",
            "0.1 until 500 steps then 0.01",
            _E,
            "--epochs 10 --steps-per-epoch 390",
        ),
        "LRS304": _lrs(
            "The curve depends on how long it is, and nothing says so: a `train` line, the "
            "options, `for` or `until`.",
            "cosine(max=0.1)",
            "train 90 epochs\nlr = cosine(max=0.1)",
        ),
        "LRS305": _lrs(
            "A percentage is of the enclosing block, and here the block is as long as what is "
            "inside of it.",
            "(0.1 until 30% then 0.01 for 5) then 0.001",
            "(0.1 until 3 then 0.01 for 5) then 0.001",
            _E,
        ),
        "LRS306": _lrs(
            "A boundary or a length is a time: `10`, `500 steps`, `30%`, and what is computed "
            "of those, known before training.",
            "0.1 until base then 0.01",
            "0.1 until 5 then 0.01",
            _E,
        ),
        "LRS307": _lrs(
            "What has no length of its own runs to the end of its block, so that nothing could "
            "follow it.",
            "0.1 then 0.01",
            "0.1 until 5 then 0.01",
            _E,
        ),
        "LRS308": _lrs(
            "A turn, a stair and what a factor counts by are longer than nothing.",
            "decay(0.5, every=0, from=0.1)",
            "decay(0.5, every=5, from=0.1)",
            _E,
        ),
        "LRS309": _lrs(
            "The file's `train` line and the running training say different lengths: one of "
            "them is to change, or the line is to go.",
            "train 90 epochs\nlr = cosine(max=0.1)",
            "lr = cosine(max=0.1)",
            "--epochs 60",
        ),
        "LRS310": _lrs(
            "Training consists of whole epochs, of whole steps each.",
            "train 2.5 epochs\nlr = 0.1",
            "train 3 epochs\nlr = 0.1",
        ),
        "LRS401": _lrs(
            "A time has a unit and a rate has none. A time divided by a time is a number.",
            "0.1 * 500 steps",
            "0.1 * (elapsed / 500 steps)",
            "--epochs 10 --steps-per-epoch 390",
        ),
        "LRS402": _lrs(
            "The parameters of a curve are constant within its segment; what varies is a "
            "formula.",
            "cosine(max=0.1 * epoch)",
            "epoch * cosine(from=0.1)",
            _E,
        ),
        "LRS403": _lrs(
            "At the time that the message names, the value is infinite or no number.",
            "0.1 / epoch",
            "0.1 / (epoch + 1)",
            _ES,
        ),
        "LRS404": _lrs(
            "A rate below 0 would climb the loss.",
            "0.1 - 0.02 * epoch",
            "max(0.1 - 0.02 * epoch, 0)",
            _ES,
        ),
        "LRS405": _lrs(
            "Inside of `*`, `/` and `^` there is no rate to begin at, so that a curve says "
            "its `from`.",
            "cosine(max=0.1) * linear(to=0)",
            "cosine(max=0.1) * linear(from=1, to=0)",
            _E,
        ),
        "LRS406": _lrs(
            "`next` is where the following segment starts; a warmup climbs to there.",
            "0.1 until 5 then warmup(5)",
            "warmup(5) then cosine(max=0.1)",
            _E,
        ),
        "LRS407": _lrs(
            "`base`, and a curve that begins at it, needs the optimizer's own value of what is "
            "set: its rate, its momentum. In `fit` it is there; elsewhere `--base` says the "
            "rate, and `from=` any other.",
            "cosine()",
            "cosine()",
            _E,
            f"{_E} --base 0.1",
        ),
        "LRS408": _lrs(
            "The message says which values the parameter can have.",
            "cosine(max=0.1, cycles=0)",
            "cosine(max=0.1, cycles=3)",
            _E,
        ),
        "LRS409": _lrs(
            "A condition is true or not, and no rate: it stands after `until`.",
            "lr = val_loss < 0.3",
            "lr = 0.1 until val_loss < 0.3 then 0.01",
            _ES,
        ),
        "LRS410": _lrs(
            "What repeats has a length that is known before training: a reaction stands beside "
            "it, in a sequence.",
            "(0.1 until val_loss < 0.3 then 0.01) for 5 repeat",
            "0.1 until val_loss < 0.3 then cosine() for 5 repeat",
            _ES,
        ),
        "LRS501": _lrs(
            "A warning: the `let` changes nothing. It may be a leftover, or a name that was "
            "meant elsewhere.",
            "let peak = 0.1\nlr = cosine(max=0.2)",
            "let peak = 0.2\nlr = cosine(max=peak)",
            _E,
        ),
        "LRS502": _lrs(
            "A warning: the training ends within a turn, so that its snapshot is never due.",
            "cosine(max=0.1) for 4 repeat snapshot",
            "cosine(max=0.1) for 5 repeat snapshot",
            _ES,
        ),
        "LRS503": _lrs(
            "A warning: the schedule is made for a longer training, which stops at a rate "
            "that was not meant as its last.",
            "cosine(max=0.1) for 60",
            "cosine(max=0.1)",
            _ES,
        ),
        "LRS504": _lrs(
            "A warning: the plateau begins at the least that it may come to, or below, so that "
            "no metric changes anything.",
            "plateau(from=0.1, min=1)",
            "plateau(from=0.1, min=0.001)",
            _E,
        ),
        "LRS601": _python(
            "`fit` sets the rate of each step exactly, or not at all: something else would "
            "set it too, or nobody can tell what Keras does with it.",
            "schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)\n"
            "model.compile(keras.optimizers.SGD(schedule), loss='mse')\n"
            "model.fit(x, y, callbacks=[lrdsl.compile('cosine(max=0.1)')])",
            "model.compile(keras.optimizers.SGD(0.1), loss='mse')\n"
            "model.fit(x, y, callbacks=[lrdsl.compile('cosine(max=0.1)')])",
        ),
        "LRS602": _python(
            "The training is not the planned one: it has other steps, or another rate than "
            "the schedule's was used.",
            "schedule = lrdsl.compile('cosine(max=0.1)')\n"
            "model.fit(x, y, steps_per_epoch=100, callbacks=[schedule])",
            "schedule = lrdsl.compile('cosine(max=0.1)')\n"
            "model.fit(x, y, callbacks=[schedule])",
        ),
        "LRS603": _python(
            "A snapshot needs a folder of its own, that can be written, and a model that "
            "Keras can save.",
            "schedule = lrdsl.compile('cosine(max=0.1) snapshot')\n"
            "schedule.snapshots = '.'  # where other files are\n"
            "model.fit(x, y, callbacks=[schedule])",
            "schedule = lrdsl.compile('cosine(max=0.1) snapshot')\n"
            "schedule.snapshots = 'models'\n"
            "model.fit(x, y, callbacks=[schedule])",
        ),
        "LRS604": _python(
            "The folder holds a training by another schedule or length. Say which one counts: "
            "`state_conflict='keep'` follows the old plan, `'adopt'` the new one from here on.",
            "model.fit(x, y, callbacks=[lrdsl.compile('cosine(max=0.1)', state='run')])\n"
            "schedule = lrdsl.compile('cosine(max=0.2)', state='run')\n"
            "model.fit(x, y, epochs=2, callbacks=[schedule])",
            "model.fit(x, y, callbacks=[lrdsl.compile('cosine(max=0.1)', state='run')])\n"
            "schedule = lrdsl.compile('cosine(max=0.2)', state='run', state_conflict='adopt')\n"
            "model.fit(x, y, epochs=2, callbacks=[schedule])",
        ),
        "LRS605": _python(
            "The state of a run is kept whole or not at all, by one that restores it.",
            "other = keras.callbacks.BackupAndRestore('backup')\n"
            "schedule = lrdsl.compile('cosine(max=0.1)', state='run')\n"
            "model.fit(x, y, callbacks=[other, schedule])",
            "schedule = lrdsl.compile('cosine(max=0.1)', state='run')\n"
            "model.fit(x, y, callbacks=[schedule])",
        ),
        "LRS606": _lrs(
            "The schedule reacts to a metric that was not measured. `val_…` needs "
            "`fit(validation_data=…)`; other names are those of `model.compile(metrics=…)`.",
            "plateau(from=0.1, monitor=val_accuracy)",
            "plateau(from=0.1, monitor=val_loss)",
            f"{_ES} --metrics log.csv",
        ),
    }
)
"""The explanation of every code."""
