"""The examples: each is checked, printed as it stands, and drawn as its picture shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from draw_pictures import EXAMPLES, HORIZONS, NAMES, PICTURES, REPLAYS, draw, main, plan_of

import lrdsl
from lrdsl.preview import preview
from lrdsl.stamp import read_stamp


def names() -> list[str]:
    return sorted(path.stem for path in EXAMPLES.glob("*.lrs"))


@pytest.mark.parametrize("name", names())
def test_example_has_no_problems_and_stands_in_canonical_form(name: str) -> None:
    program = lrdsl.load(EXAMPLES / f"{name}.lrs")
    assert program.warnings == ()
    assert program.text == program.source.text


@pytest.mark.parametrize("name", sorted({*HORIZONS, *REPLAYS}))
def test_example_plans_to_finite_rates(name: str) -> None:
    values = plan_of(name).values()
    assert np.all(np.isfinite(values) & (values >= 0))


def test_the_log_of_the_digits_has_what_the_training_did() -> None:
    replayed = plan_of("warmup_plateau_replayed")
    assert [float(event.time) for event in replayed.events] == [26, 40, 43]
    # The log holds the rate that each epoch's last step used.
    last = replayed.values(np.arange(37, 60 * 38, 38)).astype(np.float32)
    rows = lrdsl.read_metrics(EXAMPLES / "digits_log.csv")
    assert [row["learning_rate"] for row in rows] == last.tolist()


def test_every_example_that_can_be_drawn_has_its_picture(tmp_path: Path) -> None:
    main(tmp_path)
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert drawn == sorted(path.name for path in PICTURES.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_picture_is_of_the_size_and_the_text_that_its_plan_gives(
    name: str, tmp_path: Path
) -> None:
    # Bytes differ between versions of matplotlib; a picture of another plan, with more or
    # fewer panels or segments to list, has another size.
    from matplotlib.image import imread

    now, then = draw(name, tmp_path), PICTURES / f"{name}.png"
    assert imread(now).shape == imread(then).shape
    assert read_stamp(now) == read_stamp(then)


def test_the_readme_shows_what_the_terminal_does() -> None:
    plan = plan_of("snapshot")
    readme = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    shown = preview(plan, 80, unicode=True, colour=False).split("\n", 1)[1]
    assert shown in readme


def test_the_readme_shows_every_picture() -> None:
    readme = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"](examples/pictures/{name}.png)" not in readme] == []
