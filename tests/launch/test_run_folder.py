from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

import pytest

from lrdsl.training.files import replacing, write_text
from lrdsl.training.run_folder import FolderError, RunFolder, default_folder

from .stand_ins import names


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def chosen(name: str = "out") -> RunFolder:
    return RunFolder(Path(name), chosen_by_user=True)


def test_default_is_named_after_the_schedule_and_the_time() -> None:
    now = datetime(2024, 1, 31, 12, 5, 9)
    assert default_folder("some/where/resnet.lrs", now) == Path("runs/resnet-20240131-120509")
    assert default_folder("-", now) == Path("runs/schedule-20240131-120509")


def test_folder_with_anything_in_it_is_refused() -> None:
    write_text(Path("there").absolute(), "")
    Path("out").mkdir()
    Path("out/mine.txt").touch()
    with pytest.raises(FolderError, match="`out` is not empty, and a run never overwrites"):
        chosen().check()
    with pytest.raises(FolderError, match="`out` is not empty"):
        chosen().reserve()
    with pytest.raises(FolderError, match="cannot use the folder `there`: Not a directory"):
        chosen("there").check()
    assert Path("out/mine.txt").exists()


def test_empty_and_new_folders_are_accepted() -> None:
    Path("out").mkdir()
    for name in ("out", "new", "deep/er/new"):
        folder = chosen(name)
        folder.check()
        folder.reserve()
        assert Path(name).is_dir()


def test_default_folder_gives_way_to_a_run_of_the_same_second() -> None:
    folders = [RunFolder(Path("runs/a-1"), chosen_by_user=False) for _ in range(3)]
    for folder in folders:
        folder.check()
        folder.reserve()
        (folder.path / "schedule.lrs").touch()
    assert [str(folder) for folder in folders] == ["runs/a-1", "runs/a-1-2", "runs/a-1-3"]


def test_of_two_runs_that_want_one_folder_the_second_is_refused() -> None:
    first, second = chosen(), chosen()
    first.reserve()
    second.reserve()
    first.claim({}, "0.1\n")
    with pytest.raises(FolderError, match="cannot write to the folder `out`: another run"):
        second.claim({}, "0.2\n")
    assert Path("out/schedule.lrs").read_text() == "0.1\n"


def test_folder_that_was_not_written_to_is_taken_away_again() -> None:
    folder = RunFolder(Path("runs/a"), chosen_by_user=False)
    folder.reserve()
    folder.release()
    assert names() == []


def test_release_leaves_what_somebody_put_there_and_what_was_there_before() -> None:
    Path("mine").mkdir()
    for name in ("mine", "new"):
        folder = chosen(name)
        folder.reserve()
        if name == "new":
            Path("new/note.txt").touch()
        folder.release()
    assert names() == ["mine", "new"]


def test_claimed_folder_stays_and_holds_schedule_and_record() -> None:
    folder = chosen()
    folder.reserve()
    folder.claim({"file": "å.lrs"}, "0.1 # ±\r\n")
    folder.release()
    assert Path("out/schedule.lrs").read_bytes() == "0.1 # ±\r\n".encode()
    assert json.loads(Path("out/run.json").read_text("utf-8")) == {"file": "å.lrs"}
    assert names("out") == ["run.json", "schedule.lrs"]


def test_path_holds_when_the_program_changes_the_working_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = chosen()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    folder.reserve()
    assert (tmp_path / "out").is_dir()
    assert str(folder) == "out"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_folder_that_cannot_be_made_is_said() -> None:
    Path("locked").mkdir(mode=0o500)
    with pytest.raises(FolderError, match="cannot make the folder `locked/out`: Permission"):
        chosen("locked/out").reserve()


def test_failed_write_leaves_the_old_file_and_nothing_else() -> None:
    path = Path("file.csv").absolute()
    write_text(path, "old")

    def interrupted() -> None:
        with replacing(path) as beside:
            beside.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        interrupted()
    assert path.read_text() == "old"
    assert names() == ["file.csv"]
