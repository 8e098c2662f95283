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
    tasks = dict(zip(about["scores"], programs["rank"].run([*about["scores"].values()], pairs), strict=True))
    fused = sum(about["fusion"]["weights"][task] * (s - s.mean()) / (s.std() or 1) for task, s in tasks.items())
    for i in np.argsort(-fused, kind="stable")[:k]:
        print(ids["items"][found[i] - 1], f"{fused[i]:.4f}", *(f"{t} {s[i]:.3f}" for t, s in tasks.items()), sep="\t")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
