"""Entries appear whole or not at all, and the least recently used goes first."""

import os
import threading
import time
from pathlib import Path

import pytest

from harness.data.cache.cache_store import SEAL, Store


def writer(content: bytes):
    return lambda folder: (folder / "content.bin").write_bytes(content)


def test_what_was_kept_is_found_again(tmp_path):
    store = Store(tmp_path / "cache", 1000)
    assert store.find("a") is None
    assert store.keep("a", writer(b"12345")) == 5
    assert (store.find("a") / "content.bin").read_bytes() == b"12345"


def test_looking_for_an_entry_leaves_nothing_behind(tmp_path):
    store = Store(tmp_path / "cache", 1000)
    with store.making("a"):
        store.find("a")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_no_entry(tmp_path):
    store = Store(tmp_path, 1000)

    def fail(folder: Path) -> None:
        (folder / "content.bin").write_bytes(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        store.keep("a", fail)
    assert store.find("a") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [b"123", b"1234567", None])
def test_an_entry_with_a_torn_or_missing_file_is_not_found(tmp_path, damage):
    store = Store(tmp_path, 1000)
    store.keep("a", writer(b"12345"))
    file = tmp_path / "a" / "content.bin"
    file.unlink() if damage is None else file.write_bytes(damage)
    assert store.find("a") is None


def test_an_entry_without_its_seal_is_not_found(tmp_path):
    store = Store(tmp_path, 1000)
    store.keep("a", writer(b"12345"))
    (tmp_path / "a" / SEAL).unlink()
    assert store.find("a") is None


def test_the_least_recently_used_entries_make_room(tmp_path):
    store = Store(tmp_path, 540)  # three entries of 100 bytes and their seals
    for number, key in enumerate("abc"):
        store.keep(key, writer(bytes(100)))
        os.utime(tmp_path / key, (number + 1, number + 1))
    store.find("a")  # used just now
    store.keep("d", writer(bytes(100)))
    assert {entry.name for entry in tmp_path.iterdir()} == {"a", "c", "d"}


def test_an_entry_larger_than_the_limit_is_not_kept_and_removes_nothing(tmp_path):
    store = Store(tmp_path, 300)
    store.keep("small", writer(bytes(100)))
    assert store.keep("large", writer(bytes(301))) == 301
    assert store.find("large") is None
    assert store.find("small") is not None


def test_entries_being_written_stay_and_abandoned_ones_are_removed(tmp_path):
    store = Store(tmp_path, 1000)
    for name, age in ((".writing", 0), (".abandoned", 48 * 3600)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    store.keep("a", writer(b"1"))
    assert {entry.name for entry in tmp_path.iterdir()} == {"a", ".writing"}


def test_entries_are_dropped_by_the_beginning_of_their_key(tmp_path):
    store = Store(tmp_path, 1000)
    for key in ("token-a", "token-b", "other"):
        store.keep(key, writer(b"1"))
    store.drop("token-")
    assert {entry.name for entry in tmp_path.iterdir()} == {"other"}


def test_a_dropped_entry_can_still_be_read_by_who_has_it_mapped(tmp_path):
    import numpy as np

    store = Store(tmp_path, 10_000)
    store.keep("a", lambda folder: np.save(folder / "x.npy", np.arange(100)))
    mapped = np.load(store.find("a") / "x.npy", mmap_mode="r")
    store.drop("a")
    assert mapped.sum() == 4950


def test_only_one_makes_an_entry_and_the_others_find_it(tmp_path):
    made = []

    def work() -> None:
        store = Store(tmp_path / "cache", 1000)
        with store.making("a"):
            if store.find("a") is None:
                made.append(threading.get_ident())
                time.sleep(0.05)
                store.keep("a", writer(b"1"))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_without_a_place_for_locks_everyone_makes_an_entry(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    monkeypatch.setattr("getpass.getuser", lambda: 1 / 0)  # a user without a name, as in a container
    store = Store(tmp_path / "cache", 1000)
    with store.making("a"):
        store.keep("a", writer(b"1"))
    assert store.find("a")
