"""Files that builds share are there whole or not at all, and nothing stays that nobody needs."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from pathlib import Path

import pytest
from build.tiny import until, write_tree
from lambda_build.cache import (
    Cache,
    directory_written_aside,
    keep_facts,
    kept_facts,
    locked,
    remove_unfinished,
    sha256_of,
    sweep,
    written_aside,
)
from lambda_build.errors import OutputError


def test_the_cache_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMBDA_BUILD_CACHE", str(tmp_path / "named"))
    assert Cache.default().root == tmp_path / "named"
    monkeypatch.delenv("LAMBDA_BUILD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Cache.default().root == tmp_path / "xdg" / "lambda-build"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Cache.default().root == tmp_path / "home" / ".cache" / "lambda-build"


def test_without_a_home_the_refusal_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("LAMBDA_BUILD_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", refuse)
    with pytest.raises(OutputError, match="export LAMBDA_BUILD_CACHE="):
        Cache.default()


def test_a_file_appears_whole_with_a_fixed_mode(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "file"
    with written_aside(file) as aside:
        aside.write_text("half")
        assert not file.exists()
    assert file.read_text() == "half"
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(file.parent.iterdir()) == [file]


def break_off(file: Path, text: str) -> None:
    with written_aside(file) as aside:
        aside.write_text(text)
        raise KeyboardInterrupt


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_tree(tmp_path, {"file": "old"})
    with pytest.raises(KeyboardInterrupt):
        break_off(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_of_two_who_make_one_folder_the_first_ones_stays(tmp_path: Path) -> None:
    with directory_written_aside(tmp_path / "made") as aside:
        write_tree(aside, {"file": "second"})
        write_tree(tmp_path / "made", {"file": "first"})
    assert (tmp_path / "made/file").read_text() == "first"
    assert list(tmp_path.iterdir()) == [tmp_path / "made"]


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """A file as the build writes them, with facts about it beside it."""
    file = tmp_path / "file"
    with written_aside(file) as aside:
        aside.write_text("old")
    keep_facts(tmp_path / "facts", file, sha256_of(file), ["a fact"])
    return file


def test_facts_about_a_file_are_kept_and_the_file_is_not_read_again(known: Path) -> None:
    facts, sha256 = known.with_name("facts"), sha256_of(known)
    assert kept_facts(facts, known, sha256) == ["a fact"]
    assert kept_facts(facts, known) == ["a fact"]
    # A hash that the file does not have: who read the file would see it.
    keep_facts(facts, known, "not its hash", ["another"])
    assert kept_facts(facts, known, "not its hash") == ["another"]
    assert kept_facts(facts, known, sha256) is None


@pytest.mark.parametrize("text", ["new", "longer"])
@pytest.mark.parametrize("hides", [False, True])
def test_facts_about_a_file_that_somebody_wrote_to_are_not_given(
    known: Path, text: str, *, hides: bool
) -> None:
    before = known.stat()
    time.sleep(0.02)  # a tick of the file system's clock
    known.write_text(text)
    if hides:
        os.utime(known, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert kept_facts(known.with_name("facts"), known) is None


def test_facts_are_given_again_for_a_file_with_other_times_and_the_same_bytes(known: Path) -> None:
    facts = known.with_name("facts")
    kept = facts.read_bytes()
    os.utime(known, (0, 0))
    assert kept_facts(facts, known) == ["a fact"]
    assert facts.read_bytes() != kept  # with the new times, so that it is hashed once only
    known.unlink()
    assert kept_facts(facts, known) is None


def test_a_file_whose_times_would_not_tell_is_hashed_each_time(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")  # its two times are one: who writes within the same tick leaves no trace
    keep_facts(tmp_path / "facts", file, "not its hash", ["a fact"])
    assert kept_facts(tmp_path / "facts", file) is None


def test_facts_that_were_edited_are_none(known: Path) -> None:
    facts = known.with_name("facts")
    facts.write_text(facts.read_text().replace("a fact", "a lie"))
    assert kept_facts(facts, known) is None


def test_what_is_being_written_is_removed_when_the_process_has_to_end(tmp_path: Path) -> None:
    with written_aside(tmp_path / "file") as aside, directory_written_aside(tmp_path / "d") as made:
        assert {aside, made} == set(tmp_path.iterdir())
        remove_unfinished()
        assert list(tmp_path.iterdir()) == []
        aside.touch()  # so that the block can end well
        made.mkdir()


def test_sweeping_removes_leftovers_of_one_path_or_all_that_are_old(tmp_path: Path) -> None:
    names = [".a.zip.x1.aside", ".a.zip.x2.aside", ".b.zip.x1.aside", "a.zip", ".hidden"]
    write_tree(tmp_path, dict.fromkeys(names, ""))
    sweep(tmp_path, older_than_s=60)
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    sweep(tmp_path, tmp_path / "a.zip")
    assert {path.name for path in tmp_path.iterdir()} == set(names[2:])
    os.utime(tmp_path / names[2], (0, 0))
    sweep(tmp_path, older_than_s=60)
    assert {path.name for path in tmp_path.iterdir()} == set(names[3:])


def test_a_lock_keeps_others_out_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / ".lock"
    with locked(path):
        handle = os.open(path, os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)
    assert list(path.parent.iterdir()) == []


def test_who_waited_for_a_lock_holds_one_that_keeps_others_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / ".lock"
    holds, done = threading.Event(), threading.Event()

    def wait() -> None:
        with locked(path):
            holds.set()
            done.wait(60)

    caplog.set_level(logging.INFO)
    waiting = threading.Thread(target=wait)
    with locked(path):
        waiting.start()
        until(lambda: "waiting for another build" in caplog.text)
        assert not holds.is_set()
    assert holds.wait(60)
    # The first one removed its file: the second must hold the lock on a file that others find.
    handle = os.open(path, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)
    done.set()
    waiting.join()
    assert list(tmp_path.iterdir()) == []
