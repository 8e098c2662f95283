"""Serve recommendations from an artifact with onnxruntime and numpy: neither torch nor motet is imported.

motet export model/ -o artifact/
python examples/serve_without_torch.py artifact/ USER
"""

import json
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnxruntime


def check(artifact: Path) -> None:
    """Exit if a file differs from what motet wrote; for an artifact from elsewhere, `motet verify` checks more."""
    name = "manifest.json"
    try:
        told = json.loads((artifact / name).read_bytes())
        if told.pop("sha256") != sha256(json.dumps(told).encode()).hexdigest():
            raise ValueError
        for name, entry in told["files"].items():
            if sha256((artifact / name).read_bytes()).hexdigest() != entry["sha256"]:
                raise ValueError
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        sys.exit(f"{name!r} in {str(artifact)!r} is damaged or missing; restore it from a copy, or export again")


def main(artifact: str, user: str, k: int = 10, candidates: int = 500) -> None:
    """Print the k best items of a user."""
    check(Path(artifact))
    folder = Path(artifact) / "serving"
    if not (folder / "candidates.npy").exists():
        sys.exit(f"{artifact!r} has no 'serving/candidates.npy'; export, with ONNX, a model that ranks the catalogue")
    ids, about = (json.loads((folder / name).read_text("utf-8")) for name in ("ids.json", "serving.json"))
    programs = {name: onnxruntime.InferenceSession(folder / f"{name}.onnx") for name in ("user", "rank")}
    arrays = ("vectors", "candidates", "seen", "seen_ends")
    vectors, items, seen, ends = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in arrays)
    row = {str(id): row for row, id in enumerate(ids["users"], 1)}.get(user, 0)  # row 0 is the unknown user
    told = {"preference": np.zeros(len(about["preference"]), np.float32)} if about["preference"] else {}
    vector, query = programs["user"].run(["vector", "query"], {"user": np.array([row]), **told})
    reach = (items @ query.reshape(-1, items.shape[1]).T).max(1)  # the best head counts
    reach[[0, *seen[ends[row - 1] : ends[row]]]] = -np.inf
    found = np.argsort(-reach, kind="stable")[: min(candidates, np.isfinite(reach).sum())]
    pairs = {"user_vector": np.repeat(vector, len(found), 0), "item_vector": vectors[found]}
    pairs |= {"user": np.full(len(found), row), "item": found}
    scores = programs["rank"].run(list(about["scores"].values()), pairs)
    weights, tasks = about["fusion"]["weights"], dict(zip(about["scores"], scores, strict=True))
    fused = sum(weights[task] * (each - each.mean()) / (each.std() or 1) for task, each in tasks.items())
    for place in np.argsort(-fused, kind="stable")[:k]:
        shown = (f"{task} {each[place]:.3f}" for task, each in tasks.items())
        print(ids["items"][found[place] - 1], f"{fused[place]:.4f}", *shown, sep="\t")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
