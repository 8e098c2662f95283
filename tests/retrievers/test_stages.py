"""Stages: what finds candidates, checked."""

from __future__ import annotations

import pytest

from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.model import Model
from motet.retrievers import Touched, stages
from motet.tasks import Event, Retrieval
from motet.towers import FeatureTower


@pytest.fixture(scope="module")
def model(shop: EventLog) -> Model:
    return Model(
        user=FeatureTower(shop.users, dim=4),
        item=FeatureTower(shop.items, dim=4),
        tasks=[Retrieval("view"), Retrieval("buy"), Event("bought")],
    )


def test_each_stage_is_a_tuple_of_its_sources(model: Model) -> None:
    touched = Touched("event == 'view'", by="bought")
    assert stages([touched, ["view", "buy"]], model) == ((touched,), ("view", "buy"))
    assert stages(["buy"], model) == (("buy",),)


@pytest.mark.usefixtures("unchecked_types")
def test_what_could_never_be_asked_is_refused(model: Model) -> None:
    touched = Touched("event == 'view'")
    for wrong, words in (
        ([], r"retrieve=\[\]; give at least one stage, and each stage a task that retrieves"),
        ("view", "retrieve='view' must be of type list or tuple; write a list of stages, such as retrieve="),
        (touched, r"retrieve=Touched\(...\) must be of type list or tuple; write a list of stages"),
        (["Touched"], r"retrieve names 'Touched', .* A retriever is passed as an object, such as Touched\("),
        ([touched, []], "each stage a task that retrieves or a retriever"),
        (["vew"], r"retrieve names 'vew', .*; did you mean 'view'\? These do: view, buy"),
        (["bought"], "retrieve names 'bought', which is no task that ranks the whole catalogue"),
        (["view", "buy"], r"task 'view' ranks .* never be reached; .* retrieve=\[..., \['view', ...\]\]"),
        ([7], r"retrieve holds 7 of type int; it takes names of tasks, retrievers such as Alike\(neighbours\), and"),
        ([Touched("event == 'view'", by="bougt")], r"Touched\(by='bougt'\) names no task; did you mean 'bought'"),
    ):
        with pytest.raises(ConfigError, match=words):
            stages(wrong, model)
