"""What the best score of a sweep is worth, and which trials cannot be distinguished from the best."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from harness.console.text_format import recommendation_sentence, selection_sentence


@dataclass(frozen=True)
class Selection:
    """The price of choosing the best trial; the entry `selection` of the sweep's `result.json`.

    score       name of the objective
    trials      how many complete trials were compared
    expected    the score that the best trial is expected to have on new rows
    ci95        its 95 % interval
    rows        validation rows, a row of several folds once
    groups      groups among them, which are drawn as a whole; None without groups
    equivalent  numbers of the trials that cannot be distinguished from the best, best first, itself included
    simplest    {"number", "parameters", "seconds"} of the one with the fewest parameters
    best        as `simplest`, of the best trial
    default     number of the trial with the default configuration; None: there is none
    recommended number of the trial to use: the default where it is one of `equivalent`, else the best
    """

    score: str
    trials: int
    expected: float
    ci95: list[float]
    rows: int
    groups: int | None
    equivalent: list[int]
    simplest: dict[str, Any]
    best: dict[str, Any]
    default: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "recommended": self.recommended}

    @property
    def recommended(self) -> int:
        best: int = self.best["number"]
        return self.default if self.default in self.equivalent else best

    @property
    def sentence(self) -> str:
        """`after choosing among 50 trials expect valid/accuracy 0.9720 [0.9622, 0.9803]`."""
        return selection_sentence(self.score, self.trials, self.expected, self.ci95)

    @property
    def recommendation(self) -> str:
        """Which trial to use, and why; "" where it is the best."""
        if self.recommended == self.best["number"]:
            return ""
        return recommendation_sentence(self.recommended)

    @property
    def equivalents_sentence(self) -> str:
        """How many trials equal the best, whether the default is one, and which of them is the simplest."""
        others = len(self.equivalent) - 1
        if others < 1:
            return "no other trial equals the best within the chance of the validation rows"
        count = "1 trial" if others == 1 else f"{others} trials"
        if self.default in self.equivalent and self.default != self.best["number"]:
            count += f", the default configuration (trial {self.default}) among them,"
        text = f"{count} cannot be distinguished from the best"
        if self.simplest["number"] == self.best["number"]:
            return f"{text}, which is the simplest of them"
        own, best = self.simplest["parameters"], self.best["parameters"]
        text += f"; the simplest is trial {self.simplest['number']}"
        if own is None or best is None:  # a trial that counted none
            return text
        return f"{text} ({own:,.0f} parameters instead of {best:,.0f})"
