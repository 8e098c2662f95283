"""Several devices: two processes train one model, each on half of the rows, and average their gradients.

Processes on CPUs communicate through gloo; with a GPU per process, use "nccl" and move model and loader to its device.
An in-batch softmax compares only the items of its own process: two processes with 2,048 rows are not one with 4,096.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

import motet
from motet import Batch, FeatureTower, Model, datasets, split, tasks
from motet.data.batch import Loader

EPOCHS, BATCH = 2, 4096  # rows a step, over all processes
RMSE, TOP_100 = "rating/rmse", "retrieval/unseen/hit_rate@100"


class Loss(nn.Module):
    """The weighted sum of the losses as a forward pass, which DistributedDataParallel can wrap."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Tensor:
        """The total loss."""
        return self.model.total(self.model.losses(batch))


def work(rank: int, processes: int, meeting: str) -> None:
    """Train in one process; the first process reports."""
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes)
    torch.set_num_threads(1)
    log = datasets.movielens("100k", progress=False)
    train, test = split.random(log, train=80_000, test=20_000, seed=42)
    torch.manual_seed(42)  # the same initial weights in every process
    model = Model(
        user=FeatureTower(log.users, features=(), dropout=0.2),
        item=FeatureTower(log.items, features=(), dropout=0.2),
        tasks=[tasks.Rating("rating", hidden=(64,), biases=True), tasks.Retrieval(item_bias=True)],
        weights={"rating": 1, "retrieval": 10},
    )
    model.prepare(train)  # counts and means come from all rows, not only those of this process
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(42))
    shard = Loader(train.take(order[rank::processes]), batch_size=BATCH // processes, seed=42)
    parallel = DistributedDataParallel(Loss(model))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    torch.manual_seed(rank)  # different dropout in each process
    for batch in (batch for epoch in range(EPOCHS) for batch in shard.epoch(epoch)):
        optimizer.zero_grad()
        parallel(batch).backward()  # the gradient is the mean over the processes
        optimizer.step()
    if rank == 0:
        report = motet.evaluate(model, test, train=train)
        if processes == 1:
            mean, popularity = report.beside["global mean"][RMSE], report.beside["popularity"][TOP_100]
            print(f"{'simple rules':14} RMSE {mean:.3f}   top-100, unseen {popularity:.3f}")
        print(f"{processes} process(es)   RMSE {report[RMSE]:.3f}   top-100, unseen {report[TOP_100]:.3f}")
    dist.destroy_process_group()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        work(0, 1, str(Path(folder, "one")))
        spawn(work, args=(2, str(Path(folder, "two"))), nprocs=2)
