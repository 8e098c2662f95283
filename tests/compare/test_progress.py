from __future__ import annotations

import pytest

from motet.compare.progress import trial_progress
from motet.compare.trial import Trial


@pytest.mark.parametrize(("total", "counted"), [(3, "2/3 trials"), (None, "2/? trials")])
def test_trials_are_counted_of_all_there_will_be(
    total: int | None, counted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with trial_progress(total, shown=True) as told:
        told(Trial(0, {"training.epochs": 5}, "done"))
        told(Trial(1, {"training.epochs": 7}, "pruned"))
    shown = capsys.readouterr()
    assert counted in shown.err
    assert "last: 1 pruned  training.epochs=7" in " ".join(shown.err.split("\n"))
    assert not shown.out


def test_a_name_in_brackets_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    with trial_progress(1, shown=True) as told:
        told(Trial(0, {"weights.price [eur] [/]": 5}, "done"))
    assert "weights.price [eur] [/]=5" in " ".join(capsys.readouterr().err.split())


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with trial_progress(3, shown=False) as told:
        told(Trial(0, {}, "done"))
    assert not capsys.readouterr().err
