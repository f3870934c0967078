"""Programs by the thousand: texts that the grammar allows, and texts that also have a plan."""

from __future__ import annotations

import re

from hypothesis import strategies as st

NAMES = ("peak", "epoch", "cycle", "progress", "entry", "val_loss", "e2", "_x", "epochs")
TARGETS = ("lr", "momentum", "steps", "then", "slow.lr", "_a.beta_1", "epochs.step", "then.of")
COMMENTS = (
    "",
    "",
    "",
    "",
    "",
    " ",
    "\n",
    "  # why\n",
    "\n\n",
    "\n# a line of its own\n",
    "#\r\n",
)

numbers = st.sampled_from(("0", "1", "10", "0.5", ".25", "3.", "1e-3", "2E+2"))
units = st.sampled_from(("", "", "%", " %", " epochs", " epoch", " steps", "steps"))
names = st.sampled_from(NAMES)


def _unnamed(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return a strategy that shows as `text()` in reports.

    What a strategy shows holds what those inside it show, many times over: a failure would
    write gigabytes.
    """

    @st.composite
    def text(draw: st.DrawFn) -> str:
        return draw(strategy)

    return text()


def _join(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(" ".join)


amounts = st.tuples(numbers, units).map("".join)
_leaves = st.one_of(
    amounts, names, st.just('"val_top-5"'), st.just("stop"), st.sampled_from(TARGETS[4:])
)


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    inner = _unnamed(inner)
    group = inner.map(lambda x: f"({x})")
    atom = st.one_of(_leaves, group)
    atom = _unnamed(atom)
    argument = st.one_of(inner, st.tuples(names, inner).map(lambda p: f"{p[0]}={p[1]}"))
    arguments = st.lists(argument, max_size=3).map(", ".join)
    call = st.tuples(st.sampled_from(("f", "cosine", "min")), arguments).map(
        lambda p: f"{p[0]}({p[1]})"
    )
    atom = st.one_of(atom, call)
    atom = _unnamed(atom)
    power = st.one_of(atom, _join(atom, st.just("^"), atom), _join(atom, st.just("^ -"), atom))
    unary = st.one_of(power, power.map(lambda x: f"-{x}"), power.map(lambda x: f"+ -{x}"))
    unary = _unnamed(unary)
    operator = st.sampled_from("+-*/")
    total = st.one_of(unary, _join(unary, operator, unary), _join(unary, operator, unary))
    total = _unnamed(total)
    postfix = st.one_of(
        _join(st.just("for"), total),
        _join(st.just("skip"), total),
        _join(st.just("by"), atom),
        st.just("repeat"),
        _join(st.just("repeat"), atom, st.just("stretch"), atom),
        _join(st.just("repeat scale"), atom),
        st.just("snapshot"),
        arguments.map(lambda a: f"snapshot({a})"),
    )
    postfixed = st.one_of(total, total, _join(total, postfix), _join(total, postfix, postfix))
    postfixed = _unnamed(postfixed)
    compare = _join(total, st.sampled_from(("<", "<=", ">", ">=")), total)
    condition = st.one_of(total, compare, _join(total, st.sampled_from(("or", "and")), compare))
    segment = st.one_of(postfixed, _join(postfixed, st.just("until"), condition))
    segment = _unnamed(segment)
    return st.one_of(segment, _join(segment, st.just("then"), segment))


schedules = _unnamed(st.recursive(_leaves, _larger, max_leaves=12))

_statements = st.one_of(
    _join(st.just("let peak ="), numbers),
    _join(st.just("def f(a, b=1) ="), schedules),
    _join(st.just("def f(a, *, b=1) ="), schedules),
    _join(st.just("def f() ="), schedules),
    _join(st.sampled_from([f"{target} =" for target in TARGETS]), schedules),
    st.just("train 90 epochs of 390 steps"),
    st.just("train 1 step"),
)
texts = _unnamed(st.one_of(schedules, st.lists(_statements, max_size=4).map("\n".join)))
"""Texts that the grammar allows; most of them mean nothing."""


@st.composite
def commented(draw: st.DrawFn) -> str:
    """Return a text with comments and line ends wherever a space was."""
    words = draw(texts).split(" ")
    gaps = draw(st.lists(st.sampled_from(COMMENTS), min_size=len(words), max_size=len(words)))
    text = ""
    for word, gap in zip(words, gaps, strict=True):
        # A unit stays on the line of its number.
        text += word if word in ("%", "epochs", "epoch", "steps") else gap + word
        text += " "
    return text


_WORD = re.compile(
    r'"[^"]*"'
    r"|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?:[ \t]*(?:%|(?:epoch|step)s?\b))?"
    r"|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?\(?"
    r"|[<>]=?|\S"
)


@st.composite
def sprinkled(draw: st.DrawFn) -> str:
    """Return a text with comments and line ends between any two of its words."""
    words = _WORD.findall(draw(texts))
    gaps = draw(st.lists(st.sampled_from(COMMENTS), min_size=len(words), max_size=len(words)))
    return "".join(f"{gap} {word}" for gap, word in zip(gaps, words, strict=True))


# -- programs that have a plan of 12 epochs of 10 steps ------------------------------------

_values = st.sampled_from(("0.1", "1", "1 / 3", "0.02 + 0.01 * cycle", "2 ^ -cycle", "entry"))
_curves = st.one_of(
    _values,
    st.tuples(_values, _values).map(lambda v: f"linear(from={v[0]}, to={v[1]})"),
    _values.map(lambda v: f"linear(to={v})"),
    st.tuples(_values, st.sampled_from("123")).map(
        lambda v: f"cosine(max={v[0]}, cycles={v[1]})"
    ),
    _values.map(lambda v: f"cosine(to={v})"),
    st.just("poly(2, from=0.3, to=0.1)"),
    st.just("exp(0.1)"),
    st.just("exp(from=1, to=0.01)"),
    st.just("decay(0.9, every=3 steps)"),
    st.just("inverse(0.5, power=2, from=0.3)"),
    st.just("0.2 + 0.1 * noise(seed=7, every=2 steps)"),
    st.just("0.1 + 0.05 * sin(epoch)"),
    st.just("0.01 * floor(step / 7) + 0.001 * mod(elapsed, 2)"),
    st.just("0.001 * epoch"),
    st.just("one_cycle(0.3, up=2)"),
    st.just("rex(from=0.3, to=0.1)"),
    st.just("triangular2(0.1, 0.3, 2, 7 steps)"),
    st.just("multistep(0.5, 3, 25%)"),
    st.just("0.1 * floor(elapsed / 7 steps) + 0.2 * duration / 5 epochs"),
)
_lengths = st.sampled_from(("1", "2.5", "7 steps", "1 / 3", "3 epochs + 1 step"))


def _longer(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    inner = _unnamed(inner)
    return st.one_of(
        st.tuples(inner, _lengths, inner).map(lambda p: f"({p[0]}) for {p[1]} then {p[2]}"),
        st.tuples(inner, _lengths).map(lambda p: f"({p[0]}) for {p[1]}"),
        st.tuples(inner, _lengths).map(lambda p: f"({p[0]}) for {p[1]} repeat"),
        st.tuples(inner, _lengths).map(lambda p: f"({p[0]}) for {p[1]} repeat 3 scale 0.9"),
        st.tuples(inner, _lengths).map(lambda p: f"({p[0]}) for {p[1]} repeat 4 stretch 1.5"),
        st.tuples(inner, _lengths).map(lambda p: f"({p[0]}) for {p[1]} repeat stretch 0.5"),
        st.tuples(inner, _lengths).map(lambda p: f"({p[0]}) by ({p[1]})"),
        inner.map(lambda x: f"({x}) by epoch"),
        st.tuples(inner, _lengths).map(lambda p: f"({p[0]}) skip {p[1]}"),
        inner.map(lambda x: f"min(({x}), 0.5)"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]}) until 40% then ({p[1]})"),
        inner.map(lambda x: f"({x}) snapshot"),
    )


planned = _unnamed(st.recursive(_curves, _longer, max_leaves=6))
"""Schedules that most often have a plan of 12 epochs of 10 steps and a base of 0.1."""

_anchored = st.sampled_from(
    (
        "0.1",
        "linear(from=0.1, to=0.3)",
        "cosine(max=0.3, min=0.1, cycles=3)",
        "exp(0.1, from=0.3)",
        "decay(0.9, every=3 steps, from=0.3) by 7 steps",
        "0.2 + 0.1 * noise(seed=7, every=2 steps)",
        "0.01 * floor(step / 7) + 0.001 * mod(elapsed, 2)",
        "(linear(from=0.1, to=0.3) for 2.5 then 0.2 until 40% then cosine(to=0.1))",
        "(cosine(max=0.3) for 2 repeat stretch 1.5 scale 0.9)",
        "(triangular2(0.1, 0.3, 2, 7 steps))",
        "rex(from=0.3, to=0.1)",
        "one_cycle(0.3, up=2)",
        "multistep(0.5, 3, 25%, from=0.3)",
    )
)
anchored = st.one_of(
    _anchored,
    st.tuples(_anchored, _anchored).map(lambda p: f"({p[0]} + {p[1]})"),
    st.tuples(_anchored, _anchored).map(lambda p: f"max({p[0]}, {p[1]})"),
    _anchored.map(lambda x: f"({x} by epoch)"),
)
"""Schedules of 12 epochs of 10 steps that do not look at what was in force before them."""

_times = st.sampled_from(("unit * 1", "unit * 2.5", "0.7 * unit", "unit / 3", "10%"))
_timed = st.one_of(
    st.just("0.1"),
    st.just("cosine(max=0.3)"),
    st.just("0.2 + 0.1 * progress"),
    _times.map(lambda t: f"exp(0.1, every={t}, from=0.3)"),
    _times.map(lambda t: f"decay(0.9, every={t}, from=0.3) by ({t})"),
    _times.map(lambda t: f"triangular(0.1, 0.3, {t})"),
    _times.map(lambda t: f"(0.1 * floor(elapsed / ({t})))"),
    _times.map(lambda t: f"noise(seed=3, every={t}) + 1"),
)
scalable = _unnamed(
    st.recursive(
        _timed,
        lambda inner: st.one_of(
            st.tuples(inner, _times, inner).map(lambda p: f"(({p[0]}) for {p[1]} then {p[2]})"),
            st.tuples(inner, _times).map(lambda p: f"(({p[0]}) for {p[1]} repeat)"),
            st.tuples(inner, _times).map(
                lambda p: f"(({p[0]}) for {p[1]} repeat 4 stretch 1.5 scale 0.9)"
            ),
            st.tuples(inner, _times).map(lambda p: f"(({p[0]}) skip {p[1]})"),
        ),
        max_leaves=5,
    )
)
"""Schedules whose every time is a multiple of the `let` called `unit`, or a percentage."""
