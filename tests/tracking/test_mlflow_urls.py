"""MLflow's pages have these addresses (3.17), a password is in none."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from harness.tracking.mlflow_urls import LOCAL, base_of, compare_page, experiment_page, metrics_page, run_page


@pytest.mark.parametrize(
    ("uri", "base"),
    [
        ("sqlite:////a/mlflow.db", LOCAL),
        ("http://host:5000/", "http://host:5000"),
        ("https://me:***@host/mlflow", "https://host/mlflow"),
        ("https://a:b@c@host:80/mlflow/?token=abc", "https://host:80/mlflow"),
        ("postgresql://host/studies", None),
        ("databricks", None),
    ],
)
def test_a_store_has_its_pages_at_its_own_address_or_where_ui_opens_them(uri: str, base: str | None) -> None:
    assert base_of(uri) == base


def test_pages_of_a_run_and_an_experiment() -> None:
    assert run_page("http://h", "3", "ab") == "http://h/#/experiments/3/runs/ab"
    assert metrics_page("http://h", "3", "ab") == "http://h/#/experiments/3/runs/ab/model-metrics"
    assert experiment_page("http://h", "3") == "http://h/#/experiments/3/runs"
    assert (
        experiment_page("http://h", "3", charts=True) == "http://h/#/experiments/3/runs?compareRunsMode=CHART"
    )


def test_the_compare_page_is_one_word_that_reads_back_as_two_json_lists() -> None:
    address = compare_page("http://h", ["a", "b"], ["1", "1"])
    assert not set(address) & set(' "[]')
    asked = parse_qs(urlsplit(urlsplit(address).fragment).query)
    assert json.loads(asked["runs"][0]) == ["a", "b"]
    assert json.loads(asked["experiments"][0]) == ["1"]
