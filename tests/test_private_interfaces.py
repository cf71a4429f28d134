"""Every private interface of a third party that the product uses, with the reason and the library's versions.

Another version of a library may rename or change these without notice. When the installed version is not
between the listed ones, look at each interface of that library, correct the code, and change the versions.
"""

from __future__ import annotations

import ast
import importlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]

VERSIONS = {
    "hydra-core": ("1.3.4", "1.3.8"),
    "omegaconf": ("2.3", "2.3.1"),
    "optuna": ("5.0", "5.0.0"),
    "submitit": ("1.5", "1.5.4"),
    "torch": ("2.10", "2.15.0"),
}
"""The distributions with private interfaces below, with the lowest and the highest version in which they were
seen to work: the quick tests pass with both (`make test-lowest`, `make test-highest`)."""


@dataclass(frozen=True)
class Private:
    """One private interface.

    file    that uses it
    name    as the file writes it: the module of an import, or the attribute
    of      the distribution
    place   where it is found: `MODULE:ATTRIBUTES`; "": an attribute that instances have
    reason  why it is used, and no public interface
    """

    file: str
    name: str
    of: str
    place: str
    reason: str


_NODES = "the public ways to read and copy a configuration check each node; each trial of a sweep does both"
_LOADER = "workers compose trials outside of `hydra.main`; only this class composes with Hydra's own node"
_FOREACH = "one kernel for all weights; the public optimizers use these too, and offer them to nobody else"

USES = (
    Private(
        "harness/config/any_letters.py",
        "_value",
        "hydra-core",
        "",
        "`value()` cannot be set, and the parser, whose method is replaced, reads ASCII keys only",
    ),
    Private(
        "harness/runtime/address.py",
        "_value",
        "omegaconf",
        "",
        "a resolver gets the node that refers to it, whose text as written has no public name",
    ),
    Private(
        "harness/runtime/config_nodes.py",
        "_content",
        "omegaconf",
        "",
        _NODES,
    ),
    Private(
        "harness/runtime/config_nodes.py",
        "_metadata",
        "omegaconf",
        "",
        _NODES,
    ),
    Private(
        "harness/runtime/config_nodes.py",
        "_parent",
        "omegaconf",
        "",
        _NODES,
    ),
    Private(
        "harness/runtime/config_nodes.py",
        "_val",
        "omegaconf",
        "",
        _NODES,
    ),
    Private(
        "harness/config/kept_yaml.py",
        "hydra._internal.sources_registry",
        "hydra-core",
        "hydra._internal.sources_registry:SourcesRegistry.resolve",
        "each composition parses all files anew, a third of its time; only the registry has who reads them",
    ),
    Private(
        "harness/config/hydra_command.py",
        "hydra._internal.utils",
        "hydra-core",
        "hydra._internal.utils:get_args_parser",
        "`auto` is replaced before `hydra.main` reads the command line, and its parser is private",
    ),
    Private(
        "harness/runtime/config_nodes.py",
        "omegaconf._utils",
        "omegaconf",
        "omegaconf._utils:get_yaml_loader",
        "`OmegaConf.load` parses with PyYAML's slow parser; only this has its rules for values and keys",
    ),
    Private(
        "harness/config/kept_yaml.py",
        "hydra._internal",
        "hydra-core",
        "hydra._internal.defaults_list:_create_interpolation_map",
        "a configuration of all choices is made for each file, a quarter of composing, and read for none",
    ),
    Private(
        "harness/config/kept_yaml.py",
        "hydra._internal.config_repository",
        "hydra-core",
        "hydra._internal.config_repository:CachingConfigRepository",
        "each one copies all registered configurations; `--help` makes 200 of them, four fifths of its time",
    ),
    Private(
        "harness/config/kept_yaml.py",
        "_create_interpolation_map",
        "hydra-core",
        "hydra._internal.defaults_list:_create_interpolation_map",
        "see above",
    ),
    Private(
        "harness/config/kept_yaml.py",
        "_get_header_dict",
        "hydra-core",
        "hydra.plugins.config_source:ConfigSource._get_header_dict",
        "a file that is read for Hydra has its `@package` line read as Hydra does",
    ),
    Private(
        "harness/config/keeping_loader.py",
        "hydra._internal.config_loader_impl",
        "hydra-core",
        "hydra._internal.config_loader_impl:ConfigLoaderImpl._compose_config_from_defaults_list",
        "each composition reads and merges all files anew; only steps of the loader can keep them",
    ),
    Private(
        "harness/config/keeping_loader.py",
        "hydra._internal.config_repository",
        "hydra-core",
        "hydra._internal.config_repository:CachingConfigRepository",
        "see above",
    ),
    Private(
        "harness/config/keeping_loader.py",
        "_map_merge",
        "omegaconf",
        "omegaconf.basecontainer:BaseContainer._map_merge",
        "`merge_with` goes through all nodes after each of some 30 files, half of the time of composing",
    ),
    Private(
        "harness/config/keeping_loader.py",
        "_re_parent",
        "omegaconf",
        "omegaconf.basecontainer:Box._re_parent",
        "see above",
    ),
    Private(
        "harness/config/yaml_text.py",
        "omegaconf._utils",
        "omegaconf",
        "omegaconf._utils:get_omega_conf_dumper",
        "`OmegaConf.to_yaml` builds a second configuration and writes it with PyYAML's slow emitter",
    ),
    Private(
        "harness/config/compose.py",
        "hydra._internal.config_loader_impl",
        "hydra-core",
        "hydra._internal.config_loader_impl:ConfigLoaderImpl.load_configuration",
        _LOADER,
    ),
    Private(
        "harness/config/compose.py",
        "hydra._internal.config_search_path_impl",
        "hydra-core",
        "hydra._internal.config_search_path_impl:ConfigSearchPathImpl.append",
        _LOADER,
    ),
    Private(
        "harness/config/compose.py",
        "_apply_overrides_to_config",
        "hydra-core",
        "hydra._internal.config_loader_impl:ConfigLoaderImpl._apply_overrides_to_config",
        "values are set on a configuration that is composed once, instead of composing for each of them",
    ),
    Private(
        "harness/config/hydra_command.py",
        "hydra._internal.callbacks",
        "hydra-core",
        "hydra._internal.callbacks:Callbacks",
        "`hydra.main` composes twice, a tenth of a second each; without it, callbacks are built here",
    ),
    Private(
        "harness/sweep/control/worker_pool.py",
        "_return_value",
        "hydra-core",
        "",
        "the property `return_value` writes to stderr and raises where a job failed",
    ),
    Private(
        "harness/sweep/study/journal_storage.py",
        "_study_id_to_trial_ids",
        "optuna",
        "",
        "a claim looks at the trials that have not ended; the public methods give or search all of them",
    ),
    Private(
        "harness/sweep/study/optuna_internals.py",
        "_storage",
        "optuna",
        "",
        "any worker claims, requeues, freezes and ends trials; `study.ask` and `tell` are for one process",
    ),
    Private(
        "harness/sweep/study/optuna_internals.py",
        "_study_id",
        "optuna",
        "",
        "a storage knows studies by number",
    ),
    Private(
        "harness/sweep/study/optuna_internals.py",
        "_trial_id",
        "optuna",
        "",
        "a storage knows trials by number",
    ),
    Private(
        "harness/sweep/study/optuna_internals.py",
        "_try_initialization",
        "optuna",
        "optuna.pruners:HyperbandPruner._try_initialization",
        "before its first decision Hyperband takes all trials for one bracket, and TPE would draw from them",
    ),
    Private(
        "harness/sweep/launch/submitit_files.py",
        "_make_command",
        "submitit",
        "submitit.slurm.slurm:SlurmInfoWatcher._make_command",
        "submitit calls sacct again and again, also where there is none, and has no setting for it",
    ),
    Private(
        "harness/runtime/eager_optimizers.py",
        "torch.optim.optimizer",
        "torch",
        "torch.optim.optimizer:_use_grad_for_differentiable",
        "only its code shows which steps import torch._dynamo, a second of each process for nothing",
    ),
    Private(
        "harness/trainer/fsdp_shards.py",
        "_step_supports_amp_scaling",
        "torch",
        "",
        "a fused optimizer unscales gradients itself, and cannot for divided weights",
    ),
    *(
        Private(
            file,
            "_opt_called",
            "torch",
            "",
            "torch's schedulers look here whether the optimizer has taken a step; another function does",
        )
        for file in ("harness/trainer/adam_kernel.py", "harness/trainer/fused/fused_optimizer.py")
    ),
    Private(
        "harness/core/training_mode.py",
        "_modules",
        "torch",
        "",
        "each epoch lists all modules twice; the public generators also give each a name",
    ),
    Private(
        "harness/trainer/global_batch_norm.py",
        "torch.nn.modules.batchnorm",
        "torch",
        "torch.nn.modules.batchnorm:_BatchNorm",
        "the class of all batch norms, of which each is replaced; it has no public name",
    ),
    Private(
        "harness/trainer/update.py",
        "_amp_foreach_non_finite_check_and_unscale_",
        "torch",
        "torch:_amp_foreach_non_finite_check_and_unscale_",
        "one kernel finds numbers that are not finite in all gradients, as `GradScaler` does",
    ),
    Private(
        "harness/trainer/update.py",
        "_amp_update_scale_",
        "torch",
        "torch:_amp_update_scale_",
        "the next loss scale without a copy to the host, as `GradScaler` computes it",
    ),
    *(
        Private(file, f"_foreach_{name}", "torch", f"torch:_foreach_{name}", _FOREACH)
        for file, names in (
            ("harness/trainer/lars.py", ("add", "mul_", "add_", "norm")),
            ("harness/trainer/contrast/momentum_encoder.py", ("lerp_",)),
            ("harness/trainer/update.py", ("lerp_",)),
            ("harness/trainer/fused/fused_optimizer.py", ("add_",)),
            ("harness/trainer/adam_kernel.py", ("add_",)),
        )
        for name in names
    ),
    Private(
        "harness/trainer/fused/member_tensor.py",
        "_make_wrapper_subclass",
        "torch",
        "torch:Tensor._make_wrapper_subclass",
        "a tensor with the shape of another and no memory; its documentation has no public name for it",
    ),
    Private(
        "harness/trainer/fused/member_tensor.py",
        "_C",
        "torch",
        "torch:_C.DisableTorchFunctionSubclass",
        "reads what a subclass of tensors would otherwise be asked for, as its documentation does",
    ),
    *(
        Private(
            "harness/trainer/adam_kernel.py",
            name,
            "torch",
            f"torch:{name}",
            "the kernel of the public optimizer, whose `step` looks at each weight anew, in Python",
        )
        for name in ("_fused_adam_", "_fused_adamw_")
    ),
    *(
        Private(
            "harness/trainer/adam_kernel.py",
            name,
            "torch",
            place,
            "who observes the steps of an optimizer is called by its own `step` alone",
        )
        for name, place in (
            ("_optimizer_step_pre_hooks", ""),
            ("_optimizer_step_post_hooks", ""),
            ("_global_optimizer_pre_hooks", "torch.optim.optimizer:_global_optimizer_pre_hooks"),
            ("_global_optimizer_post_hooks", "torch.optim.optimizer:_global_optimizer_post_hooks"),
            ("_profiler_enabled", "torch.autograd:_profiler_enabled"),
        )
    ),
)

DOCUMENTED = {"_exit", "_replace", "_asdict", "_fields"}
"""Names with an underscore that Python documents."""

HYDRA_KEYS = {"_target_", "_auto_", "_partial_", "_args_", "_convert_", "_recursive_"}


def private(name: str) -> bool:
    """Whether a name is private; Hydra's keys in a configuration only look so."""
    return name.startswith("_") and not name.startswith("__") and name not in HYDRA_KEYS


def uses(file: Path) -> Iterator[str]:
    """The private modules that a file imports, and the private attributes of other objects than its own."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if any(map(private, a.name.split("."))))
        elif isinstance(node, ast.ImportFrom):
            names = (node.module or "").split(".")
            if any(map(private, names)) or any(private(alias.name) for alias in node.names):
                yield node.module or ""
        elif isinstance(node, ast.Attribute) and private(node.attr) and not of_itself(node):
            yield node.attr


def of_itself(node: ast.Attribute) -> bool:
    """Whether it is an attribute of `self`, or one that Python documents."""
    own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
    return own or node.attr in DOCUMENTED


def own_names() -> set[str]:
    """Private attributes and functions that harness defines itself."""
    found = set()
    for file in (ROOT / "harness").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and of_itself(node):
                found.add(node.attr)
    return found


def found() -> set[tuple[str, str]]:
    files = [*(ROOT / "harness").rglob("*.py"), *(ROOT / "hydra_plugins").rglob("*.py")]
    return {(file.relative_to(ROOT).as_posix(), name) for file in files for name in uses(file)}


def test_each_private_interface_that_is_used_is_listed() -> None:
    listed = {(use.file, use.name) for use in USES}
    ours = own_names() - {use.name for use in USES}
    unlisted = {(file, name) for file, name in found() if name not in ours} - listed
    assert not unlisted, f"use a public interface, or list these with a reason: {sorted(unlisted)}"


def test_each_interface_that_is_listed_is_used() -> None:
    unused = {(use.file, use.name) for use in USES} - found()
    assert not unused, f"these are not used any more; take them off the list: {sorted(unused)}"


@pytest.mark.parametrize("name", VERSIONS)
def test_a_library_is_the_version_that_its_private_interfaces_were_seen_in(name: str) -> None:
    try:
        installed = metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    names = sorted({use.name for use in USES if use.of == name})
    lowest, highest = VERSIONS[name]
    assert Version(lowest) <= Version(installed) <= Version(highest), (
        f"{name} {installed} is installed, and its private interfaces were seen to work from {lowest} to "
        f"{highest}: look whether {', '.join(names)} still do the same, then change VERSIONS here"
    )


@pytest.mark.parametrize("name", VERSIONS)
def test_the_lowest_version_that_was_seen_is_the_lowest_that_is_allowed(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    lowest = [
        part.version
        for requirement in map(Requirement, listed)
        if requirement.name == name
        for part in requirement.specifier
        if part.operator == ">="
    ]
    assert lowest == [VERSIONS[name][0]]


@pytest.mark.parametrize("use", [use for use in USES if use.place], ids=lambda use: use.place)
def test_each_interface_is_still_there(use: Private) -> None:
    module, _, attributes = use.place.partition(":")
    if use.of == "submitit":
        pytest.importorskip("submitit")
    node = importlib.import_module(module)
    for name in attributes.split("."):
        node = getattr(node, name)
    assert node is not None
