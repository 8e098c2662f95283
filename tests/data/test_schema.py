from __future__ import annotations

import json

import pytest

from motet.data.schema import Categorical, MultiValued, Numeric, Schema, Text, Timestamp
from motet.errors import ConfigError

FULL = Schema(
    user="u",
    item="i",
    time="t",
    signals=("click", "stars"),
    user_features={"country": Categorical(), "since": Timestamp()},
    item_features={"genres": MultiValued(separator=", "), "title": Text(max_tokens=7)},
    context_features={"price": Numeric()},
)


def test_json_round_trip() -> None:
    assert Schema.from_json(FULL.to_json()) == FULL
    assert Schema.from_json("{}") == Schema()


def test_columns_are_those_of_the_log() -> None:
    assert FULL.columns == ("u", "i", "t", "click", "stars", "price")
    assert Schema().columns == ("user_id", "item_id")


def test_a_list_of_signals_is_kept_as_a_tuple() -> None:
    assert Schema(signals=["click"]).signals == ("click",)


def test_the_id_may_be_a_feature_of_its_own_side() -> None:
    assert Schema(item="title", item_features={"title": Text()}).item_features["title"] == Text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"signals": "rating"}, r"signals='rating' is a string; give a sequence: signals=\('rating',\)"),
        (
            {"time": "user_id"},
            "column 'user_id' has two roles; ids, time, event, signals and context_features each need a column",
        ),
        ({"signals": ("a", "a")}, "column 'a' has two roles"),
        ({"user": 0}, "column 0 is of type int; column names are text"),
        ({"user_features": {"age": Numeric}}, r"user_features\['age'\] is the class Numeric; write Numeric\(\)"),
        (
            {"item_features": {"age": "numeric"}},
            r"\['age'\] is 'numeric', which is not a kind of feature; use one of Categ",
        ),
        ({"context_features": {"tags": MultiValued()}}, r"\['tags'\] is MultiValued; a context feature has one value"),
        ({"context_features": {"query": Text()}}, r"\['query'\] is Text; a context feature has one value per event"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_refuses(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Schema(**arguments)  # type: ignore[arg-type]


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"MultiValued\(separator=''\) separates nothing"):
        MultiValued(separator="")
    with pytest.raises(
        ConfigError, match=r"Numeric\(buckets=1\) distinguishes nothing; use 2 or more, or None for a linear effect"
    ):
        Numeric(buckets=1)
    with pytest.raises(ConfigError, match=r"Text\(max_tokens=0\) keeps no word; use 1 or more"):
        Text(max_tokens=0)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", "not the JSON of a schema: "),
        ("3", "not the JSON of a schema: "),
        ('{"user_features": {"age": 3}}', "not the JSON of a schema: "),
        ('{"signals": null}', "not the JSON of a schema: "),
        ('{"user": 3}', "column 3 is of type int; column names are text"),
        ('{"users": "u"}', "a schema has no field 'users'; did you mean 'user'"),
        ('{"zzz": "u"}', r"a schema has no field 'zzz'. Fields: user, item"),
        (
            json.dumps({"user_features": {"age": {"kind": "numerc"}}}),
            "'age' has the unknown kind 'numerc'; did you mean",
        ),
        (
            json.dumps({"user_features": {"age": {"kind": "numeric", "log": 1}}}),
            "of kind 'numeric' has no setting 'log'",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_refuses_json(document: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Schema.from_json(document)
