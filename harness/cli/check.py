"""`python -m harness check [-m] [OVERRIDES]`: does everything before the first training step; writes
nothing."""

from __future__ import annotations

from harness.cli.json_results import CheckResult
from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser
from harness.config.choice_files import config_dir


def main(words: list[str]) -> Outcome:
    """Composes, builds and fits every part on the real rows, and prints what would run.

    With `-m`, checks a sample of configurations that covers the search space.

    Raises:
        UserError: a run would refuse the configuration.
    """
    parser = Parser("check", "Check a configuration on its data without training.")
    parser.add_argument("-m", "--multirun", action="store_true", help="check a sweep: a sample of its space")
    parser.add_argument("--config-dir", metavar="FOLDER", help="one more folder of yaml files, as for a run")
    parser.add_argument("overrides", nargs="*", help="as for a run: GROUP=CHOICE or KEY=VALUE")
    options = parser.parse_intermixed_args(words)
    with config_dir(options.config_dir):
        found = (_check_sweep if options.multirun else _check_run)(options.overrides)
    print("It fits.")
    return Outcome(found)


def _check_sweep(overrides: list[str]) -> CheckResult:
    from harness.sweep.control.follow_up import follow
    from harness.sweep.preflight.sweep_preview import preview

    lines = preview(overrides, follow)
    for line in lines:
        print(line)
    return {"sweep": lines}


def _check_run(overrides: list[str]) -> CheckResult:
    from harness.config.compose import compose
    from harness.console.text_format import terminal_width
    from harness.core.fold import count_folds, networks_of
    from harness.core.name_list import counted
    from harness.debug.debug_mode import limited, mode
    from harness.prepare.batch_size import sized
    from harness.prepare.callback_parts import build_callbacks
    from harness.prepare.column_table import TITLES, column_table, printed
    from harness.prepare.experiment import prepare
    from harness.prepare.plan import make_plan
    from harness.prepare.short_training import short_training_note

    plan = make_plan(compose(overrides))
    plan = sized(limited(plan, mode(plan.cfg)))
    experiment = prepare(plan, plan.folds[0])
    for fold in plan.folds[1:]:
        prepare(plan, fold)
    build_callbacks(plan.cfg)
    columns = column_table(plan.table, experiment.transform)
    found: CheckResult = {
        "name": str(plan.cfg.name),
        "rows": len(plan.table),
        "folds": count_folds(plan.folds),
        "parts": {part: len(rows) for part, rows in plan.folds[0].parts()},
        "positive": None if plan.table.task.positive is None else str(plan.table.task.positive),
        "parameters": experiment.parameters,
        "epochs": experiment.trainer.budget.epochs,
        "chosen": {key: str(value) for key, value in plan.chosen.items()},
        "columns": [dict(zip(TITLES, cells, strict=True)) for cells in columns],
        "findings": [
            {"check": finding.check, "severity": finding.severity, "sentence": finding.sentence}
            for finding in plan.findings
        ],
        "notes": list(plan.notes),
    }
    parts = ", ".join(f"{count} {part}" for part, count in found["parts"].items())
    networks = networks_of(plan.folds)
    folds = counted(count_folds(plan.folds), "fold")
    folds += "" if networks is None else f" of {networks} networks each"
    print(f"{found['name']}: {counted(len(plan.table), 'row')}, {folds}, the first of {parts}.")
    if found["positive"] is not None:
        print(f"positive class: {found['positive']} (another: data.extract.positive=CLASS)")
    epochs = counted(experiment.trainer.budget.epochs, "epoch")
    print(f"{counted(experiment.parameters, 'parameter')}, {epochs}.")
    for key, value in found["chosen"].items():
        print(f"auto: {key}={value}")
    for line in printed(columns, terminal_width()):
        print(line)
    for finding in plan.findings:
        if finding.severity != "fine":
            print(f"! {finding.sentence}")
    for note in filter(None, [*plan.notes, short_training_note(experiment)]):
        print(f"! {note}")
    return found
