from pathlib import Path

import pytest
import torch

from harness.data.load import free_memory


def test_the_available_memory_is_read_from_the_kernel(tmp_path: Path):
    (tmp_path / "meminfo").write_text("MemTotal:  100 kB\nMemAvailable:    70 kB\n")
    assert free_memory.available(tmp_path / "meminfo") == 70 * 1024


def test_without_memory_statistics_half_of_the_memory_counts_as_free(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("os.sysconf", {"SC_PHYS_PAGES": 10, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert free_memory.available(tmp_path / "none") == 5 * 4096


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"memory.max": "1000\n", "memory.current": "600\n"}, 400),
        ({"memory.max": "1000", "memory.current": "600", "memory.stat": "anon 1\ninactive_file 250\n"}, 650),
        ({"memory.max": "1000", "memory.current": "1600"}, 0),
        (
            {
                "memory/memory.limit_in_bytes": "900",
                "memory/memory.usage_in_bytes": "500",
                "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 100\n",
            },
            500,
        ),
    ],
    ids=["version 2", "file cache", "exceeded", "version 1"],
)
def test_the_limit_of_a_container_counts(files, left, tmp_path, monkeypatch):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(free_memory, "_CGROUP", tmp_path)
    assert free_memory.free(torch.device("cpu")) == left


def test_a_container_without_a_limit_has_what_the_machine_has(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("600\n")
    monkeypatch.setattr(free_memory, "_CGROUP", tmp_path)
    monkeypatch.setattr(free_memory, "available", lambda: 12345)
    assert free_memory.free(torch.device("cpu")) == 12345


def test_amounts_are_written_in_megabytes_and_gigabytes():
    assert [free_memory.amount(size) for size in (460_032, 19_140_000_000)] == ["0.5 MB", "19.1 GB"]
