"""A feature of a request that does not match its declaration is named, with its value and the rule."""

from __future__ import annotations

import re

import polars as pl
import pytest
import torch

from motet import EventLog, Schema
from motet.data.request_features import request_features
from motet.data.schema import Categorical, MultiValued, Numeric, Text, Timestamp
from motet.errors import DataError

KINDS = {"age": Numeric(), "joined": Timestamp(), "region": Categorical(), "tags": MultiValued(), "about": Text()}
LOG = EventLog.read(
    pl.DataFrame(
        {"user_id": [1, 2], "item_id": [5, 6], "age": [30, 40], "joined": ["2024-05-31", "2025-05-31"]}
        | {"region": [7, 9], "tags": ["a|b", "b"], "about": ["likes films", "likes books"]}
    ),
    Schema(user_features=KINDS),
)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("age", "old", "a number, finite in 32 bits"),
        ("age", 1e300, "a number, finite in 32 bits"),
        ("joined", "31.5.2024", "a time: seconds since 1970, or ISO 8601 text such as '2024-05-31T18:00:00'"),
        ("region", "north", "a whole number"),
        ("tags", 3, "a list, each of its values text, or text joined by '|'"),
        ("about", 3, "text"),
    ],
)
def test_what_does_not_match_its_declaration(name: str, value: object, rule: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(f'feature {name!r} is {value!r}; it must be {rule}')}$"):
        request_features({name: value}, [3], torch.tensor([0]), LOG.users, list(KINDS), {})
