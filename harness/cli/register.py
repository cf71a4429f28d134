"""`python -m harness register RUN --name NAME`: registers the model in MLflow if it meets the conditions."""

from __future__ import annotations

from pathlib import Path

from harness.cli.json_results import RegisterResult
from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser
from harness.core.errors import UserError


def main(words: list[str]) -> Outcome:
    """Prints a line per condition and step; returns 1, and registers nothing, if a condition is not met.

    Raises:
        UserError: there is no such run or score, or the registry does not answer.
    """
    options = _parser().parse_args(words)

    from harness.bundle import allowlist
    from harness.deploy import registration_gate
    from harness.deploy.model_registry import place
    from harness.deploy.register_run import Wanted, candidate, promote
    from harness.runs.outputs import Outputs
    from harness.tracking.fetch_run import fetcher

    outputs = Path(options.outputs)
    if options.by is not None and options.better_than is None:
        raise UserError("--by says by which score --better-than compares", "give both, or neither")
    wanted = Wanted(
        options.name,
        options.alias,
        [registration_gate.parse(word) for word in options.conditions],
        options.better_than,
        options.by,
        options.ensemble,
    )
    logged = Outputs(outputs).find(options.run, fetcher())
    allowlist.check_models(logged, outputs, options.allow)
    chosen = candidate(logged, wanted.together)
    own = logged.state is not None and not allowlist.foreign(logged, outputs)
    uri = place(options.uri, logged.state.uri if own and logged.state is not None else None, outputs)
    verdicts = []
    for verdict in promote(chosen, wanted, uri, outputs):
        print(verdict.line, flush=True)
        verdicts.append(verdict)
    passed = all(verdict.passed for verdict in verdicts)
    if not passed:
        print(f"refused: nothing was registered as {wanted.name}.")
    found: RegisterResult = {
        "name": wanted.name,
        "registered": passed,
        "verdicts": [{"passed": verdict.passed, "line": verdict.line} for verdict in verdicts],
    }
    return Outcome(found, status=0 if passed else 1)


def _parser() -> Parser:
    parser = Parser("register", "Make a run's model a version in MLflow's registry.")
    parser.add_argument("run", metavar="RUN", help="a run, or RUN/fold-K")
    parser.add_argument("--name", required=True, help="of the registered model, made where there is none")
    parser.add_argument("--alias", help="that the version gets, such as champion")
    parser.add_argument(
        "--if",
        dest="conditions",
        metavar="CONDITION",
        action="append",
        default=[],
        help="a score and its bound, 'test/accuracy>=0.97'; may be repeated, and all must hold",
    )
    parser.add_argument(
        "--better-than", metavar="ALIAS", help="the version that it must beat, on the same rows"
    )
    parser.add_argument(
        "--by", metavar="SCORE", help="what decides that (default: the monitored score, of test rows)"
    )
    parser.add_argument("--ensemble", action="store_true", help="put the models of several folds together")
    parser.add_argument("--outputs", default="outputs", help="where the runs are (default: %(default)s)")
    parser.add_argument(
        "--uri", help="MLflow's address (default: where the run is, else the store in the outputs)"
    )
    parser.allow()
    return parser
