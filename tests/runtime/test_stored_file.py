import os
from pathlib import Path

import pytest

from harness.core import error_text
from harness.core.error_text import mask_errors
from harness.core.errors import UserError
from harness.runtime.secret_values import Secrets
from harness.runtime.stored_file import DamagedFile, check_entries, configured_by, read_json, reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "Expecting value: line 1 column 1 (char 0)"),
        ('{"a": 1', "Expecting ',' delimiter: line 1 column 8 (char 7)"),
        ('{"b": 1}', "a is missing"),
        ('{"a": "1"}', "a: input should be a valid integer"),
        ("[1]", "its content: input should be a valid dictionary"),
        ('{"a": 1}' * 2, "Extra data: line 1 column 9 (char 8)"),
        ("[" * 100_000, "maximum recursion depth exceeded"),
    ],
)
def test_a_damaged_file_is_named_with_the_reason(tmp_path: Path, content: str, reason: str) -> None:
    from typing_extensions import TypedDict

    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(DamagedFile) as caught:
        read_json(path, TypedDict("Shape", {"a": int}))
    assert caught.value.path == path
    assert caught.value.reason.startswith(reason)


def test_a_secret_at_the_cut_is_masked_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_text, "_mask", str)
    mask_errors(Secrets(None, ["data.extract.password=Zq7-one-two-three"]).text)
    assert reason(ValueError("z" * 190 + " Zq7-one-two-three")) == "z" * 190 + " ***"
    assert reason(ValueError("z" * 1000)) == "z" * 200


def test_a_folder_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(DamagedFile) as caught:
            read_json(tmp_path / name, dict)
        assert caught.value.reason == "it is not a file"
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "absent", dict)


def test_a_folder_in_the_place_of_a_file_is_damage(tmp_path: Path) -> None:
    (tmp_path / "model" / "transform").mkdir(parents=True)
    (tmp_path / "result.json").write_text("{}")
    check_entries(tmp_path)
    (tmp_path / "fold-0" / "checks.json").mkdir(parents=True)
    with pytest.raises(DamagedFile) as caught:
        check_entries(tmp_path)
    assert caught.value.path == tmp_path / "fold-0" / "checks.json"


def test_an_error_about_a_setting_names_its_file() -> None:
    with pytest.raises(UserError) as caught, configured_by(Path("a/config.yaml")):
        raise UserError("seed must be 0 or more", "correct it", key="seed", value=-1)
    assert caught.value.rule == "a/config.yaml: seed must be 0 or more"
    assert (caught.value.key, caught.value.value) == ("seed", -1)
    with pytest.raises(DamagedFile) as damaged, configured_by(Path("a/config.yaml")):
        raise DamagedFile(Path("b"), "it is empty")
    assert damaged.value.path == Path("b")
