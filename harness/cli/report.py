"""`python -m harness report RUN`: writes an HTML page about a run, in one file that needs no network."""

from __future__ import annotations

from pathlib import Path

from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser
from harness.core.errors import UserError


def main(words: list[str]) -> Outcome:
    """Writes the page and prints where it is.

    Raises:
        UserError: there is no such run, it is a sweep, or the page cannot be written.
    """
    parser = Parser("report", "One page about a run: scores, curves, errors and what they came from.")
    parser.add_argument("run", help="a run, or a fold of one, such as last/fold-2")
    parser.add_argument("--out", type=Path, help="the file to write (default: report.html in its folder)")
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    parser.add_argument("--outputs", default="outputs", help="where the runs are (default: %(default)s)")
    options = parser.parse_args(words)

    from harness.runs.outputs import Outputs
    from harness.tracking.fetch_run import fetcher

    outputs = Path(options.outputs)
    _refuse_sweep(options.run, outputs)
    logged = Outputs(outputs).find(options.run, fetcher())

    from harness.cli.remake_page import remake_page
    from harness.report.run_page import REPORT

    folder = logged.folder if logged.fold is None else logged.folder / f"fold-{logged.fold}"
    path = (folder / REPORT if options.out is None else options.out).absolute()
    if path.is_dir() or not path.parent.is_dir():
        raise UserError(f"{path} is no place for a page", "give --out a file in a folder that there is")
    try:
        absent = remake_page(logged, outputs, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror})", "give another with --out") from error
    if absent:
        print(f"! {absent}")
    print(path)
    if options.open:
        import webbrowser

        webbrowser.open(path.as_uri())
    return Outcome({"file": str(path), "remark": absent})


def _refuse_sweep(word: str, outputs: Path) -> None:
    from harness.runs.outputs import Outputs

    folder = Outputs(outputs).sweep_folder(word)
    if folder is None:
        return
    raise UserError(
        f"{word} is a sweep, and a sweep has its own report.html",
        f"open {folder / 'report.html'}, or name one of its runs: {word}/0, or {word}/best",
        value=word,
    )
