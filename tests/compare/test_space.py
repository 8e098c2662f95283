from __future__ import annotations

import pytest

from motet.compare.space import Choice, Range, grid, shares, space, spread
from motet.errors import ConfigError
from motet.project import Project


def test_lists_and_ranges(project: Project) -> None:
    found = space(
        project,
        {
            "training.epochs": "5,10",
            "training.batch_size": [32, 64],
            "training.optimizer": "Adam,AdamW",
            "tasks.1.hidden": "[64],[64,32],[]",
            "tasks.1.dropout": ".1,.5",
            "towers.*.dim": "16..128:log",
            "weights.stars": "0..1:3",
            "weights.retrieval": ".1..1e1:log:3",
        },
    )
    assert found == {
        "training.epochs": Choice((5, 10)),
        "training.batch_size": Choice((32, 64)),
        "training.optimizer": Choice(("Adam", "AdamW")),
        "tasks.1.hidden": Choice(([64], [64, 32], [])),
        "tasks.1.dropout": Choice((0.1, 0.5)),
        "towers.*.dim": Range(16, 128, log=True),
        "weights.stars": Range(0, 1, steps=3),
        "weights.retrieval": Range(0.1, 10.0, log=True, steps=3),
    }


def test_a_grid_of_a_range_has_its_ends_and_even_steps() -> None:
    assert Range(16, 128, log=True, steps=4).grid() == (16, 32, 64, 128)
    assert Range(0.1, 10.0, log=True, steps=3).grid() == (0.1, 1.0, 10.0)
    assert Range(1, 3, steps=5).grid() == (1, 2, 3)
    ways = list(grid({"a": Choice((1, 2)), "b": Range(0.0, 1.0, steps=2)}))
    assert ways == [{"a": 1, "b": 0.0}, {"a": 1, "b": 1.0}, {"a": 2, "b": 0.0}, {"a": 2, "b": 1.0}]
    assert list(grid({})) == [{}]


def test_a_star_stands_for_every_table(project: Project) -> None:
    settings = spread(project, {"towers.*.dim": 8, "tasks.*.name": "a", "training.epochs": 3})
    assert settings == {
        "towers.user.dim": 8,
        "towers.item.dim": 8,
        "tasks.1.name": "a",
        "tasks.2.name": "a",
        "training.epochs": 3,
    }


@pytest.mark.parametrize(("tasks", "points"), [(2, 5), (3, 4), (4, 3)])
def test_shares_are_a_lattice_on_the_simplex(tasks: int, points: int) -> None:
    found = shares("abcd"[:tasks], points)
    assert all(sum(each) == pytest.approx(1) for each in found)
    assert len(set(found)) == len(found)
    corners = [each for each in found if max(each) == 1]
    assert len(corners) == tasks


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"training.epoch": [3]}, r"motet.toml \[training\]: 'epoch' is not a setting of fit; did you mean 'epochs'"),
        ({"trainin.epochs": "3,4"}, r"there is no table 'trainin'; did you mean 'training'"),
        ({"training.epochs": "few,many"}, r"\[training\]: epochs = 'few'; it must be a whole number"),
        ({"training.epochs": ".5..3"}, r"\[training\]: epochs = 0.5; it must be a whole number"),
        ({"training.epochs": []}, r"over training.epochs has no values to try; write training.epochs=5,10 or train"),
        ({"training.epochs": " "}, r"over training.epochs has no values to try"),
        ({"training.epochs": "9..3"}, r"over training.epochs=9..3:5 has no values to try; a range goes up"),
        (
            {"training.epochs": "3..9:1"},
            r"training.epochs=3..9:1 has no values to try; a range goes up, in at least 2",
        ),
        ({"weights.stars": "0..1:log"}, r"weights.stars=0..1:log:5 has no values to try; a logarithmic range sta"),
        ({"weights.stars": "0..x"}, r"over weights.stars='0..x' is not a range; write LOW..HIGH, LOW..HIGH:log"),
        (
            {"tower.*.dim": [3]},
            r"'tower.\*.dim' matches no setting: there is no table or list 'tower' in motet.toml",
        ),
        ({"validation.test": [0.1, 0.2]}, r"over validation.test: the trials would be measured on different rows; set"),
        ({"recommend.by.stars": [0, 1]}, r"over recommend.by.stars: no validation metric depends on it; set it in the"),
    ],
)
def test_mistakes(project: Project, over: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        space(project, over)  # type: ignore[arg-type]


def test_shares_need_two_tasks_and_two_points() -> None:
    with pytest.raises(ConfigError, match=r"weights=1 for 2 tasks \(a, b\): a grid of weights needs at least 2 points"):
        shares(["a", "b"], 1)
