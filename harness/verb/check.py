"""`python -m harness check [OVERRIDES]`: everything up to the first training step, and nothing written."""

from __future__ import annotations

from harness.verb.parser import Parser


def main(words: list[str]) -> None:
    """Composes, builds and fits every part on the real rows, and says what would run.

    Raises:
        UserError: what a run would refuse.
    """
    parser = Parser("check", "Check a configuration on its data without training.")
    parser.add_argument("overrides", nargs="*", help="as for a run: GROUP=CHOICE or KEY=VALUE")
    overrides = parser.parse_args(words).overrides

    from harness.compose import compose
    from harness.experiment import prepare
    from harness.run import plan

    cfg, chosen, table, folds = plan(compose(overrides))
    experiment = prepare(cfg, table, folds[0])
    for fold in folds[1:]:
        prepare(cfg, table, fold)
    parts = ", ".join(f"{len(rows)} {part}" for part, rows in folds[0].parts())
    counted = f"{len(folds)} fold{'s' if len(folds) > 1 else ''}"
    print(f"{cfg.name}: {len(table)} rows, {counted}, the first of {parts};")
    print(f"{experiment.parameters:,} parameters, {experiment.trainer.epochs} epochs.")
    for key, value in chosen.items():
        print(f"auto: {key}={value}")
    print("It fits.")
