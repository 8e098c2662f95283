"""Mix: whose batches come when, what tasks see of them, and that training resumes to the same bits."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
import torch

from motet import FeatureTower, Model, fit
from motet.data.log import EventLog
from motet.data.mix import Mix
from motet.data.recent import recent
from motet.data.schema import Categorical, Numeric, Schema
from motet.errors import ConfigError, DataError
from motet.tasks import Rating, Retrieval
from motet.towers import ContextTower

SURVEY = Schema(signals=("stars",))


@pytest.fixture
def clicks() -> EventLog:
    rows = range(100)
    events = {
        "user_id": [row % 12 for row in rows],
        "item_id": [row % 7 for row in rows],
        "event": ["click" if row % 3 else "view" for row in rows],
        "hour": [float(row % 24) for row in rows],
    }
    return EventLog.read(pl.DataFrame(events), Schema(event="event", context_features={"hour": Numeric()}))


@pytest.fixture
def survey(clicks: EventLog) -> EventLog:
    rows = range(30)
    events = {
        "user_id": [row % 11 for row in rows],
        "item_id": [row % 5 for row in rows],
        "stars": [float(row % 5) for row in rows],
    }
    return clicks.encode(pl.DataFrame(events), schema=SURVEY)


def model_of(log: EventLog) -> Model:
    torch.manual_seed(0)
    tasks = [Retrieval(positives="event == 'click'"), Rating("stars", hidden=(4,))]
    return Model(user=FeatureTower(log.users, dim=4, dropout=0.2), item=FeatureTower(log.items, dim=4), tasks=tasks)


def test_encoding_with_another_schema_keeps_users_and_items(clicks: EventLog, survey: EventLog) -> None:
    assert survey.users is clicks.users
    assert survey.schema == SURVEY
    assert list(survey.columns) == ["user_id", "item_id", "stars"]
    with pytest.raises(ConfigError, match="names the columns 'who' and 'item_id', but this log's users and items are"):
        clicks.encode(survey.frame(), schema=Schema(user="who"))


@pytest.mark.parametrize(
    ("ratio", "steps"), [((2, 1), [10, 5]), ((1, 3), [10, 30]), ((100, 1), [10, 1]), (None, [10, 3])]
)
def test_batches_come_in_the_ratio_and_evenly(
    clicks: EventLog, survey: EventLog, ratio: tuple[float, ...] | None, steps: list[int]
) -> None:
    loader = Mix([clicks, survey], ratio=ratio).loader(batch_size=10)
    batches = list(loader.epoch(0))
    turns = [int("stars" in batch) for batch in batches]
    assert len(loader) == len(batches) == sum(steps)
    assert [turns.count(which) for which in (0, 1)] == steps
    for rare in (0, 1):
        places = [place for place, which in enumerate(turns) if which == rare]
        if len(places) > 1 and turns.count(rare) < turns.count(1 - rare):
            gaps = [after - before for before, after in pairwise(places)]
            assert max(gaps) - min(gaps) <= 1


def test_an_epoch_passes_once_over_the_first_log_and_the_others_go_on(clicks: EventLog, survey: EventLog) -> None:
    loader = Mix([clicks, survey], ratio=(5, 1)).loader(batch_size=10, seed=3)
    rows = {"clicks": [], "stars": []}
    for epoch in range(3):
        clicked = [batch["hour"] for batch in loader.epoch(epoch) if "stars" not in batch]
        assert sorted(torch.cat(clicked).tolist()) == sorted(clicks.columns["hour"].tolist())
        rows["stars"] += [batch["stars"] for batch in loader.epoch(epoch) if "stars" in batch]
    assert len(rows["stars"]) == 6  # twice the three batches of the survey
    for part in (rows["stars"][:3], rows["stars"][3:]):
        assert sorted(torch.cat(part).tolist()) == sorted(survey.columns["stars"].tolist())
    again = [batch.users for batch in loader.epoch(1)]
    assert all(map(torch.equal, again, [batch.users for batch in loader.epoch(1)]))


def test_all_rows_in_one_log(clicks: EventLog, survey: EventLog) -> None:
    mix = Mix([clicks, survey])
    assert len(mix.log) == 130
    assert mix.batch().columns["stars"][:100].isnan().all()
    assert not mix.log.columns["event"][100:].any()
    assert mix.log.columns["hour"][100:].isnan().all()
    assert mix.log.take(slice(0, 100)).frame()["event"].to_list() == clicks.frame()["event"].to_list()


def test_tasks_learn_from_their_own_logs(clicks: EventLog, survey: EventLog) -> None:
    model, mix = model_of(clicks), Mix([clicks, survey])
    model.prepare(mix.log)
    for batch in mix.loader(batch_size=50).epoch(0):
        assert set(model.losses(batch)) == ({"stars"} if "stars" in batch else {"retrieval"})


def test_the_first_rows_of_each_log(clicks: EventLog, survey: EventLog) -> None:
    first, second = Mix([clicks, survey]).heads(5)
    assert torch.equal(first["hour"], clicks.columns["hour"][:5])
    assert torch.equal(second["stars"], survey.columns["stars"][:5])
    assert second["hour"].isnan().all()
    assert "event" not in second


def test_towers_find_the_context_of_other_logs_unknown(clicks: EventLog, survey: EventLog) -> None:
    torch.manual_seed(0)
    user = ContextTower(clicks.users, dim=4, context={"hour": "numeric"})
    model = Model(user=user, item=FeatureTower(clicks.items, dim=4), tasks=[Rating("stars"), Retrieval()])
    history = fit(model, Mix([clicks, survey]), epochs=2, batch_size=20, progress=False)
    assert math.isfinite(history["loss/stars"][-1])


def test_resuming_ends_at_the_same_bits(clicks: EventLog, survey: EventLog, tmp_path: Path) -> None:
    mix = Mix([clicks, survey], ratio=(5, 2))
    whole, resumed = model_of(clicks), model_of(clicks)
    history = fit(whole, mix, epochs=5, batch_size=16, validation=mix.log, progress=False)
    arguments = {"batch_size": 16, "validation": mix.log, "checkpoint": tmp_path / "run", "progress": False}
    fit(model_of(clicks), mix, epochs=2, **arguments)  # type: ignore[arg-type]
    continued = fit(resumed, mix, epochs=5, resume=True, **arguments)  # type: ignore[arg-type]
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert history.drop("seconds").equals(continued.drop("seconds"))
    assert {"loss/retrieval", "loss/stars", "validation/stars/rmse"} <= set(history.columns)


def test_the_history_says_who_pulls_where_across_logs(clicks: EventLog, survey: EventLog) -> None:
    history = fit(model_of(clicks), Mix([clicks, survey]), epochs=2, batch_size=50, progress=False)
    assert (history["gradient/retrieval"] + history["gradient/stars"]).to_list() == pytest.approx([1, 1])
    assert history.select("gradient/retrieval", "gradient/stars").min_horizontal().min() > 0  # type: ignore[operator]
    assert history["cosine/retrieval/stars"].is_between(-1, 1).all()


def test_refusals(clicks: EventLog, survey: EventLog) -> None:
    with pytest.raises(ConfigError, match="1 log in a mix; it takes at least two"):
        Mix([clicks])
    for ratio in ((1.0,), (1.0, 0.0), (1.0, float("nan"))):
        with pytest.raises(ConfigError, match=r"ratio=\(.*\) for 2 logs; it must be one positive number per log"):
            Mix([clicks, survey], ratio=ratio)
    alone = EventLog.read(survey.frame(), SURVEY)
    with pytest.raises(
        DataError, match=r"log 2 of the mix numbers 'user_id' differently from the first; .* encode\(source"
    ):
        Mix([clicks, alone])
    shifted = clicks.frame().with_columns(pl.col("item_id") + 1)  # as many items, and others
    with pytest.raises(DataError, match="log 2 of the mix numbers 'item_id' differently from the first"):
        Mix([clicks, EventLog.read(shifted, clicks.schema)])
    timed = clicks.encode(survey.frame().with_columns(time=pl.lit(5)), schema=Schema(time="time"))
    with pytest.raises(
        DataError, match="the time column of the mix's first log is None, but that of log 2 is 'time'; use"
    ):
        Mix([clicks, timed])
    schema = Schema(context_features={"event": Categorical()})
    events = survey.frame().select("user_id", "item_id", pl.lit("buy").alias("event"))
    other = EventLog(schema, clicks.users, clicks.items, *_other_events(events, schema))
    with pytest.raises(DataError, match="log 2 of the mix numbers the values of 'event' differently from a log before"):
        Mix([clicks, other])
    timed = [clicks.encode(clicks.frame().with_columns(t=pl.lit(5)), schema=Schema(time="t")) for _ in range(2)]
    with pytest.raises(
        DataError, match="column 'recent' holds 3 values a row in log 2 of the mix, and 2 in one before"
    ):
        Mix([recent(timed[0], 2), recent(timed[1], 3)])
    with pytest.raises(DataError, match="log 3 of the mix numbers the values of 'event' differently from a log before"):
        Mix([survey, clicks, other])


def _other_events(events: pl.DataFrame, schema: Schema) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    log = EventLog.read(events, schema)
    return log.columns, dict(log.vocabs)


def test_a_log_that_no_task_reads_is_refused(clicks: EventLog, survey: EventLog) -> None:
    model = model_of(clicks)
    model.weights = {"stars": 0.0}
    with pytest.raises(DataError, match=r"no trained task finds its columns in epoch 1, batch .* user_id, item_id"):
        fit(model, Mix([clicks, survey]), epochs=1, batch_size=20, progress=False)
