from __future__ import annotations

import errno
import json
import math
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from export.conftest import train
from motet.artifact import folder
from motet.artifact.folder import read_folder
from motet.data.log import EventLog
from motet.errors import ArtifactError, ConfigError
from motet.export import card as cards
from motet.export import export, verify
from motet.index import ApproximateIndex
from motet.recommender import Recommender
from motet.retrievers import Touched
from motet.serve.models.served import ServedModel

EXAMPLE = Path(__file__).parents[2] / "examples" / "serve_without_torch.py"
ALONE = """
import runpy, sys
sys.modules["torch"] = sys.modules["motet"] = None
sys.argv[0] = sys.argv.pop(1)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_an_artifact_is_a_saved_model(saved: Path, artifact: Path) -> None:
    before, after = (Recommender.load(path).recommend([1, 2, 3], 5) for path in (saved, artifact))
    assert (before.ids == after.ids).all()
    assert torch.equal(before.scores, after.scores)


def test_equal_models_give_equal_artifacts(saved: Path, artifact: Path, tmp_path: Path) -> None:
    export(artifact, tmp_path / "again")  # of an artifact: its model is taken, all else is made anew
    assert (tmp_path / "again" / "manifest.json").read_bytes() == (artifact / "manifest.json").read_bytes()
    export(saved, tmp_path / "again", onnx=False)
    assert not (tmp_path / "again" / "serving").exists()


def test_the_card_says_what_the_model_is(artifact: Path) -> None:
    card = json.loads((artifact / "card.json").read_bytes())
    assert card["split"] == "the last tenth"
    assert {name: (task["unit"], task["range"]) for name, task in card["tasks"].items()} == {
        "retrieval": ("relevance", None),
        "stars": ("stars", [1.0, 5.0]),
        "click": ("probability", [0.0, 1.0]),
    }
    assert card["fusion"]["by"] == {"retrieval": 0.0, "stars": 1.0, "click": 0.5}
    index = Recommender.load(artifact).ranker.index
    assert isinstance(index, ApproximateIndex)
    assert card["index"] == {"kind": "ApproximateIndex", "shortlist": index.shortlist}
    assert card["calibration"]["click"]["rows"] == 60
    assert card["calibration"]["click"]["after"] <= card["calibration"]["click"]["before"]
    page = (artifact / "card.md").read_text()
    assert "| stars | Rating | stars | 1 to 5 | 1 | 1 |" in page
    assert "| click | 60 | " in page


def test_a_service_tells_the_card(saved: Path, artifact: Path) -> None:
    made, read = (ServedModel.load(path).describe() for path in (saved, artifact))
    assert made["tasks"] == read["tasks"]
    assert made["card"] == read["card"] | {"serving": {}}
    assert read["tasks"][1] == {"name": "stars", "unit": "stars", "range": [1.0, 5.0], "weight": 1.0}


def test_a_record_with_numbers_that_json_has_not(shop: EventLog, tmp_path: Path) -> None:
    trained = train(shop)
    trained.save(tmp_path / "model", run=json.dumps({"figures": {"stars/rmse": {"value": math.nan, "low": -math.inf}}}))
    card = ServedModel.load(tmp_path / "model").describe()["card"]
    assert card["metrics"] == {"stars/rmse": {"value": None, "low": None}}
    assert card["split"] == "unknown: the model was saved without a record of its training"
    trained.save(tmp_path / "whole", run=json.dumps({"about": ""}))
    card = ServedModel.load(tmp_path / "whole").describe()["card"]
    assert card["split"] == "none: the model was trained on all rows"
    export(tmp_path / "model", tmp_path / "artifact", onnx=False)
    assert "NaN" not in (tmp_path / "artifact" / "card.json").read_text()
    assert "| stars/rmse |  |  |\n" in (tmp_path / "artifact" / "card.md").read_text(), "no interval is no `to`"


def test_weights_and_report_are_put_in(saved: Path, artifact: Path, tmp_path: Path) -> None:
    export(artifact, tmp_path / "other", onnx=False, by={"click": 1.0}, report="<h1>How it went</h1>")
    served = ServedModel.load(tmp_path / "other")
    assert served.report == "<h1>How it went</h1>"
    assert served.recommender.by == {"retrieval": 0.0, "stars": 0.0, "click": 1.0}
    export(tmp_path / "other", tmp_path / "again", onnx=False)
    again = ServedModel.load(tmp_path / "again")
    assert (again.report, again.recommender.by) == (served.report, served.recommender.by)
    with pytest.raises(ConfigError, match="by names 'clicks', which is no task of the model; did you mean 'click'"):
        export(saved, tmp_path / "wrong", onnx=False, by={"clicks": 1.0})
    assert not (tmp_path / "wrong").exists()


def test_serves_without_torch(shop: EventLog, artifact: Path) -> None:
    recommender = Recommender.load(artifact)
    for user in (1, 5):
        command = [sys.executable, "-c", ALONE, str(EXAMPLE), str(artifact), str(user)]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        lines = [line.split("\t") for line in ran.stdout.splitlines()]
        seen = shop.frame().filter(user_id=user)["item_id"].n_unique()
        expected = recommender.recommend(user, 10)
        assert len(lines) == min(10, 12 - seen)
        assert [line[0] for line in lines] == expected.ids.tolist()
        assert [float(line[1]) for line in lines] == pytest.approx(expected.scores.tolist(), abs=1e-3)


def test_a_stranger_is_served_without_torch(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE))["main"](str(artifact), "nobody")
    assert len(capsys.readouterr().out.splitlines()) == 10  # nothing is seen


def test_what_serves_without_torch_says_what_it_needs(saved: Path) -> None:
    with pytest.raises(SystemExit, match=r"has no 'serving/candidates\.npy'; export, with ONNX, a model"):
        runpy.run_path(str(EXAMPLE))["main"](str(saved), "1")


def test_what_serves_without_torch_refuses_a_damaged_file_by_name(artifact: Path, tmp_path: Path) -> None:
    whole = shutil.copytree(artifact, tmp_path / "whole")
    check = runpy.run_path(str(EXAMPLE))["check"]
    check(whole)
    for name in ("manifest.json", *json.loads((whole / "manifest.json").read_bytes())["files"]):
        content = (whole / name).read_bytes()
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]
        for bad in (flipped, content[:middle], content + b"]", b"", None):
            (whole / name).unlink() if bad is None else (whole / name).write_bytes(bad)
            with pytest.raises(SystemExit, match=re.escape(f"{name!r} in ")):
                check(whole)
        (whole / name).write_bytes(content)
    (whole / "serving" / "user.onnx").write_bytes(b"")
    words = f"'serving/user.onnx' in {str(whole)!r} is damaged or missing; restore it from a copy, or export again\n"
    ran = subprocess.run([sys.executable, str(EXAMPLE), str(whole), "1"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", words)


def test_nothing_is_pickled_and_no_path_is_told(artifact: Path) -> None:
    manifest = json.loads((artifact / "manifest.json").read_bytes())
    assert {Path(name).suffix for name in manifest["files"]} == {
        ".json",
        ".md",
        ".npy",
        ".onnx",
        ".parquet",
        ".safetensors",
    }
    here = str(Path(folder.__file__).parents[2]).encode()
    assert not any(here in (artifact / name).read_bytes() for name in manifest["files"])


def test_a_full_disk_leaves_the_old_artifact_whole(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(saved, tmp_path / "artifact", onnx=False)
    before = (tmp_path / "artifact" / "manifest.json").read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(folder, "_write", refuse)
        with pytest.raises(ArtifactError, match="No space left on device; what was there before is untouched"):
            export(saved, tmp_path / "artifact", onnx=False)
    assert (read_folder(tmp_path / "artifact") / "manifest.json").read_bytes() == before


def test_two_models_are_not_mixed(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Path(shutil.copytree(saved, tmp_path / "model"))
    other = Recommender.load(model)
    card = cards.card

    def slowly(*args: Any) -> dict[str, Any]:
        other.save(model)
        return card(*args)

    monkeypatch.setattr(cards, "card", slowly)
    with pytest.raises(ConfigError, match=r"another model was saved to '.*model' while it was exported; export it"):
        export(model, tmp_path / "new", onnx=False)
    assert not (tmp_path / "new").exists()


def test_does_not_replace_what_it_is_made_of(saved: Path) -> None:
    for output in (saved, saved / "artifact"):
        with pytest.raises(
            ConfigError, match=rf"the artifact '{output}' would overwrite the model it is made from; choose"
        ):
            export(saved, output)
    assert verify(saved)


def test_stages_are_served_by_motet_alone(shop: EventLog, tmp_path: Path) -> None:
    model = train(shop).model
    staged = Recommender(model, shop, seen="click == 1", retrieve=[Touched("click == 0"), "retrieval"])
    staged.save(tmp_path / "model")
    with pytest.raises(
        ConfigError, match=r"only motet can serve a recommender with retrieve=.* export without them: onnx=False"
    ):
        export(tmp_path / "model", tmp_path / "artifact")
    export(tmp_path / "model", tmp_path / "artifact", onnx=False)
    again = Recommender.load(tmp_path / "artifact").recommend([1, 2, 3], 5)
    assert (again.ids == staged.recommend([1, 2, 3], 5).ids).all()


def test_a_missing_extra_is_named(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(
        ConfigError, match=r"writing ONNX needs more packages .*; install them: pip install 'motet\[onnx\]'"
    ):
        export(saved, tmp_path / "artifact")
    assert not (tmp_path / "artifact").exists()


def test_a_newer_format_is_refused(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(folder, "FORMAT", 2)
        export(saved, tmp_path / "artifact", onnx=False)
    with pytest.raises(ArtifactError, match=r"in format 2, and this motet .* reads formats up to 1; upgrade"):
        verify(tmp_path / "artifact")
