"""Writes a SQLite database of hospitals, patients and visits. All of it is synthetic: nobody is ill.

    python examples/hospital/generate.py hospital.db

The rows are made so that three honest questions have three answers:

* Each patient has a steady profile of laboratory values, and mostly the same outcome at every visit. Who
  has met the patient can recall the outcome; that is no medicine.
* Creatinine and age raise the risk in every patient; that is what can be learned for a new one.
* Every hospital's analyser is calibrated a little differently, and its patients differ in risk; that is
  what a model has not seen when it comes to a new hospital.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd

HOSPITALS = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir")
VALUES = ("albumin", "calcium", "chloride", "glucose", "haemoglobin", "lipase", "potassium", "sodium")


def hospitals(rng: np.random.Generator) -> pd.DataFrame:
    """Six rows: how the analyser is off, in standard deviations, and how ill the patients are."""
    return pd.DataFrame(
        {
            "hospital_id": range(len(HOSPITALS)),
            "hospital": HOSPITALS,
            "offset": rng.normal(0, 1.5, len(HOSPITALS)).round(3),
            "burden": rng.normal(0, 1.0, len(HOSPITALS)).round(3),
        }
    )


def patients(rng: np.random.Generator, wards: pd.DataFrame, count: int) -> pd.DataFrame:
    """Who they are, where they go, and their steady laboratory profile."""
    frame = pd.DataFrame({"patient_id": [f"P{number:04d}" for number in rng.permutation(count)]})
    frame["hospital_id"] = rng.integers(0, len(wards), count)
    frame["age"] = rng.integers(30, 90, count)
    frame["sex"] = rng.choice(["female", "male"], count)
    for name in VALUES:
        frame[name] = rng.normal(size=count)
    frame["creatinine"] = rng.normal(size=count)
    risk = (
        2.0 * frame["creatinine"]
        + (frame["age"] - 60) / 18
        + wards["burden"].to_numpy()[frame["hospital_id"]]
    )
    frame["frail"] = rng.random(count) < 1 / (1 + np.exp(-(risk + rng.normal(0, 1.0, count))))
    return frame


def visits(rng: np.random.Generator, wards: pd.DataFrame, people: pd.DataFrame, each: int) -> pd.DataFrame:
    """What was measured at each visit, and whether the patient was back within 30 days."""
    rows = people.loc[people.index.repeat(each)].reset_index(drop=True)
    shift = wards["offset"].to_numpy()[rows["hospital_id"]]
    frame = pd.DataFrame({"visit_id": range(len(rows)), "patient_id": rows["patient_id"]})
    days = pd.to_timedelta(rng.integers(0, 1500, len(rows)), unit="D")
    frame["visited_on"] = (pd.Timestamp("2020-01-01") + days).strftime("%Y-%m-%d")
    for name in (*VALUES, "creatinine"):
        frame[name] = (rows[name] + shift + rng.normal(0, 0.15, len(rows))).round(3)
    frame.loc[rng.random(len(rows)) < 0.05, "lipase"] = None  # not always ordered
    outcome = np.where(rng.random(len(rows)) < 0.92, rows["frail"], ~rows["frail"])
    frame["readmitted"] = np.where(outcome, "yes", "no")
    return frame


def main(path: Path, count: int = 180, each: int = 6) -> None:
    """Writes the tables `hospital`, `patient` and `visit`; the same rows every time."""
    rng = np.random.default_rng(2026)
    wards = hospitals(rng)
    people = patients(rng, wards, count)
    seen = visits(rng, wards, people, each)
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database:
        wards[["hospital_id", "hospital"]].to_sql("hospital", database, index=False)
        people[["patient_id", "hospital_id", "age", "sex"]].to_sql("patient", database, index=False)
        seen.to_sql("visit", database, index=False)
    print(f"{path}: {len(wards)} hospitals, {len(people)} patients, {len(seen)} visits, all synthetic")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "hospital.db"))
