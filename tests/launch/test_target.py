from __future__ import annotations

from pathlib import Path

import pytest

from lrdsl.training.target import Kind, Target, TargetError, read_words


@pytest.fixture(autouse=True)
def folder_with_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").touch()
    (tmp_path / "a=b.py").touch()
    (tmp_path / "odd:name.py").touch()


@pytest.mark.parametrize(
    ("words", "target", "arguments"),
    [
        ("train.py", Target(Kind.SCRIPT, "train.py"), ""),
        ("train.py --r=16 a=b -m x", Target(Kind.SCRIPT, "train.py"), "--r=16 a=b -m x"),
        ("-- train.py --x", Target(Kind.SCRIPT, "train.py"), "--x"),
        ("train.py -- --x", Target(Kind.SCRIPT, "train.py"), "--x"),
        ("train.py -- -- --x", Target(Kind.SCRIPT, "train.py"), "-- --x"),
        ("./a=b.py 1", Target(Kind.SCRIPT, "./a=b.py"), "1"),
        ("odd:name.py", Target(Kind.SCRIPT, "odd:name.py"), ""),
        ("-m pkg.train --x", Target(Kind.MODULE, "pkg.train"), "--x"),
        ("-mpkg.train --x", Target(Kind.MODULE, "pkg.train"), "--x"),
        ("pkg.train:main --x", Target(Kind.FUNCTION, "pkg.train:main"), "--x"),
        ("pkg:Job.run", Target(Kind.FUNCTION, "pkg:Job.run"), ""),
    ],
)
def test_what_to_run_is_read_from_the_words(words: str, target: Target, arguments: str) -> None:
    read = read_words(words.split())
    assert read.target == target
    assert list(read.arguments) == arguments.split()


def test_overrides_stand_in_front_of_the_script_only() -> None:
    read = read_words(["peak=0.05", "name=a b", "empty=", "train.py", "other=1"])
    assert read.overrides == ("peak=0.05", "name=a b", "empty=")
    assert read.arguments == ("other=1",)


def test_module_option_makes_the_script_a_module() -> None:
    read = read_words(["peak=1", "pkg.train", "-x"], module=True)
    assert read.target == Target(Kind.MODULE, "pkg.train")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "nothing to run: after FILE comes SCRIPT, `-m MODULE` or `MODULE:FUNCTION`"),
        ("peak=1", "nothing to run: after FILE comes SCRIPT, `-m MODULE` or `MODULE:FUNCTION`"),
        ("--yes train.py", "options of `lrdsl train` go in front of FILE: `lrdsl train --yes"),
        ("-m", "`-m` needs the name of a module"),
        ("-m train.py", "`train.py` is a file: leave `-m` out"),
        ("-m ./train", "`./train` is not the name of a module"),
        ("nope.py", "there is no file `nope.py`"),
        ("pkg.train", "there is no file `pkg.train`; for a module write `-m pkg.train`"),
        ("pkg.train:", "a function is written `<module>:<function>`"),
        (":main", "a function is written `<module>:<function>`"),
    ],
)
def test_words_that_do_not_say_what_to_run(words: str, message: str) -> None:
    with pytest.raises(TargetError) as caught:
        read_words(words.split())
    assert message in str(caught.value)
