"""The words of the language in one table: keywords, values, functions, curves, parameters.

What the words mean is decided elsewhere; what they are called, and which of them exist,
is decided here.  (The prelude adds functions written in the language itself.)
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from lrdsl.records import dataclass

KEYWORDS: Final = frozenset(
    (
        *("train", "of", "let", "def"),
        *("then", "until", "for", "skip", "repeat", "stretch", "scale", "by"),
        *("snapshot", "stop", "or", "and"),
    )
)

CLOCKS: Final = MappingProxyType(
    {
        "epoch": "epochs since training began, a rational number",
        "step": "steps since training began",
        "elapsed": "time since the segment began, in the file's unit",
        "duration": "length of the segment, in the file's unit",
        "progress": "elapsed / duration",
        "cycle": "turn of the enclosing repeat, from 0",
    }
)

TIME_CLOCKS: Final = frozenset(("epoch", "step", "elapsed", "duration"))
"""The clocks that count a unit, so that a time divides them."""

REFERENCES: Final = MappingProxyType(
    {
        "base": "the target's own value in the optimizer",
        "entry": "what was in force before the segment",
        "next": "where the following segment starts",
    }
)

CONSTANTS: Final = MappingProxyType({"pi": "3.14159…", "e": "2.71828…"})

END: Final = "end"
"""The end of the enclosing block, a time."""

FUNCTIONS: Final = MappingProxyType(
    {
        # name: fewest and most arguments; None for any number
        "min": (2, None),
        "max": (2, None),
        "clip": (3, 3),
        "abs": (1, 1),
        "sqrt": (1, 1),
        "log": (1, 1),
        "floor": (1, 1),
        "ceil": (1, 1),
        "round": (1, 1),
        "mod": (2, 2),
        "sin": (1, 1),
        "cos": (1, 1),
        "tanh": (1, 1),
        "sigmoid": (1, 1),
    }
)


class Kind(StrEnum):
    """What a curve's parameter takes."""

    VALUE = "a value that is constant within the segment"
    TIME = "a time"
    COUNT = "a whole number"
    METRIC = "the name of a metric"
    CHOICE = "one of a few words"


@dataclass(frozen=True, slots=True)
class CurveParameter:
    """One parameter of a primitive curve.

    `default` is the text of its default, None where the caller must give it or where it
    only counts when given.  `positional` says whether it may be given by position.
    """

    name: str
    kind: Kind = Kind.VALUE
    default: str | None = None
    required: bool = False
    positional: bool = False
    also: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()


_FROM = CurveParameter("from", default="entry")
_TO = CurveParameter("to", default="0")
_EVERY = CurveParameter("every", Kind.TIME, default="1")


def _main(name: str, kind: Kind = Kind.VALUE, *, required: bool = True) -> CurveParameter:
    return CurveParameter(name, kind, required=required, positional=True)


MODES: Final = ("auto", "min", "max")
_STALL = (
    CurveParameter("patience", Kind.COUNT, default="10"),
    CurveParameter("mode", Kind.CHOICE, default="auto", choices=MODES),
    CurveParameter("min_delta"),
    CurveParameter("threshold"),
    CurveParameter("versus", Kind.CHOICE, default="best", choices=("best", "previous")),
    CurveParameter("window", Kind.COUNT, default="1"),
    CurveParameter("accumulation", Kind.COUNT, default="1"),
    CurveParameter("nan", Kind.CHOICE, default="error", choices=("error", "ignore")),
)

CURVES: Final = MappingProxyType(
    {
        "const": (CurveParameter("value", default="entry", positional=True),),
        "linear": (_FROM, _TO),
        "cosine": (
            CurveParameter("from", default="entry", also=("max",)),
            CurveParameter("to", default="0", also=("min",)),
            CurveParameter("cycles", Kind.COUNT, default="1"),
        ),
        "poly": (_main("power"), _FROM, _TO),
        "exp": (_main("rate", required=False), _EVERY, CurveParameter("to"), _FROM),
        "decay": (_main("factor"), _EVERY, _FROM),
        "inverse": (_main("rate"), _EVERY, CurveParameter("power", default="1"), _FROM),
        "warmup": (_main("duration", Kind.TIME), CurveParameter("from", default="0")),
        "noise": (
            CurveParameter("seed", Kind.COUNT, required=True),
            CurveParameter("every", Kind.TIME, default="1 step"),
        ),
        "plateau": (
            _FROM,
            CurveParameter("monitor", Kind.METRIC, default="val_loss"),
            CurveParameter("factor", default="0.1"),
            *_STALL,
            CurveParameter("cooldown", Kind.COUNT, default="0"),
            CurveParameter("freeze", Kind.CHOICE, default="none", choices=("none", "cooldown")),
            CurveParameter("min", default="0"),
            CurveParameter(
                "reset", Kind.CHOICE, default="improvement", choices=("improvement", "cut")
            ),
            CurveParameter("rise"),
            CurveParameter("rise_cooldown", Kind.COUNT, default="0"),
            CurveParameter("max"),
            CurveParameter("restore", Kind.CHOICE, default="none", choices=("none", "best")),
        ),
    }
)
"""The primitive curves; `also` gives other names of one parameter."""

STALLED: Final = (
    CurveParameter("monitor", Kind.METRIC, required=True, positional=True),
    *_STALL,
)
"""The parameters of the condition `stalled`."""

SNAPSHOT: Final = (
    CurveParameter("keep", Kind.COUNT),
    CurveParameter("best", Kind.COUNT),
    CurveParameter("monitor", Kind.METRIC),
    CurveParameter("mode", Kind.CHOICE, choices=MODES),
)
"""The parameters of `snapshot`."""

HIGHER_IS_BETTER: Final = frozenset(
    (
        *("acc", "accuracy", "auc", "precision", "recall", "f1", "f1_score", "fbeta_score"),
        *("iou", "io_u", "binary_io_u", "mean_io_u", "one_hot_io_u", "one_hot_mean_io_u"),
        *("dice", "map", "bleu", "rouge", "ndcg", "mrr", "psnr", "ssim", "cosine_similarity"),
        *("r2", "r2_score", "concordance_correlation", "pearson_correlation"),
        *("precision_at_recall", "recall_at_precision"),
        *("sensitivity_at_specificity", "specificity_at_sensitivity"),
    )
)
LOWER_IS_BETTER: Final = frozenset(
    (
        *("loss", "error", "err", "mse", "mae", "mape", "msle", "rmse", "nll", "bce"),
        *("mean_squared_error", "mean_absolute_error", "root_mean_squared_error"),
        *("mean_absolute_percentage_error", "mean_squared_logarithmic_error", "logcosh"),
        *("crossentropy", "cross_entropy", "hinge", "kl_divergence", "poisson"),
        *("perplexity", "ppl", "wer", "cer", "fid"),
    )
)
"""Which way metrics get better, by the ends of their names."""

RESERVED: Final = frozenset(
    [*KEYWORDS, *CLOCKS, *REFERENCES, *CONSTANTS, END, *FUNCTIONS, *CURVES, "stalled", "lr"]
)
"""Names that a file may not define (parameters of a `def` may shadow all but keywords)."""

FOREIGN_ARGUMENTS: Final = MappingProxyType(
    {
        # what other libraries call an argument: what it may be called here, best first
        "max": ("from", "peak"),
        "min": ("to",),
        "max_lr": ("peak", "max", "from"),
        "max_value": ("peak", "max", "from"),
        "peak_value": ("peak", "from"),
        "base_lr": ("min", "from"),
        "init_value": ("from",),
        "initial_learning_rate": ("from",),
        "learning_rate": ("from", "peak"),
        "eta_min": ("to", "min"),
        "min_lr": ("to", "min"),
        "lr_min": ("to", "min"),
        "end_value": ("to",),
        "end_learning_rate": ("to",),
        "gamma": ("factor",),
        "threshold_mode": ("threshold", "min_delta"),
        "rel_threshold": ("threshold",),
        "abs_threshold": ("min_delta",),
        "rtol": ("threshold",),
        "atol": ("min_delta",),
        "window_size": ("window",),
        "accumulation_size": ("accumulation",),
        "annealing_factor": ("factor",),
        "improvement_threshold": ("threshold",),
        "patient": ("patience",),
        "max_patience": ("patience",),
        "decay_rate": ("factor", "rate"),
        "decay_steps": ("every",),
        "transition_steps": ("every",),
        "first_decay_steps": ("every",),
        "step_size": ("every", "up"),
        "T_0": ("every",),
        "T_mult": ("t_mul",),
        "milestones": ("m1",),
        "pct_start": ("up", "start", "cut"),
        "div_factor": ("div",),
        "final_div_factor": ("final_div",),
        "step_size_up": ("up",),
        "step_size_down": ("down",),
        "warmup_steps": ("warmup",),
        "num_warmup_steps": ("warmup",),
        "num_decay_steps": ("decay",),
        "d_model": ("model_size",),
        "num_cycles": ("cycles",),
    }
)

ADVICE: Final = MappingProxyType(
    {
        # what other libraries call an argument that curves here have none for
        "alpha": "it is a share there; ours is a rate: `to=0.1 * 0.05`",
        "min_lr_ratio": "it is a share there; ours is a rate: `to=0.1 * 0.05`",
        "start_factor": "it is a share there; ours is a rate: `from=0.1 * 0.5`",
        "end_factor": "it is a share there; ours is a rate: `to=0.1 * 0.5`",
        "staircase": "write `by 10` after the curve",
        "three_phase": "`one_cycle_three_phase` is a curve of its own",
        "T_max": "say how long it is after the curve: `… for 50`",
        "total_iters": "say how long it is after the curve: `… for 50`",
        "decay_steps": "say how long it is after the curve: `… for 50`",
        "total_steps": "say how long it is after the curve: `… for 50`",
        "num_training_steps": "say how long it is after the curve: `… for 50`",
        "warmup_steps": "write `warmup(10) then …` before the curve",
        "num_warmup_steps": "write `warmup(10) then …` before the curve",
    }
)

FOREIGN: Final = MappingProxyType(
    {
        # what other libraries, or habit, call it: what it is called here
        "constant": "const",
        "flat": "const",
        "hold": "const",
        "exponential": "exp",
        "expo": "exp",
        "exponential_decay": "exp",
        "natural_exp": "exp",
        "lin": "linear",
        "ramp": "linear",
        "linear_decay": "linear",
        "polynomial": "poly",
        "polynomial_decay": "poly",
        "cos_annealing": "cosine",
        "cosine_annealing": "cosine",
        "cosineannealing": "cosine",
        "exponentialdecay": "exp",
        "exponentiallr": "decay",
        "polynomialdecay": "poly",
        "polynomiallr": "poly",
        "inversetimedecay": "inverse",
        "linearlr": "linear",
        "constantlr": "const",
        "cosine_decay": "cosine",
        "cosinedecay": "cosine",
        "cosineannealinglr": "cosine",
        "inverse_time": "inverse",
        "inverse_time_decay": "inverse",
        "warm_up": "warmup",
        "linear_warmup": "warmup",
        "constant_with_warmup": "warmup",
        "reduce_lr_on_plateau": "plateau",
        "reducelronplateau": "plateau",
        "early_stopping": "stalled",
        "earlystopping": "stalled",
        "steplr": "step",
        "staircase": "step",
        "multisteplr": "multistep",
        "piecewise": "multistep",
        "piecewise_constant": "multistep",
        "piecewiseconstantdecay": "multistep",
        "sgdr": "warm_restarts",
        "sgdr_schedule": "warm_restarts",
        "cosine_restarts": "warm_restarts",
        "cosine_with_restarts": "warm_restarts",
        "cosinedecayrestarts": "warm_restarts",
        "cosineannealingwarmrestarts": "warm_restarts",
        "onecycle": "one_cycle",
        "onecyclelr": "one_cycle",
        "1cycle": "one_cycle",
        "cyclic": "triangular",
        "cycliclr": "triangular",
        "clr": "triangular",
        "stlr": "slanted_triangular",
        "ulmfit": "slanted_triangular",
        "flat_cos": "flat_cosine",
        "fit_flat_cos": "flat_cosine",
        "trapezoid": "wsd",
        "trapezoidal": "wsd",
        "warmup_stable_decay": "wsd",
        "tristage": "tri_stage",
        "transformer": "noam",
        "rsqrt": "inverse_sqrt",
        "inv_sqrt": "inverse_sqrt",
        "inversesquareroot": "inverse_sqrt",
        "inverse_square_root": "inverse_sqrt",
        "tanh_annealing": "tanh_decay",
        "tanhlr": "tanh_decay",
        "tanhlrscheduler": "tanh_decay",
        "power": "poly",
        "t": "elapsed",
        "time": "elapsed",
        "iteration": "step",
        "iterations": "step",
        "batch": "step",
        "epochs": "epoch",
        "steps": "step",
        "lr": "entry",
        "rate": "entry",
        "base_lr": "base",
        "ln": "log",
        "minimum": "min",
        "maximum": "max",
        "clamp": "clip",
    }
)
