"""What every part of the data rooms must keep, for each yaml of its group."""

import inspect
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra.utils import get_class, instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from harness.fold import Fold
from harness.table import Table

CONF = Path(__file__).parents[2] / "conf" / "data"


def yamls(group: str) -> list[Path]:
    return sorted(path for path in (CONF / group).glob("*.yaml") if "_target_" in OmegaConf.load(path))


def each(group: str):
    return pytest.mark.parametrize("yaml", yamls(group), ids=lambda path: path.stem)


def build(yaml: Path, **changes: object):
    return instantiate(OmegaConf.load(yaml), _convert_="all", **changes)


def make_table(image: bool, rows: int = 12) -> Table:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(3, 2, (rows, 16)), columns=[f"x{i}" for i in range(16)])
    features = tuple(frame.columns)
    frame["y"] = np.array(["cat", "dog", None], dtype=object)[np.arange(rows) % 3]
    if image:
        return Table(frame, features, target=("y",), kind="image", shape=(1, 4, 4))
    frame["colour"] = np.array(["red", "green"], dtype=object)[np.arange(rows) % 2]
    return Table(frame, (*features, "colour"), target=("y",))


@pytest.mark.parametrize(
    "yaml",
    [path for group in ("extract", "transform", "augment", "load") for path in yamls(group)],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_the_yaml_opens_with_two_comments_and_lists_every_argument(yaml):
    lines = yaml.read_text().splitlines()
    assert lines[0].startswith("# ")
    assert lines[1].startswith("# python -m harness ")
    node = OmegaConf.load(yaml)
    target = get_class(node._target_)
    expected = set() if target.__init__ is object.__init__ else set(inspect.signature(target).parameters)
    assert set(node) - {"_target_"} == expected
    assert target.__module__.startswith(f"harness.data.{yaml.parent.name}.")


@each("extract")
def test_an_extractor_gives_a_table_of_the_kind_that_its_yaml_names(yaml, tmp_path):
    changes = {}
    if yaml.stem == "csv":
        (tmp_path / "a.csv").write_text("x,y\n1,2\n3,4\n")
        changes = {"path": str(tmp_path / "a.csv"), "target": "y"}
    node = OmegaConf.load(yaml)
    table = build(yaml, **changes)()
    assert (table.kind, table.name) == (node.kind, "a" if yaml.stem == "csv" else yaml.stem)
    assert table.target
    assert not set(table.features) & {table.group, table.id, *table.target}
    assert list(table.frame.index) == list(range(len(table)))
    assert table.digest == build(yaml, **changes)().digest


@each("transform")
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), scale=st.sampled_from([1.0, 1e6, np.inf, np.nan]))
def test_a_transform_is_blind_to_test_rows(yaml, seed, scale):
    table = make_table(image=yaml.stem == "image")
    rows = np.arange(8)
    changed = table.frame.copy()
    changed.loc[8:, changed.columns[:16]] = np.random.default_rng(seed).normal(size=(4, 16)) * scale
    if "colour" in changed:
        changed.loc[8:, "colour"] = "unseen"
    other = Table(changed, table.features, target=table.target, kind=table.kind, shape=table.shape)
    one, two = build(yaml), build(yaml)
    one.fit(table, rows, table.task)
    two.fit(other, rows, other.task)
    assert torch.equal(one(table).inputs[:8], two(other).inputs[:8])
    assert two(other).inputs.isfinite().all()


@each("transform")
def test_a_restored_transform_gives_the_same_arrays_bit_for_bit(yaml):
    table = make_table(image=yaml.stem == "image")
    fitted, fresh = build(yaml), build(yaml)
    fitted.fit(table, np.arange(8), table.task)
    state = fitted.state()
    json.dumps({key: value for key, value in state.items() if not isinstance(value, bytes)})
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    fresh.restore(torch.load(buffer, weights_only=True))
    expected, found = fitted(table), fresh(table)
    assert torch.equal(found.inputs, expected.inputs)
    assert torch.equal(found.targets, expected.targets)
    assert found.task == expected.task == table.task


@each("transform")
def test_new_rows_may_lack_the_target_and_have_their_columns_in_another_order(yaml):
    table = make_table(image=yaml.stem == "image")
    transform = build(yaml)
    transform.fit(table, np.arange(8), table.task)
    frame = table.frame.iloc[[9, 3]][list(table.features)[::-1]].reset_index(drop=True)
    arrays = transform(Table(frame, tuple(frame.columns)))
    assert torch.equal(arrays.inputs, transform(table).inputs[[9, 3]])
    assert arrays.targets is None
    assert arrays.task == table.task


@each("transform")
def test_a_transform_gives_float32_inputs_and_codes_with_minus_one_for_a_missing_class(yaml):
    table = make_table(image=yaml.stem == "image")
    transform = build(yaml)
    transform.fit(table, np.arange(8), table.task)
    arrays = transform(table)
    assert arrays.inputs.dtype == torch.float32
    assert arrays.shape == ((1, 4, 4) if yaml.stem == "image" else (18,))
    assert arrays.targets.tolist() == [0, 1, -1] * 4


@each("transform")
def test_a_column_that_new_rows_lack_is_named(yaml):
    table = make_table(image=yaml.stem == "image")
    transform = build(yaml)
    transform.fit(table, np.arange(8), table.task)
    frame = table.frame.rename(columns={"x3": "X3"})
    with pytest.raises(Exception, match=r"visits lacks the column 'x3', .*; did you mean"):
        transform(Table(frame, ("X3",), name="visits"))


@each("augment")
@pytest.mark.parametrize("shape", [(6, 1, 8, 8), (4, 3, 32, 32), (2, 3, 6, 10), (5, 9), (4, 7, 3)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_an_augmentation_keeps_shape_and_dtype_and_its_input(yaml, shape, dtype):
    if yaml.stem == "image" and len(shape) != 4:
        return
    augment = build(yaml)
    inputs = torch.randn(shape).to(dtype)
    before = inputs.clone()
    outputs = augment(inputs)
    assert torch.equal(inputs, before)
    assert outputs.shape == inputs.shape
    assert outputs.dtype == dtype
    assert outputs.isfinite().all()


@each("augment")
def test_an_augmentation_follows_the_global_seed(yaml):
    augment, inputs = build(yaml), torch.randn(6, 3, 8, 8)

    def view(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return augment(inputs)

    assert torch.equal(view(1), view(1))
    assert torch.equal(view(1), view(2)) == (yaml.stem == "none")


@each("load")
@settings(max_examples=30, deadline=None)
@given(
    size=st.integers(1, 70),
    batch_size=st.integers(1, 80),
    eval_batch_size=st.integers(1, 80),
    shuffle=st.booleans(),
)
def test_a_loader_yields_every_row_once_per_epoch(yaml, size, batch_size, eval_batch_size, shuffle):
    from harness.arrays import Arrays
    from harness.task import Task

    arrays = Arrays(torch.randn(70, 2), torch.arange(70) % 3, Task("multiclass", ("a", "b", "c")))
    order = np.random.default_rng(size).permutation(70)
    train, valid = np.sort(order[:size]), np.sort(order[size:])
    load = build(yaml, batch_size=batch_size, eval_batch_size=eval_batch_size, shuffle=shuffle)
    loaders = load(arrays, Fold(0, train, valid, valid), torch.device("cpu"))
    for loader, rows in ((loaders.train, train), (loaders.valid, valid)):
        if loader is None:
            assert len(rows) == 0
            continue
        for batches in (list(loader), list(loader.ordered())):
            seen = torch.cat([batch.rows for batch in batches])
            assert sorted(seen.tolist()) == rows.tolist()
            for batch in batches:
                assert torch.equal(batch.inputs, arrays.inputs[batch.rows])
                assert torch.equal(batch.targets, arrays.targets[batch.rows])
        assert len(loader) == len(list(loader))
        assert seen.tolist() == loader.rows.tolist() == rows.tolist()
        assert torch.equal(loader.targets, arrays.targets[rows])


def test_the_default_data_set_is_extracted_and_transformed_without_scikit_learn():
    program = (
        "import sys, numpy as np\n"
        "from harness.data.extract.bundled import Bundled\n"
        "from harness.data.extract.csv import Csv\n"
        "from harness.data.transform.tabular import Tabular\n"
        "from harness.data.transform.image import Image\n"
        "from harness.split.ratio import Ratio\n"
        "table = Bundled(name='digits', kind='image', shape=[1, 8, 8], target='digit', group='writer',\n"
        "                id=None, features=None, drop=[], task='auto')()\n"
        "fold, = Ratio(test=0.2, valid=0.15, stratify=True, shuffle=True, seed=0)(table)\n"
        "image = Image(normalise=True)\n"
        "image.fit(table, fold.train, table.task)\n"
        "image(table)\n"
        "print([name for name in ('sklearn', 'scipy', 'skops') if name in sys.modules])\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
