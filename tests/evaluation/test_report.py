from __future__ import annotations

import json
import math

import pytest

from motet.evaluation import Report

REPORT = Report(
    {"rating/rmse": 0.9123, "retrieval/unseen/hit_rate@10": 0.25, "clicks/unseen/ndcg@10": math.nan},
    beside={"popularity": Report({"retrieval/unseen/hit_rate@10": 0.125}), "global mean": Report({"rating/rmse": 1.5})},
    notes=["Random rows, seed 42.", "20,000 test rows."],
    seconds=0.5,
)


def test_is_a_mapping_of_figures() -> None:
    assert REPORT["rating/rmse"] == 0.9123
    assert list(REPORT)[1] == "retrieval/unseen/hit_rate@10"
    assert len(REPORT) == 3


def test_prints_each_figure_beside_the_rules() -> None:
    lines = str(REPORT).splitlines()
    ranked = next(line for line in lines if "hit_rate@10" in line)
    assert [cell.strip() for cell in ranked.strip("│").split("│")] == [
        *("retrieval", "unseen", "hit_rate@10"),
        *("0.2500", "0.1250", "-"),
    ]
    assert "-" in next(line for line in lines if "ndcg@10" in line)
    assert lines[-2:] == ["Random rows, seed 42.", "20,000 test rows."]


def test_a_name_in_brackets_is_no_markup() -> None:
    assert "│ price [eur] │" in str(Report({"price [eur]/rmse": 1.0}))


def test_table_has_a_column_a_rule() -> None:
    headers = [column.header for column in REPORT.table().columns]
    assert headers == ["task", "protocol", "metric", "this", "popularity", "global mean"]


def test_json_holds_everything_and_no_nan() -> None:
    found = json.loads(REPORT.to_json())
    assert found["figures"] == {
        "rating/rmse": 0.9123,
        "retrieval/unseen/hit_rate@10": 0.25,
        "clicks/unseen/ndcg@10": None,
    }
    assert found["beside"]["popularity"] == {"retrieval/unseen/hit_rate@10": 0.125}
    assert found["notes"] == list(REPORT.notes)
    assert found["seconds"] == 0.5


def test_unknown_key_gets_a_hint() -> None:
    with pytest.raises(KeyError, match="'rating/rms' is not in the report; did you mean 'rating/rmse'"):
        REPORT["rating/rms"]
