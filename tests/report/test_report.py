from __future__ import annotations

import json
import shutil
from itertools import combinations
from pathlib import Path

import pytest

from motet.artifact import folder as artifact
from motet.compare.comparison import Estimate, outcome
from motet.compare.objective import Yardstick
from motet.compare.sweep_result import Sweep
from motet.compare.trial import Trial
from motet.errors import ArtifactError, ConfigError, DataError
from motet.project import Project
from motet.recommender import Recommender
from motet.report import Record, charts, read_runs, training, write_report
from motet.report.blocks import Figures, Text
from motet.report.page import figures, sections
from motet.report.record import Lead
from motet.report.runs import Runs, Training

from .conftest import SCRIPT, TABLES

MOST = 5_000_000  # bytes of a page


def test_a_page_and_its_figures(page: Path) -> None:
    text = page.read_text()
    assert page.stat().st_size < MOST
    for words in (
        *(
            "What was trained: model",
            "How good it is: model",
            "Calibration: model",
            "Training: model",
            "Ten users: model",
        ),
        *(
            "The trade-off: sweep",
            "The comparison: comparison",
            "comparison: Joint training hurt stars.",
            "failed on 1 of 2 seeds",
        ),
        *("3 trials were trained; 2 are on the front; 1 started", "Warning: one of them is odd.", "war &amp; peace"),
        *(
            "popularity",
            "global mean",
            "95% interval",
            "FeatureTower",
            "Ticks show simple",
            "kind = &#34;Ordinal&#34;",
            "coverage@10",
        ),
    ):
        assert words in text
    assert "alert(1)</script>" not in text
    drawn = {file.stem: file.suffix for file in (page.parent / "figures").glob("*.svg")}
    assert drawn.keys() == {file.stem for file in (page.parent / "figures").glob("*.png")}
    assert {"sweep-front-stars-rmse-retrieval-unseen-ndcg-10", "model-loss-stars", "model-gradient"} <= drawn.keys()
    share = (page.parent / "figures" / "model-gradient.svg").read_text()
    assert "var(--" not in share
    assert ">Share of the gradient, by task</text>" in share


def test_simple_rules_stand_beside_every_slice(model: Path) -> None:
    record = Record.read(model)
    assert record is not None
    for name, rule in (("stars", "global mean"), ("retrieval", "popularity")):
        key = record.headlines[name]
        parts = {place: found[key] for place, found in record.slices.items() if key in found}
        assert {"users: rare", "users: heavy"} <= parts.keys()
        assert all(part.beside.keys() == {rule} for part in parts.values())
    (section,) = (each for each in training.sections("model", Training(record, None)) if each.title[:3] == "For")
    drawn = section.blocks[0]
    assert isinstance(drawn, Figures)
    (ticks,) = (each for each in drawn.figures[0].spec["layer"] if each["mark"]["type"] == "tick")
    note = section.blocks[1]
    assert isinstance(note, Text)
    assert note.paragraphs[-1].startswith("Faint ones were measured on fewer than 10 users, and may be chance: users: ")
    assert {"name": "all rows", "rule": "global mean"}.items() <= ticks["data"]["values"][-1].items()


def test_what_is_not_there_is_left_out(sweep: Path, tmp_path: Path) -> None:
    text = write_report(read_runs([sweep]), tmp_path / "report").read_text()
    assert "The trade-off" in text
    assert "Calibration" not in text
    assert "Ten users" not in text


def test_charts_of_folders_with_alike_names_are_told_apart(sweep: Path, tmp_path: Path) -> None:
    folders = [shutil.copytree(sweep, tmp_path / name) for name in ("a b", "a-b", "a  b")]
    names = [figure.name for figure in figures(sections(read_runs(folders)))]
    one = "a-b-front-stars-rmse-retrieval-unseen-ndcg-10"
    assert names == [one, f"{one}-2", f"{one}-3"]


def test_simple_rules_stand_beside_the_front(sweep: Path, page: Path) -> None:
    """In the chart, in the table, and as the point from which the hypervolume is counted."""
    found = read_runs([sweep]).sweeps["sweep"]
    assert found.reference == {"stars/rmse": 1.1, "retrieval/unseen/ndcg@10": 0.12}
    assert found.hypervolume == pytest.approx(0.15 * 0.08)
    text = page.read_text()
    assert "hypervolume of 0.0120, counted from stars: rmse 1.100, retrieval: ndcg@10, unseen 0.120" in text
    assert "40 rows, chosen by a coin." in text
    drawn = (page.parent / "figures" / "sweep-front-stars-rmse-retrieval-unseen-ndcg-10.svg").read_text()
    assert all(f">{rule}</text>" in drawn for rule in ("global mean", "popularity"))


def test_names_of_rules_do_not_meet_in_a_corner() -> None:
    rows = [{"x": x, "y": 1.0, "front": "on the front", "joined": True} for x in (0.6, 0.7)]
    for x, place in ((0.5, "width"), (0.9, 4)):
        rules = [{"rule": "global mean", "x": x, "y": 1.1}]
        layers = charts.trade_off(rows, ("a/auc", "b/rmse"), rules)["layer"]
        across = [each for each in layers if each["mark"]["type"] == "text" and "value" in each["encoding"]["x"]]
        assert [each["encoding"]["x"]["value"] for each in across] == [place]


def test_long_names_have_room() -> None:
    rows = [{"name": name, "value": 0.5, "low": 0.4, "high": 0.6, "own": False} for name in ("joint", "x" * 30)]
    assert "labelExpr" in json.dumps(charts.intervals(rows, "x/auc"))
    epochs = [{"epoch": 1, "value": 0.5, "low": 0.5, "high": 0.5}]
    for names, columns in ((("joint", "rating only"), 3), (("joint", "path_to_purchase_of_articles only"), 1)):
        chart = charts.curves([{**row, "series": name} for row in epochs for name in names], "loss")
        assert chart["encoding"]["color"]["legend"].get("columns", chart["config"]["legend"]["columns"]) == columns


def test_a_pair_of_long_names_is_whole_in_a_legend() -> None:
    vl_convert = pytest.importorskip("vl_convert")
    tasks = ("watched_minutes_of_the_film", "recommends_to_other_friends", "clicked_on_the_recommended_list")
    pairs = [f"{a} and {b}" for a, b in combinations(tasks, 2)]
    rows = [{"series": pair, "epoch": 1, "value": 0.5, "low": 0.5, "high": 0.5} for pair in pairs]
    drawn = vl_convert.vegalite_to_svg({**charts.curves(rows, "cosine"), "width": 280})
    legend = drawn[drawn.index("role-legend-label") :]
    assert "…" not in drawn
    assert all(f">{a} and</" in legend and f">{b}</" in legend for a, b in combinations(tasks, 2))


def test_no_two_series_look_alike() -> None:
    names = [f"{a} and {b}" for a, b in combinations(["views", "clicks", "carts", "buys", "returns"], 2)]
    rows = [{"series": name, "epoch": 1, "value": 0.5, "low": 0.5, "high": 0.5} for name in names]
    shown = charts.curves(rows, "cosine")["encoding"]
    looks = list(zip(*(map(str, shown[kind]["scale"]["range"]) for kind in ("color", "strokeDash")), strict=True))
    assert shown["color"]["scale"]["domain"] == shown["strokeDash"]["scale"]["domain"] == names
    assert len(set(looks)) == len(names)


def test_a_line_joins_the_front_of_two_objectives() -> None:
    keys = ("a/ndcg@10", "b/ndcg@10", "c/ndcg@10")
    points = [(0.1, 0.3, 0.1), (0.2, 0.2, 0.2), (0.3, 0.1, 0.1), (0.1, 0.1, 0.3)]  # the last is good in c alone
    trials = tuple(Trial(place, {}, "done", dict(zip(keys, each, strict=True))) for place, each in enumerate(points))
    (section,) = sections(Runs(sweeps={"sweep": Sweep(keys, trials, Yardstick(keys, {}, (), {}))}))
    (drawn,) = (block for block in section.blocks if isinstance(block, Figures))
    rows = drawn.figures[0].spec["data"]["values"]
    assert [row["front"] for row in rows] == ["on the front"] * 4
    assert [row["joined"] for row in rows] == [True, True, True, False]


def test_the_page_says_that_not_every_objective_is_drawn() -> None:
    keys = tuple(f"{name}/ndcg@10" for name in "abcd")
    trial = Trial(0, {}, "done", dict.fromkeys(keys, 0.1))
    for shown, told in ((keys[:3], False), (keys, True)):
        (section,) = sections(Runs(sweeps={"sweep": Sweep(shown, (trial,), Yardstick(shown, {}, (), {}))}))
        (text, _) = (block for block in section.blocks if isinstance(block, Text))
        assert ("Charts show the first 3 of 4 objectives." in text.paragraphs[0]) == told


def test_a_model_without_a_record_is_asked_all_the_same(model: Path, tmp_path: Path) -> None:
    Recommender.load(model).save(tmp_path / "model")
    runs = read_runs([tmp_path / "model"])
    assert runs.trainings["model"].record is None
    text = write_report(runs, tmp_path / "report").read_text()
    assert "Ten users" in text
    assert "What was trained" not in text


def test_the_record_comes_back(model: Path) -> None:
    record = Record.read(model)
    assert record is not None
    assert record == Record.model_validate_json(record.to_json())
    assert record.rows.keys() == {"train", "validation", "test"}
    assert record.headlines.keys() == {"stars", "retrieval", "served"}
    for key in record.headlines.values():
        assert record.figures[key].low <= record.figures[key].value <= record.figures[key].high
    assert {lead.system for lead in record.leads} == {"popularity", "global mean"}


def test_a_full_disk_leaves_the_old_report(
    model: Path, sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = write_report(read_runs([sweep]), tmp_path / "report")
    before = {file: file.read_bytes() for file in old.parent.rglob("*") if file.is_file()}
    write, room = artifact._write, iter([True, False])

    def full(file: Path, content: bytes) -> dict[str, int | str]:
        if not next(room):
            raise OSError(28, "No space left on device")
        return write(file, content)

    monkeypatch.setattr(artifact, "_write", full)
    with pytest.raises(ArtifactError, match=r"could not save to .*No space left on device; what was there before"):
        write_report(read_runs([model, sweep]), tmp_path / "report")
    assert before == {file: file.read_bytes() for file in old.parent.rglob("*") if file.is_file()}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report"]


def test_refuses_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing to report on; give at least one run folder"):
        read_runs([])
    with pytest.raises(ConfigError, match=r"there is no folder '.*nowhere'; a run folder is a saved model"):
        read_runs([tmp_path / "nowhere"])
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(
        ConfigError, match=r"holds no run, only notes.txt; a run folder is .*motet train -o.*motet compare"
    ):
        read_runs([tmp_path])


def test_refuses_damage_and_what_is_newer(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(model, copy)
    (copy / "run.json").write_bytes(b"{")
    with pytest.raises(ArtifactError, match=r"'run.json' in .* was shortened"):
        read_runs([copy])
    with pytest.raises(ArtifactError, match=r"'run.json' in .* is not the record of a training"):
        Record.read(copy)
    newer = json.loads((model / "run.json").read_bytes()) | {"format": 2, "mood": "good"}
    (copy / "run.json").write_text(json.dumps(newer))
    with pytest.raises(ArtifactError, match=r"has format 2, and this motet .* reads formats up to 1; upgrade"):
        Record.read(copy)


def test_refuses_a_damaged_or_empty_sweep(sweep: Path, tmp_path: Path) -> None:
    copy = tmp_path / "sweep"
    shutil.copytree(sweep, copy)
    (copy / "trials.jsonl").write_text('{"number": 0, "settings": {}}\n{"number":\n')
    with pytest.raises(DataError, match=r"line 2 of .*trials.jsonl is not a trial"):
        read_runs([copy])
    (copy / "trials.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"no trial of '.*sweep' is finished"):
        read_runs([copy])
    (copy / "plan.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"holds a run that is not finished"):
        read_runs([copy])
    (copy / "plan.json").write_text('{"objective": null, "rungs": [1, 3, 9]}')
    with pytest.raises(ConfigError, match=r"holds the trials of a search; train what it wrote: motet train tuned.toml"):
        read_runs([copy])
    (copy / "plan.json").write_text("{")
    with pytest.raises(DataError, match=r"plan.json is damaged"):
        read_runs([copy])
    shutil.copytree(sweep, copy, dirs_exist_ok=True)
    (copy / "rules.json").unlink()
    with pytest.raises(
        DataError,
        match=r"rules.json is damaged or missing .*; restore it from a copy, or repeat the run in another folder",
    ):
        read_runs([copy])


def test_replaces_nothing_but_a_report(model: Path, sweep: Path) -> None:
    with pytest.raises(ConfigError, match=r"'model' holds a saved model, which a report would replace"):
        write_report(read_runs([sweep]), model)
    with pytest.raises(ConfigError, match=r"'sweep' holds 'plan.json', 'rules.json', .*, which a report would replace"):
        write_report(read_runs([sweep]), sweep)
    (model.parent / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot save to '.*new': '.*file' is a file; choose another folder"):
        write_report(read_runs([sweep]), model.parent / "file" / "new")


def test_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match=r"needs the package altaire, .* pip install 'motet\[report\]'"):
        charts.package("altaire")


def test_a_report_needs_all_of_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert charts.installed()
    monkeypatch.setattr(charts, "find_spec", lambda name: None if name == "jinja2" else object())
    assert not charts.installed()


def test_names_of_items_do_not_break_the_page(page: Path) -> None:
    assert SCRIPT.replace("<", "&lt;").replace(">", "&gt;") in page.read_text()


def test_every_other_system_is_beaten_only_if_each_is(model: Path) -> None:
    record = Record.read(model)
    assert record is not None
    key = record.headlines["stars"]

    def lead(system: str, value: float, width: float) -> Lead:
        difference = Estimate(value=-value, low=-value - width, high=-value + width)
        return Lead(system=system, task="stars", key=key, difference=difference, outcome=outcome(key, difference))

    known = {"a": {key: record.figures[key]}, "b": {key: record.figures[key]}}
    leads = [lead("a", 0.01, 0.005), lead("b", 0.02, 0.05)]  # that of the second is larger, and may be chance
    changed = record.model_copy(update={"headlines": {"stars": key}, "beside": known, "leads": leads})
    assert training.verdict(changed)[0] == "On test rows the model beats every other system in 0 of 1 headline metrics."
    changed = changed.model_copy(update={"leads": [leads[0], lead("b", 0.02, 0.01)]})
    assert training.verdict(changed)[0] == "On test rows the model beats every other system in 1 of 1 headline metrics."


@pytest.mark.parametrize("preference", [None, {"spread": 12.0}])
def test_a_preference_is_told_with_its_losses(model: Path, preference: dict[str, float] | None) -> None:
    project = Project({**TABLES, "preference": preference}, file=model.parent / "shop.toml")
    record = Record.of_project(project, project.changed({"training.epochs": 1}).train(progress=False))
    assert record.parts.get("preference") == (None if preference is None else "spread 12")
    page = repr(list(training.sections("model", Training(record, None))))
    assert ("weighted as it was drawn for each batch" in page) == (preference is not None)


def test_a_task_that_is_not_trained_has_no_headline(model: Path) -> None:
    project = Project({**TABLES, "weights": {"stars": 0}}, file=model.parent / "shop.toml")
    record = Record.of_project(project, project.changed({"training.epochs": 1}).train(progress=False))
    assert list(record.headlines) == ["retrieval", "served"]
    assert "stars/rmse" in record.figures
