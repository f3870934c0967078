from __future__ import annotations

import subprocess
import sys
import time
import warnings
from itertools import combinations
from pathlib import Path

import drawn_plans as plans
import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

import lrdsl
from lrdsl.plotting import SUFFIXES, draw, save
from lrdsl.plotting.style import THEMES, Theme
from lrdsl.program import make_program
from lrdsl.source import SourceText


def figure_of(name: str) -> Figure:
    figure = draw(plans.plan(name))
    assert isinstance(figure, Figure)
    return figure


def written(figure: Figure) -> list[tuple[str, Bbox]]:
    """Return every text of a figure with its place, in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in found]


@pytest.mark.parametrize("name", plans.ALL)
def test_no_text_covers_another_or_leaves_the_picture(name: str) -> None:
    figure = figure_of(name)
    texts = written(figure)
    for (text, box), (other_text, other_box) in combinations(texts, 2):
        overlap = Bbox.intersection(box.padded(-1), other_box.padded(-1))
        assert overlap is None, f"{text!r} and {other_text!r}"
    for text, box in texts:
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1
        assert inside, text
        assert box.y1 <= figure.bbox.y1, text


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["three-segments", "snapshots", "two-targets"])
def test_the_same_plan_gives_the_same_bytes(name: str, suffix: str, tmp_path: Path) -> None:
    for copy in ("a", "b"):
        save(plans.plan(name), tmp_path / f"{copy}{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("name", plans.ALL)
def test_drawing_warns_of_nothing(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(plans.plan(name), tmp_path / "a.png")


def test_the_picture_says_first_peak_and_last_value() -> None:
    texts = [text for text, _ in written(figure_of("three-segments"))]
    last = plans.plan("three-segments").values()[-1]
    at = texts.index("peak")
    assert texts[at + 1] == "0.1"
    assert texts[texts.index("first") + 1] == "0"
    assert float(texts[texts.index("last") + 1]) == pytest.approx(last, rel=1e-3)


def test_segments_are_named_in_the_picture_or_below_it() -> None:
    texts = [text for text, _ in written(figure_of("three-segments"))]
    assert "cosine(max=0.1, min=0.01)" in "".join(texts)
    assert texts[texts.index("warmup(5)") + 1] == "line 2"


def test_epochs_run_below_and_steps_above() -> None:
    texts = [text for text, _ in written(figure_of("three-segments"))]
    assert {"epoch", "step", "90", "35,000", "learning rate"} <= set(texts)
    assert "step" not in [text for text, _ in written(figure_of("epochs-only"))]


def test_the_value_axis_is_logarithmic_where_the_range_calls_for_it() -> None:
    assert figure_of("five-decades").axes[0].get_yscale() == "log"
    assert figure_of("three-segments").axes[0].get_yscale() == "linear"


def test_targets_have_panels_under_one_clock() -> None:
    figure = figure_of("two-targets")
    panels = [ax for ax in figure.axes if ax.get_ylabel()]
    assert [ax.get_ylabel() for ax in panels] == ["learning rate", "momentum"]
    assert len({ax.get_xlim() for ax in panels}) == 1


def test_given_axes_take_the_first_target_and_are_returned() -> None:
    figure = Figure(figsize=(5, 3))
    ax = figure.subplots()
    assert draw(plans.plan("two-targets"), ax) is ax
    assert ax.get_ylabel() == "learning rate"
    boxes = [box for _, box in written(figure)]
    assert boxes


@pytest.mark.parametrize("size", [(0.5, 0.4), (2, 1.5), (30, 20)])
@pytest.mark.parametrize("name", ["three-segments", "twelve-segments", "five-decades"])
def test_axes_of_any_size_will_do(name: str, size: tuple[float, float]) -> None:
    figure = Figure(figsize=size)
    draw(plans.plan(name), figure.subplots())
    FigureCanvasAgg(figure).draw()


def test_text_of_a_schedule_is_no_mathematics() -> None:
    program = make_program(SourceText("0.1", "$\\frac$.lrs"))
    figure = draw(program.plan(epochs=2, steps_per_epoch=2))
    assert isinstance(figure, Figure)
    assert "$\\frac$.lrs" in [text for text, _ in written(figure)]


def test_settings_of_the_user_neither_matter_nor_change(tmp_path: Path) -> None:
    save(plans.plan("one-segment"), tmp_path / "a.png")
    before = rcParams["font.size"], rcParams["lines.linewidth"]
    try:
        rcParams["font.size"], rcParams["lines.linewidth"] = 33.0, 9.0
        save(plans.plan("one-segment"), tmp_path / "b.png")
        assert (rcParams["font.size"], rcParams["lines.linewidth"]) == (33.0, 9.0)
    finally:
        rcParams["font.size"], rcParams["lines.linewidth"] = before
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_an_unknown_suffix_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.png, \.svg, \.pdf"):
        save(plans.plan("constant"), tmp_path / "a.gif")


def test_svg_and_pdf_hold_no_date(tmp_path: Path) -> None:
    for suffix in (".svg", ".pdf"):
        save(plans.plan("constant"), tmp_path / f"a{suffix}")
        assert b"Date" not in (tmp_path / f"a{suffix}").read_bytes().replace(
            b"dc:date", b"Date"
        )


def test_pyplot_is_never_imported() -> None:
    program = (
        "import sys, lrdsl, tempfile, pathlib\n"
        "from lrdsl.plotting import save\n"
        "plan = lrdsl.loads('0.1').plan(epochs=2, steps_per_epoch=2)\n"
        "assert 'matplotlib' not in sys.modules\n"
        "save(plan, pathlib.Path(tempfile.mkdtemp(), 'a.png'))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def words_of(name: str) -> str:
    return "\n".join(text for text, _ in written(figure_of(name)))


def test_what_may_happen_is_shaded_and_each_edge_has_its_name() -> None:
    words = words_of("plateau")
    assert "shaded: what may happen" in words
    assert "if val_loss stalls from the start" in words
    assert "if val_loss never stalls" in words
    assert "first and peak" in words
    assert "constant" not in words
    assert "1.907e-7" in words  # where the earliest ends
    assert "at the last moment" not in words  # that is the very end of the curve
    assert "if every condition holds at the last moment" in words_of("two-reactions")
    assert "if val_loss always gets better" in words_of("rising-plateau")
    assert ": stops at epoch 7" in words_of("until-stalled")


def test_the_shade_reaches_from_the_lowest_to_the_highest_curve() -> None:
    axes = figure_of("plateau").axes[0]
    (shade,) = axes.collections[:1]
    edges = shade.get_paths()[0].vertices
    right = edges[edges[:, 0] > 99.5]
    assert right[:, 1].min() == pytest.approx(0.1 * 0.5**19)
    assert right[:, 1].max() == pytest.approx(0.1)
    assert np.ptp(edges[edges[:, 0] < 5][:, 1]) == 0


def test_the_value_axis_has_room_for_every_way() -> None:
    assert figure_of("plateau").axes[0].get_yscale() == "log"
    assert figure_of("plateau").axes[0].get_ylim()[0] < 0.1 * 0.5**19


def test_events_are_numbered_and_told_below_with_their_cause() -> None:
    words = words_of("replayed-to-a-stop")
    assert "24 of 60 epochs = 552 steps, then stop" in words
    assert words.count("\n2\n") == 2  # in the picture and below it
    assert "epoch 24: switch 2.725e-4 → 2.725e-4\nval_loss 0.04 < 0.05" in words
    assert "epoch 24: stop\nline 3: stop" in words


def test_more_events_than_can_be_numbered_are_strokes_and_told_in_part() -> None:
    words = words_of("replayed-many")
    assert "59 more" in words
    assert "\n71\n" not in words


def test_what_is_not_settled_is_dashed_and_said_to_be() -> None:
    figure = figure_of("replayed-in-part")
    words = "\n".join(text for text, _ in written(figure))
    assert "dashed from epoch 25 on: the log ends there" in words
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    (guess,) = [line for line in dashed if np.isfinite(line.get_ydata()).sum() > 10]
    shown = guess.get_xdata()[np.isfinite(guess.get_ydata())]
    assert (shown.min(), shown.max()) == (25.0, 40.0)
    assert "dashed" not in words_of("replayed-plateau")


def test_a_picture_of_a_training_too_long_to_work_out_says_so() -> None:
    assert "if nothing happens (too long for more)" in words_of("too-long")


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2 defines it."""
    parts = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in to_rgb(colour)
    ]
    return float(np.dot(parts, (0.2126, 0.7152, 0.0722)))


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_text_of_every_colour_can_be_read_on_every_ground(theme: Theme) -> None:
    for ground in (theme.page, *theme.bands):
        for colour in (theme.ink, theme.soft, theme.curve, theme.second, theme.third):
            assert contrast(colour, ground) >= 4.5, (colour, ground)
    for colour in theme.others[:5]:
        assert contrast(colour, theme.page) >= 4.5, colour
    assert contrast(theme.on_event, theme.event) >= 4.5


def test_the_dark_theme_has_a_dark_page_and_no_white_one_below_it() -> None:
    figure = draw(plans.plan("replayed-to-a-stop"), theme="dark")
    assert luminance(to_hex(figure.get_facecolor())) < 0.02
    assert all(luminance(to_hex(ax.get_facecolor())) < 0.02 for ax in figure.axes if ax.axison)
    halos = [
        effect._gc["foreground"]
        for text in figure.findobj(Text)
        for effect in text.get_path_effects()
    ]
    assert set(halos) == {THEMES["dark"].page}


def test_an_unknown_theme_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'neon': it is one of light, dark"):
        draw(plans.plan("constant"), theme="neon")


@pytest.mark.parametrize("name", plans.ALL)
@pytest.mark.parametrize("log", [True, False])
def test_a_scale_that_is_asked_for_is_drawn_whatever_the_curve_is_like(
    name: str, log: bool
) -> None:
    figure = draw(plans.plan(name), log=log)
    scales = {ax.get_yscale() for ax in figure.axes if ax.get_ylabel()}
    assert scales == {"log" if log else "linear"}
    FigureCanvasAgg(figure).draw()


def test_what_is_never_above_zero_has_no_log_scale() -> None:
    plan = lrdsl.loads("0").plan(epochs=3, steps_per_epoch=5)
    figure = draw(plan, log=True)
    assert figure.axes[0].get_yscale() == "linear"


def test_segments_say_on_which_line_they_stand_where_there_are_several() -> None:
    texts = [text for text, _ in written(figure_of("three-segments"))]
    at = texts.index("cosine(max=0.1, min=0.01)")
    assert texts[at + 1] == "line 3"
    assert not any(text.startswith("line") for text, _ in written(figure_of("one-segment")))


def test_the_picture_says_after_which_epochs_models_are_saved() -> None:
    assert "snapshots after epochs 20, 40 and 60" in words_of("snapshots")
    assert "20 snapshots" in words_of("many-snapshots")


def test_a_snapshot_is_made_after_the_last_step_of_its_cycle() -> None:
    plan = plans.plan("cycles-between-steps")
    steps = [one.step for one in plan.snapshots]
    assert steps == [33, 66, 99]
    assert "snapshots after epochs 3.4, 6.7 and 10" in words_of("cycles-between-steps")


def test_the_numbers_of_narrow_segments_stand_where_there_is_room() -> None:
    # Those of the key are below the panel, and no text covers another: see above.
    words = [text for text, _ in written(figure_of("fifty-segments"))]
    assert {"1", "2", "9", "49"} <= set(words)
    assert "48" not in words


def test_values_that_lie_close_together_are_told_apart() -> None:
    words = words_of("nearly-constant")
    assert "0.1" in words
    assert "0.10001" in words


def test_the_only_step_of_a_training_is_called_that() -> None:
    words = words_of("one-falling-step")
    assert "the only step" in words
    assert "peak, last" not in words


@pytest.mark.parametrize("points", [50, 2000])
def test_both_sides_of_every_boundary_are_in_the_curve(points: int) -> None:
    text = "0.1 until 7.5 then 0.05 until 31 then 0.02 until 32 then 0.01"
    plan = lrdsl.loads(text).plan(epochs=10**6, steps_per_epoch=10**6)
    x, y = plan.polyline("lr", points)
    steps = np.rint(x * 10**6).astype(np.int64)
    for segment in plan.segments[1:]:
        assert {segment.first_step - 1, segment.first_step} <= set(steps.tolist())
    assert {0.1, 0.05, 0.02, 0.01} <= set(y.tolist())


def test_a_plan_of_a_million_million_steps_takes_no_longer_than_one_of_a_hundred() -> None:
    def seconds(epochs: int, per_epoch: int) -> float:
        plan = lrdsl.loads("warmup(5) then cosine(max=0.1, cycles=3)").plan(
            epochs=epochs, steps_per_epoch=per_epoch
        )
        times = []
        for _ in range(3):
            start = time.perf_counter()
            FigureCanvasAgg(draw(plan)).draw()
            times.append(time.perf_counter() - start)
        return min(times)

    # What a long one takes on top is bounded, 0.2 s here; steps one by one would take hours.
    assert seconds(10**6, 10**6) < seconds(10, 10) + 2
