"""What a command line and `sweep.space` must not say."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from harness.config.overrides import Overrides
from harness.core.errors import UserError
from harness.sweep.space.override_grammar import unreadable
from harness.sweep.space.read_space import check_swept
from harness.sweep.space.search_space import Space

Build = Callable[..., Space]

FORMS = r"values are A,B or choice\(A,B\), range\(START,STOP,STEP\), interval\(LOW,HIGH\), .+ glob\(PATTERN\)"
EMPTY = r" holds no value; give one or more: lr=A,B,C\.$"
NO_VALUE = (
    r" lists what is no value; a value is null, true, false, a number, a text, a list or a mapping, while an "
    r"interval, a range and a pattern cannot be in a list\.$"
)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("lr=choice()", EMPTY),
        ("lr=sort()", EMPTY),
        ("lr=range(1,0)", EMPTY),
        ("lr=range(0.5,0.1,0.1)", EMPTY),
        ("lr=range(0,1,0)", r": the step of a range must not be 0; leave it out for 1\.$"),
        ("lr=range(0,inf)", r": start, stop and step of a range must be finite numbers\.$"),
        (
            "lr=interval(2,1)",
            r": the first end of an interval must be .+, got 2\.0 and 1\.0; a single value is lr=1\.0\.",
        ),
        ("lr=interval(1,1)", r": the first end .+, got 1\.0 and 1\.0; a single value is lr=1\.0\.$"),
        (
            "lr=int(interval(0.2,0.8))",
            r": the first .+, got 0 and 0; int\(…\) cuts off what follows the point; .+ is lr=0\.$",
        ),
        ("lr=interval(0,nan)", r": the ends of an interval must be finite numbers, got 0\.0 and nan\.$"),
        ("lr=interval(-inf,0)", r": the ends of an interval must be finite numbers, got -inf and 0\.0\.$"),
        ("lr=int(interval(1,inf))", r": the ends of an interval must be finite numbers\.$"),
        (
            "lr=tag(log,interval(0,1))",
            r": a logarithmic interval must begin above 0, got 0\.0; raise it, or leave out log\.$",
        ),
        ("lr=tag(log,int(interval(-3,1)))", r": a logarithmic interval must begin above 0, got -3; .+\.$"),
        (
            "lr=tag(log,choice(1,2))",
            r" sets a logarithmic scale for listed values; write tag\(log,interval\(LOW,HIGH\)\)\.$",
        ),
        (
            "lr=tag(log,range(1,9))",
            r": a range has equal steps and no logarithmic scale; write tag\(log,int\(interval\(…\)\)\)\.$",
        ),
        ("lr=tag(wide,interval(0,1))", rf": log is the only tag, got wide; {FORMS}\.$"),
        ("lr=tag(wide,choice(0,1))", rf": log is the only tag, got wide; {FORMS}\.$"),
        ("lr=tag(wide,range(0,9))", rf": log is the only tag, got wide; {FORMS}\.$"),
        (
            "lr=tag(step=2,interval(0,1))",
            rf" cannot be read; log is the only tag; {FORMS}; other texts need quotes",
        ),
        (
            "lr=uniform(0,1)",
            rf" cannot be read \(Unknown function 'uniform'\); {FORMS}; other texts need quotes",
        ),
        ("lr=str(interval(0,1))", r" cannot be read \(Intervals cannot be cast to str\); values are"),
        ("lr=(1", r" cannot be read; values are .+; other texts need quotes within the shell's\.$"),
        ("lr=choice(1,null)", r": null is possible in a plain list only; write lr=A,null\.$"),
        ("lr=1,interval(0,1)", NO_VALUE),
        ("lr=[choice(1,2)]", NO_VALUE),
        ("lr=a,glob(*)", NO_VALUE),
        ("lr=1,2,1", r" lists 1 twice; name each value once\.$"),
        ("lr='a',a", r" lists a twice; name each value once\.$"),
        ("lr=1,true", r" lists 1 and true, which count as one value; name each value once\.$"),
        ("lr=1,1.0", r" lists 1 and 1\.0, which count as one value; name each value once\.$"),
        ("~lr=1,2", r" takes lr away, which has no values; sweep over lr=A,B\.$"),
        ("model=glob(z*)", r" matches no choice of model; there are auto, convnet, .+\.$"),
    ],
)
def test_values_that_no_sampler_could_use_are_refused(space: Build, word: str, sentence: str) -> None:
    with pytest.raises(UserError, match=rf"^{re.escape(word)}{sentence}"):
        space(word)


@pytest.mark.parametrize(
    "key",
    ["hydra.verbose", "sweep", "sweep.trials", "sweep/sampler", "outputs", "resume.run", "tracking.uri"],
)
def test_what_belongs_to_the_sweep_as_a_whole_is_not_swept(space: Build, key: str) -> None:
    sentence = rf"^{key} is the same for all trials and cannot be swept; give it one value: {key}=VALUE\.$"
    with pytest.raises(UserError, match=sentence):
        space(f"{key}=a,b")
    with pytest.raises(UserError, match=sentence):
        space(**{key: "a,b"})


def test_settings_of_the_sweep_with_several_values_are_refused_before_they_are_read() -> None:
    check_swept(Overrides.parse(["sweep=tpe", "model=mlp,vit", "sweep.trials=3"]))
    with pytest.raises(UserError, match=r"^sweep is the same for all trials .+: sweep=VALUE\.$"):
        check_swept(Overrides.parse(["model=mlp,vit", "sweep=tpe,random"]))


@pytest.mark.parametrize(
    "word",
    [
        "data.extract.url=postgresql://me:hidden@host/db,x",
        "+headers.api_key=hidden,other",
        "+headers={authorization: hidden},{authorization: other}",
        "data.extract.url='host=a password=hidden',x",
    ],
)
def test_a_password_is_not_swept_because_a_study_writes_values_down(space: Build, word: str) -> None:
    with pytest.raises(
        UserError, match=r"^the values of \S+ hold a password, .+: '\$\{oc\.env:NAME\}'\.$"
    ) as caught:
        space(word)
    assert "hidden" not in str(caught.value)
    assert space("+headers.api_key=${oc.env:A},${oc.env:B}").size == 2


def test_a_key_is_given_once(space: Build) -> None:
    for words in (("lr=1,2", "lr=3,4"), ("lr=1,2", "lr=3"), ("+lr=1", "lr=1,2")):
        one, other = words
        with pytest.raises(UserError) as caught:
            space(*words)
        assert str(caught.value) == f"lr is given twice, as {one} and as {other}; write one of them."
    with pytest.raises(
        UserError, match=r"^sweep\.space holds lr twice, written in two ways; write one of them\.$"
    ):
        space(**{"lr": "1,2", "+lr": "3,4"})


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (None, r"^sweep\.space\.lr holds no value; give one or more: lr: \[A, B, C\]\.$"),
        ({"when": "model=mlp"}, r"^sweep\.space\.lr holds no value; give one or more: lr: \[A, B, C\]\.$"),
        ([], r"^sweep\.space\.lr holds no value; give one or more: lr=A,B,C\.$"),
        ([1, 1.0], r"^sweep\.space\.lr lists 1 and 1\.0, which count as one value; name each value once\.$"),
        ([{1}], r"^sweep\.space\.lr lists what is no value; a value is null, .+\.$"),
        (
            "interval(1,0)",
            r"^in sweep\.space, lr=interval\(1,0\): the first end of an interval must be .+\.$",
        ),
        (
            {"values": 1, "if": "model=mlp"},
            r"^sweep\.space\.lr takes values and when, got if; an entry is KEY: VALUES or KEY: \{values: "
            r"VALUES, when: OTHER=CHOICE\}\.$",
        ),
        (
            {"value": [1, 2]},
            r"^sweep\.space\.lr takes values and when, got value; an entry is KEY: VALUES or .+\.$",
        ),
        (
            {"whem": "model=mlp"},
            r"^sweep\.space\.lr takes values and when, got whem; an entry is KEY: VALUES or .+\.$",
        ),
        (
            {"values": "1,2", "when": {"model": "mlp"}},
            r"^sweep\.space\.lr\.when must be OTHER=CHOICE, or a list of such, got \{'model': 'mlp'\}\.$",
        ),
        (
            {"values": "1,2", "when": "model"},
            r"^in sweep\.space\.lr\.when, model cannot be read; values are .+\.$",
        ),
        (
            {"values": "1,2", "when": "modell=mlp"},
            r"^sweep\.space\.lr\.when looks at modell, which is not swept; did you mean model\?$",
        ),
        (
            {"values": "1,2", "when": "lr=1"},
            r"^sweep\.space\.lr\.when looks at lr, which is not swept; there are model and x\.$",
        ),
        (
            {"values": "1,2", "when": "x=0.5"},
            r"^sweep\.space\.lr\.when looks at x, an interval; a condition needs listed values: x=A,B,C\.$",
        ),
        (
            {"values": "1,2", "when": "model=mlp,vit2"},
            r"^sweep\.space\.lr\.when asks for model=vit2, which is not among .+; did you mean vit\?$",
        ),
        (
            {"values": "1,2", "when": "seed=1"},
            r"^sweep\.space\.lr\.when is seed=1, which never changes, because seed=1 holds for all trials; "
            r"sweep over seed, or leave out that condition\.$",
        ),
        (
            {"values": "1,2", "when": ["model=mlp", "model=vit"]},
            r"^sweep\.space\.lr\.when contradicts itself: no point has model=mlp and model=vit; leave .+\.$",
        ),
    ],
)
def test_an_entry_of_yaml_with_no_values_or_unknown_keys_is_refused(
    space: Build, entry: Any, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        space("seed=1", "model=mlp,vit", "x=interval(0,1)", lr=entry)


def test_a_cycle_of_conditions_is_refused(space: Build) -> None:
    with pytest.raises(
        UserError,
        match=r"^the conditions of sweep\.space form a cycle: a -> c -> b -> a; remove one of them\.$",
    ):
        space(
            a={"values": "1,2", "when": "c=1"},
            b={"values": "1,2", "when": "a=1"},
            c={"values": "1,2", "when": "b=1"},
        )


def test_the_parsers_message_becomes_one_sentence(space: Build) -> None:
    original = (
        "Error parsing 'lr=f(1)'\nHydraException while evaluating 'f(1)': Unknown function 'f'\nAvailable: …"
    )
    sentence = "lr=f(1) cannot be read (Unknown function 'f'); values are A,B or choice(A,B), range("
    assert str(unreadable("lr=f(1)", original)).startswith(sentence)


def test_a_missing_pair_of_quotes_is_shown_in_the_override_as_typed() -> None:
    typed = "++sweep.space.model.depth={values:[1,2],when:model=vit}"
    assert str(unreadable(typed, "mismatched input '='")) == (
        "sweep.space.model.depth={values:[1,2],when:model=vit} cannot be read; a condition needs quotes "
        "within the shell's: sweep.space.model.depth={values:[A,B],when:'OTHER=CHOICE'}."
    )
    typed = "sweep.constraints=[model/parameters <= 100000]"
    assert str(unreadable(typed, "token recognition error at: '<'")) == (
        f"{typed} cannot be read; comparisons need quotes within the shell's: "
        "\"sweep.constraints=['model/parameters <= 100000']\"."
    )
