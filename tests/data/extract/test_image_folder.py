import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.core.errors import UserError


def picture(path, size=(40, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def refuse(make, words, **changes):
    with pytest.raises(UserError, match=words) as found:
        make("image_folder", **changes)()
    assert str(found.value).count(". ") == 0
    assert "\n" not in str(found.value)


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    for name in ("dog/p1-a.jpg", "dog/p2-a.png", "cat/deep/p1-b.JPG", "cat/p2-c.webp", "cat/.hidden.jpg"):
        picture(root / name)
    (root / "dog" / "notes.txt").write_text("no image")
    return root


def test_the_class_of_an_image_is_its_folder(make, photos):
    table = make("image_folder", path=str(photos))()
    names = ["cat/deep/p1-b.JPG", "cat/p2-c.webp", "dog/p1-a.jpg", "dog/p2-a.png"]
    assert table.frame["path"].tolist() == [str(photos / name) for name in names]
    assert table.labels.tolist() == ["cat", "cat", "dog", "dog"]
    assert (table.kind, table.features, table.shape) == ("image", ("path",), None)
    assert (table.name, table.source) == ("photos", str(photos))


@pytest.mark.parametrize(
    ("folders", "classes", "parts"),
    [
        (["train/a", "test/a", "train/b/c"], ["a", "a", "b"], ["test", "train", "train"]),
        (["Training/a", "val/b"], ["a", "b"], ["train", "valid"]),
        (["train/a", "other/b"], ["other", "train"], None),
        (["test/a", "val/b"], ["test", "val"], None),
    ],
)
def test_folders_of_parts_are_a_column_and_not_the_classes(make, tmp_path, folders, classes, parts):
    for folder in folders:
        picture(tmp_path / folder / "x.png")
    frame = make("image_folder", path=str(tmp_path))().frame
    assert frame["class"].tolist() == classes
    assert (frame["part"].tolist() if "part" in frame else None) == parts
    assert "part" not in make("image_folder", path=str(tmp_path), part_folders=False)().frame


def test_an_image_that_lies_beside_the_classes_of_its_part_is_named(make, tmp_path):
    for name in ("train/a/x.png", "test/y.png"):
        picture(tmp_path / name)
    refuse(make, "the class of an image is its folder, and .*test/y.png lies in none", path=str(tmp_path))
    assert make("image_folder", path=str(tmp_path), target=None)().frame["part"].tolist() == ["test", "train"]


def test_a_group_may_stand_in_the_path(make, photos):
    table = make("image_folder", path=str(photos), group_pattern=r"/(p\d)-")()
    assert table.groups.tolist() == ["p1", "p2", "p1", "p2"]
    words = (
        r"data.extract.group_pattern=-\(a\) is not in 'cat/deep/p1-b.JPG'; write one that is in every path."
    )
    refuse(make, words, path=str(photos), group_pattern="-(a)")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"group_pattern": "(p"}, r"group_pattern must be a regular expression, got '\(p': missing \)"),
        ({"group_pattern": "p"}, "group_pattern must have a group in parentheses, got 'p'"),
        ({"suffixes": ["jpg"]}, r"suffixes must each begin with a full stop, as .jpg does, got \['jpg'\]"),
        ({"suffixes": []}, "suffixes must each begin"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make, changes, words):
    refuse(make, f"data.extract.{words}", **changes)


def test_only_files_with_the_set_suffixes_are_read(make, photos):
    found = make("image_folder", path=str(photos), suffixes=[".jpg"])().frame["path"]
    assert [Path(path).name for path in found] == ["p1-b.JPG", "p1-a.jpg"]
    words = (
        "photos holds no file that ends in .bmp or .tif; name another folder, or set data.extract.suffixes."
    )
    refuse(make, words, path=str(photos), suffixes=[".bmp", ".tif"])


def test_an_image_outside_of_the_class_folders_is_refused_unless_there_is_no_target(make, photos):
    picture(photos / "stray.png")
    words = (
        "the class of an image is its folder, and .*stray.png lies in none below .*photos; move it, or name"
    )
    refuse(make, words, path=str(photos))
    assert len(make("image_folder", path=str(photos), target=None)()) == 5


def test_a_table_may_list_the_images_and_their_roles(make, photos, tmp_path):
    listed = tmp_path / "labels.csv"
    listed.write_text("file,age,patient\ndog/p1-a.jpg,31,007\ncat/p2-c.webp,40,008\n")
    roles = {"target": "age", "group": "patient", "path_column": "file", "task": "regression"}
    table = make("image_folder", path=str(photos), table=str(listed), **roles)()
    assert table.frame["file"].tolist() == [str(photos / "dog/p1-a.jpg"), str(photos / "cat/p2-c.webp")]
    assert table.features == ("file",)
    assert table.labels.tolist() == [31, 40]
    assert table.groups.tolist() == ["007", "008"]
    words = (
        "data.extract.path_column names the column 'path', which .*labels.csv does not have; there are age"
    )
    refuse(make, words, path=str(photos), table=str(listed), target="age")


def test_a_group_of_the_table_is_not_replaced(make, photos, tmp_path):
    listed = tmp_path / "labels.csv"
    listed.write_text("path,class,group\ndog/p1-a.jpg,a,1\n")
    words = (
        "data.extract.group_pattern makes a column 'group', which .*labels.csv has already; leave one out."
    )
    refuse(make, words, path=str(photos), table=str(listed), group_pattern="(p.)")


def test_an_image_that_is_listed_and_not_there_is_named(make, photos, tmp_path):
    listed = tmp_path / "labels.csv"
    listed.write_text("path,class\ndog/p1-a.jpg,a\ndog/p9.jpg,b\n,b\n")
    words = (
        r"labels.csv names the image 'dog/p9.jpg', which is not in .*photos \(2 of 3 are not\); correct the"
    )
    refuse(make, words, path=str(photos), table=str(listed))


def test_a_table_that_cannot_be_read_is_named(make, photos, tmp_path):
    listed = tmp_path / "labels.csv"
    listed.write_text("path,class\na,b\na,b,c,d\n")
    words = "line 3 of .*labels.csv has 4 cells, and the first line names 2 columns"
    refuse(make, words, path=str(photos), table=str(listed))
    listed.write_text("")
    words = (
        "data.extract.table=.*labels.csv cannot be read as comma-separated text in UTF-8: No columns .*; save"
    )
    refuse(make, words, path=str(photos), table=str(listed))


def truncated(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize("name", ["dog/p1-a.jpg", "dog/p2-a.png", "cat/p2-c.webp"])
def test_a_truncated_image_is_named_before_anything_is_trained(make, photos, name):
    truncated(photos / name)
    words = (
        f"every image must be readable, and 1 of 4 cannot be decoded, first .*{name} .*; correct or remove"
    )
    refuse(make, words, path=str(photos))


def test_unreadable_images_may_be_left_out_with_a_warning(make, photos, caplog):
    truncated(photos / "dog/p1-a.jpg")
    (photos / "dog/p2-a.png").write_text("no image")
    with caplog.at_level(logging.WARNING, logger="harness"):
        table = make("image_folder", path=str(photos), unreadable="skip", target=None)()
    assert [Path(path).name for path in table.frame["path"]] == ["p1-b.JPG", "p2-c.webp"]
    assert list(table.frame.index) == [0, 1]
    words = f"2 of 4 images cannot be read and are left out, first {photos / 'dog/p1-a.jpg'} ("
    assert [message.startswith(words) for message in caplog.messages] == [True]


def test_no_image_at_all_is_no_image(make, photos):
    (photos / "dog/p2-a.png").write_text("no image")
    refuse(make, r"first .*p2-a.png \(no image\); correct", path=str(photos))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_images_of_any_mode_are_decoded(make, tmp_path, mode):
    picture(tmp_path / "a" / "1.jpg", (7, 3), mode)
    picture(tmp_path / "b" / "1.jpg", (300, 200), mode)
    assert len(make("image_folder", path=str(tmp_path))()) == 2


def test_no_path_and_a_file_as_path_are_refused(make, photos):
    refuse(make, "data.extract.path needs the folder of the images; give data.extract.path=FOLDER.")
    refuse(make, "notes.txt is a file, and a folder is needed", path=str(photos / "dog" / "notes.txt"))


def test_the_fingerprint_is_that_of_the_images(make, photos):
    extractor = make("image_folder", path=str(photos))
    before = extractor.fingerprint()
    (photos / "dog" / "notes.txt").write_text("not looked at")
    assert extractor.fingerprint() == before
    picture(photos / "dog" / "p3.jpg")
    assert extractor.fingerprint() != before


def test_the_fingerprint_is_that_of_the_table_and_the_images_in_it(make, photos, tmp_path):
    listed = tmp_path / "labels.csv"
    listed.write_text("path,class\ndog/p1-a.jpg,a\n")
    extractor = make("image_folder", path=str(photos), table=str(listed), suffixes=[".bmp"])
    seen = [extractor.fingerprint()]
    assert extractor.fingerprint() == seen[0]
    listed.write_text("path,class\ndog/p1-a.jpg,b\n")
    seen.append(extractor.fingerprint())
    truncated(photos / "dog/p1-a.jpg")
    seen.append(extractor.fingerprint())
    assert len(set(seen)) == 3


def test_the_digest_depends_on_the_content_of_the_files(make, tmp_path):
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (3, 3), 5).save(tmp_path / name)
    before = make("image_folder", path=str(tmp_path))().digest
    assert make("image_folder", path=str(tmp_path))().digest == before
    Image.new("L", (3, 3), 6).save(tmp_path / "a/1.png")
    assert make("image_folder", path=str(tmp_path))().digest != before
