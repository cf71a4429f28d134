"""`python -m harness serve RUN|models:/NAME@ALIAS`: serves predictions for raw rows over HTTP."""

from __future__ import annotations

from pathlib import Path

from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser


def main(words: list[str]) -> Outcome:
    """Prints the address and an example request; then the process becomes the server.

    Raises:
        UserError: there is no such model, or the address cannot be used.
    """
    parser = Parser("serve", "Answer raw rows over HTTP, as MLflow's scoring server does.")
    parser.add_argument(
        "model", metavar="RUN|models:/NAME@ALIAS", help="a run, or a model in MLflow's registry"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=5001, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that share the requests (default: %(default)s)"
    )
    parser.add_argument(
        "--max-body", type=float, default=64, help="largest request in MB (default: %(default)s)"
    )
    parser.add_argument("--outputs", default="outputs", help="where the runs are (default: %(default)s)")
    parser.add_argument("--uri", help="MLflow's address, for models:/… (default: the store in the outputs)")
    parser.allow()
    options = parser.parse_args(words)

    from harness.deploy import serve_model
    from harness.deploy.registry_download import SCHEMES

    place = serve_model.Place(options.host, options.port, options.workers, options.max_body)
    outputs = Path(options.outputs)
    serve_model.check(place)
    if options.model.startswith(SCHEMES):
        model = serve_model.of_registry(options.model, options.uri, outputs, options.allow)
    else:
        from harness.bundle import allowlist
        from harness.runs.outputs import Outputs
        from harness.tracking.fetch_run import fetcher

        logged = Outputs(outputs).find(options.model, fetcher(options.uri))
        allowlist.check_models(logged, outputs, options.allow)
        model = serve_model.of_bundle(logged.model, logged.label, outputs)
    print(f"{place.address}  (Ctrl-C ends it)")
    print(serve_model.request(model, place), flush=True)
    pages = {"predictions": f"{place.address}/invocations"}
    return Outcome({"address": place.address, "pages": pages}, then=lambda: serve_model.become(model, place))
