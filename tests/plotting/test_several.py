"""Pictures of several plans, of where two differ, and of a run over its plan."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import compared_plans as plans
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from lrdsl.applied import Run, hold_against
from lrdsl.comparison import compare_plans
from lrdsl.plotting import differences, run, several
from lrdsl.plotting.overlay import look_of
from lrdsl.plotting.style import THEMES
from lrdsl.run_view import RunView
from lrdsl.stamp import read_stamp
from lrdsl.together import MOST, Together, together


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Return the figures that are written, as they are."""
    found: list[Figure] = []
    compose = several.compose

    def kept(*args: object) -> Figure:
        found.append(compose(*args))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(several, "compose", kept)
    return found


def written(figure: Figure) -> list[tuple[str, Bbox]]:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in found]


def nothing_is_covered(figure: Figure) -> None:
    texts = written(figure)
    for (text, box), (other_text, other_box) in combinations(texts, 2):
        overlap = Bbox.intersection(box.padded(-1), other_box.padded(-1))
        assert overlap is None, f"{text!r} and {other_text!r}"
    for text, box in texts:
        assert box.x0 >= 0, text
        assert box.x1 <= figure.bbox.x1, text
        assert box.y0 >= 0, text
        assert box.y1 <= figure.bbox.y1, text


def words(figure: Figure) -> list[str]:
    return [text for text, _ in written(figure)]


def replayed(*, patience: int = 2) -> RunView:
    plan = plans.plan(
        f"warmup(2) then plateau(from=0.1, monitor=loss, factor=0.5, patience={patience})",
        epochs=12,
        steps_per_epoch=10,
    )
    metrics = tuple(
        {"loss": value, "val_loss": 1.1 * value, "accuracy": 1 - value}
        for value in (1, 0.9, 0.8, 0.8, 0.8, 0.7, 0.7, 0.7, 0.7, 0.6, 0.6, 0.6)
    )
    planned = plan.replay(metrics).values()
    if patience == 2:
        planned[57:80] *= 0.5
    run = Run(np.arange(110), {"lr": planned[:110]}, False, True, metrics)
    shown = plan.replay(metrics)
    return RunView(shown, run, hold_against(shown, run), metrics)


@pytest.mark.parametrize("name", plans.ALL)
def test_no_text_of_several_covers_another(
    name: str, figures: list[Figure], tmp_path: Path
) -> None:
    several.save_several(plans.ALL[name](), tmp_path / "a.png", name)
    nothing_is_covered(figures[0])


def test_each_curve_has_its_name_beside_it_and_its_values_below(
    figures: list[Figure], tmp_path: Path
) -> None:
    several.save_several(plans.values(), tmp_path / "a.png", "resnet.lrs")
    found = words(figures[0])
    assert [found.count(name) for name in ("peak=0.05", "peak=0.1", "peak=0.2")] == [2, 2, 2]
    assert "all alike" in found  # the momentum
    assert "90 epochs of 390 steps = 35,100 steps" in found
    assert {"first", "peak", "at", "last", "epoch 5", "2.245e-10", "0.2"} <= set(found)


def test_no_name_stands_beside_the_curve_of_another(
    figures: list[Figure], tmp_path: Path
) -> None:
    peaks = [0.1 * number for number in range(1, MOST + 1)]
    made = [
        plans.plan(f"cosine(max={peak!r})", epochs=90, steps_per_epoch=10) for peak in peaks
    ]
    names = [f"curve {number}" for number in range(MOST)]
    several.save_several(together(names, made), tmp_path / "a.png", "many")
    (figure,) = figures
    ax = figure.axes[0]
    named = 0
    for text, box in written(figure):
        if text not in names or not ax.bbox.overlaps(box):
            continue
        named += 1
        (x, y) = ax.transData.inverted().transform(box.get_points().mean(axis=0))
        values = [float(plan.values(int(x * 10))) for plan in made]
        above = ax.transData.inverted().transform((0, box.y1 + 45))[1] - y
        assert abs(values[names.index(text)] - y) < above, text
    assert named >= 3


def test_a_picture_of_several_gives_all_their_texts_back(tmp_path: Path) -> None:
    for suffix in (".png", ".svg", ".pdf"):
        several.save_several(plans.values(), tmp_path / f"a{suffix}", "resnet.lrs")
        found = read_stamp(tmp_path / f"a{suffix}")
        assert [one.name for one in found] == ["peak=0.05", "peak=0.1", "peak=0.2"]
        assert [one.text.split("\n")[0] for one in found] == [
            f"let peak = {peak}" for peak in (0.05, 0.1, 0.2)
        ]


def test_no_two_of_the_most_curves_look_alike() -> None:
    for theme in THEMES.values():
        looks = [look_of(number, theme) for number in range(MOST)]
        assert len({str(look) for look in looks}) == MOST
        # In grey, neighbours of one colour's lightness have other dashes.
        assert len({str(dashes) for _, dashes in looks[:6]}) == 6


def difference(tmp_path: Path, shown: Together) -> None:
    found = compare_plans(*shown.plans)
    differences.save_difference(shown, found, tmp_path / "a.png")


def test_where_two_plans_differ_is_shaded_with_by_how_much_below(
    figures: list[Figure], tmp_path: Path
) -> None:
    texts = ("0.1 until 6 then 0.05", "0.1 until 4 then 0.05")
    shown = together(["a", "b"], [plans.plan(t, epochs=10, steps_per_epoch=7) for t in texts])
    difference(tmp_path, shown)
    (figure,) = figures
    nothing_is_covered(figure)
    curve, below = (ax for ax in figure.axes if ax.get_ylabel())
    (shade,) = curve.patches
    assert shade.get_x() == pytest.approx(4)
    assert shade.get_x() + shade.get_width() == pytest.approx(6)
    lowest = min(np.nanmin(line.get_ydata()) for line in below.lines)
    assert lowest == pytest.approx(-0.05)
    assert any("lr differs at 14 of 70 steps" in text for text in words(figure))


def test_a_difference_of_one_step_in_a_million_can_be_seen(
    figures: list[Figure], tmp_path: Path
) -> None:
    texts = ("0.1", "0.1 until 500000 steps then 0.05 until 500001 steps then 0.1")
    shown = together(
        ["a", "b"], [plans.plan(t, epochs=1000, steps_per_epoch=1000) for t in texts]
    )
    difference(tmp_path, shown)
    shade = figures[0].axes[0].patches[0].get_window_extent()
    assert shade.width >= 1


def test_a_run_lies_over_its_plan_with_metrics_below(
    figures: list[Figure], tmp_path: Path
) -> None:
    run.save_run(replayed(), tmp_path / "a.png")
    (figure,) = figures
    nothing_is_covered(figure)
    assert [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()] == [
        "learning rate",
        "loss",
        "accuracy",
    ]
    found = words(figure)
    assert {"plan", "run", "val_loss", "1", "2"} <= set(found)
    text = " ".join(found)
    assert "plan ≠ run: they first part at step 57 (epoch 5.7)" in text
    assert "the run ends 10 steps before the plan does" in text
    assert [patch.get_x() for patch in figure.axes[0].patches] == [pytest.approx(5.7)]


def test_a_run_that_agrees_has_no_shade(figures: list[Figure], tmp_path: Path) -> None:
    run.save_run(replayed(patience=3), tmp_path / "a.png", theme="dark")
    (figure,) = figures
    nothing_is_covered(figure)
    assert not figure.axes[0].patches
    assert "plan = run at all 110 steps of the run" in words(figure)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_plans_give_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    for copy in ("a", "b"):
        several.save_several(plans.files(), tmp_path / f"{copy}{suffix}", "files")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
