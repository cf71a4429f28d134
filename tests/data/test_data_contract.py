"""What every part of the data rooms must keep, for each yaml of its group."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import get_class, instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from harness import testing
from harness.config.choice_files import CONF
from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.table import Table
from harness.testing.transform_suite import arranged, samples


def yamls(group: str) -> list[Path]:
    return sorted(
        path for path in (CONF / "data" / group).glob("*.yaml") if "_target_" in OmegaConf.load(path)
    )


def each(group: str):
    return pytest.mark.parametrize("yaml", yamls(group), ids=lambda path: path.stem)


def build(yaml: Path, **changes: object):
    node = OmegaConf.load(yaml)
    node.pop("defaults", None)
    return instantiate(node, _convert_="all", **changes)


def arguments(target: type) -> set[str]:
    """Those of the constructor, and of its parent's where it passes `**roles` on."""
    found: set[str] = set()
    for maker in (vars(cls)["__init__"] for cls in target.__mro__[:-1] if "__init__" in vars(cls)):
        parameters = inspect.signature(maker).parameters.values()
        found |= {p.name for p in parameters if p.kind is not p.VAR_KEYWORD and p.name != "self"}
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break
    return found


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
    below = {name for entry in node.get("defaults", []) if entry != "_self_" for name in entry}
    assert set(node) - {"_target_", "defaults"} | below == arguments(target)
    assert target.__module__.startswith(f"harness.data.{yaml.parent.name}.")


class TestTransforms(testing.TestTransforms):
    conf = CONF
    kinds = {"image": "image", "sequence": "sequence"}  # noqa: RUF012

    def test_the_samples_have_the_shape_that_follows_from_the_columns(self, choice):
        table = self.table(choice)
        transform = self.fitted(choice, table)
        shapes = {"tabular": (18,), "image": (1, 4, 4), "sequence": (64, 19)}
        assert transform(arranged(transform, table)).shape == shapes[choice]

    def test_a_column_that_new_rows_lack_is_reported_with_its_near_miss(self, choice):
        table = self.table(choice)
        transform = self.fitted(choice, table)
        frame = table.frame.rename(columns={"x3": "X3"})
        with pytest.raises(UserError, match=r"visits lacks the column 'x3', .*; did you mean"):
            samples(transform, Table(frame, ("X3",), name="visits", kind=table.kind, id=table.id))


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
    from harness.core.arrays import Arrays
    from harness.core.task import Task

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


@pytest.mark.slow
def test_the_default_data_set_is_extracted_and_transformed_without_scikit_learn():
    program = (
        "import sys, numpy as np\n"
        "from harness.data.extract.bundled import Bundled\n"
        "from harness.data.extract.csv import Csv\n"
        "from harness.data.transform.tabular import Tabular\n"
        "from harness.data.transform.image import Image\n"
        "from harness.split.ratio import Ratio\n"
        "table = Bundled(name='digits', kind='image', shape=[1, 8, 8], target='digit', group='writer',\n"
        "                id=None, time=None, features=None, keep=[], drop=[],\n"
        "                task='auto', infinite='error')()\n"
        "fold, = Ratio(test=0.2, valid=0.15, stratify=True, grouped=False, shuffle=True, seed=0)(table)\n"
        "image = Image(size=None, resize='crop', channels=None, normalise=True, statistics=4096)\n"
        "image.fit(table, fold.train, table.task)\n"
        "image(table)\n"
        "print([name for name in ('sklearn', 'scipy', 'skops') if name in sys.modules])\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
