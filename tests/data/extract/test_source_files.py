from pathlib import Path

import pytest

from harness.core.errors import UserError
from harness.data.extract.source_files import file, folder, matching

KEY = "data.extract.path"


@pytest.fixture
def tree(tmp_path):
    for name in ("b.csv", "a.csv", "deep/er/c.csv", "deep/d.txt", "_kept.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def names(paths, root):
    return [str(path.relative_to(root)) for path in paths]


def test_files_come_sorted_and_each_once(tree):
    listed = [str(tree / "b.csv"), str(tree / "*.csv")]
    assert names(matching(listed, KEY), tree) == ["a.csv", "b.csv"]


def test_two_stars_mean_any_depth(tree):
    assert names(matching(str(tree / "**/*.csv"), KEY), tree) == [
        "a.csv",
        "b.csv",
        "deep/er/c.csv",
    ]


def test_a_folder_may_mean_its_files(tree):
    found = matching(str(tree / "deep"), KEY, within="**/*.csv")
    assert names(found, tree) == ["deep/er/c.csv"]


def test_a_tilde_is_the_home_folder(tree, monkeypatch):
    monkeypatch.setenv("HOME", str(tree))
    assert file("~/a.csv", KEY) == tree / "a.csv"
    assert matching("~/?.csv", KEY) == [tree / "a.csv", tree / "b.csv"]


def test_a_file_may_have_the_name_of_a_pattern(tree):
    (tree / "a[1].csv").write_text("x")
    assert matching(str(tree / "a[1].csv"), KEY) == [tree / "a[1].csv"]


@pytest.mark.parametrize(
    ("find", "name", "rule", "remedy"),
    [
        (matching, "z*.csv", "{} matches no file", "relative patterns start at "),
        (matching, "*.xlsx", "{} is a spreadsheet, which is not read", "save its sheet as a CSV file"),
        (file, "Umsätze 2024.XLS", "{} is a spreadsheet, which is not read", "save its sheet as a CSV file"),
        (matching, "deep", "{} is a folder, and a file is needed", "there is only d.txt."),
        (
            file,
            "aa.csv",
            "{} does not exist",
            "among the .csv files of its folder, did you mean a.csv?",
        ),
        (file, "aa.tsv", "{} does not exist", "its folder has no .tsv files; correct the path"),
        (folder, "depe", "{} does not exist", "among the folders of its folder, did you mean deep?"),
        (folder, "away/deep", "{} does not exist, nor does its folder", "relative paths start at "),
        (folder, "a.csv", "{} is a file, and a folder is needed", "name the folder that holds it"),
    ],
)
def test_a_name_without_a_file_is_refused_with_the_nearest(tree, find, name, rule, remedy):
    with pytest.raises(UserError) as caught:
        find(str(tree / name), KEY)
    assert (caught.value.rule, caught.value.key) == (rule.format(f"{KEY}={tree / name}"), KEY)
    assert caught.value.remedy == (f"{remedy}{Path.cwd()}" if remedy.endswith(" ") else remedy)


def test_an_empty_list_is_refused():
    with pytest.raises(UserError, match="is an empty list; name a file or more"):
        matching([], KEY)


@pytest.mark.parametrize("find", [matching, file, folder])
@pytest.mark.parametrize("name", ["https://host/x.csv", "s3://bucket/x*.csv", "hf://a/b"])
def test_an_address_is_refused_as_typed(find, name):
    with pytest.raises(UserError) as caught:
        find(name, KEY)
    assert caught.value.rule == f"{KEY}={name} is an address, and a file or folder of this machine is needed"
    assert caught.value.remedy == "download it, and name the path"
