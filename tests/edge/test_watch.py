"""Looking at files: a change is told once, and only when it has stood still."""

import os
from pathlib import Path

from edge.watch import FileWatch, digests


def watch_of(*files: Path) -> FileWatch:
    return FileWatch(lambda: files, content=digests(files))


def test_a_change_is_told_once_and_after_it_stood_still(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("1")
    watch = watch_of(file)
    assert [watch.look() for _ in range(3)] == [False, False, False]
    file.write_text("22")
    assert watch.look() is False
    file.write_text("333")
    assert watch.look() is False
    assert [watch.look() for _ in range(3)] == [True, False, False]


def test_a_file_that_was_only_touched_or_replaced_by_the_same_is_no_change(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("1")
    watch = watch_of(file)
    watch.look()
    os.utime(file, ns=(1, 1))
    assert [watch.look() for _ in range(3)] == [False, False, False]
    (tmp_path / "b").write_text("1")
    (tmp_path / "b").rename(file)
    assert [watch.look() for _ in range(3)] == [False, False, False]


def test_a_file_that_changed_between_reading_and_watching_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("1")
    watch = FileWatch(lambda: [file], content=digests([file]))
    file.write_text("2")
    assert [watch.look() for _ in range(3)] == [False, True, False]


def test_files_that_go_and_come_are_changes(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("1")
    watch = FileWatch(lambda: sorted(tmp_path.iterdir()), content=digests([file]))
    watch.look()
    watch.look()
    (tmp_path / "b").write_text("new")
    assert [watch.look() for _ in range(3)] == [False, True, False]
    file.unlink()
    assert [watch.look() for _ in range(3)] == [False, True, False]
