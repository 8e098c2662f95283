"""Train a `Model` with Lightning's Trainer: the model is an ordinary module, and the loader yields whole batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from motet import Batch, FeatureTower, Model, datasets, split, tasks
from motet.data.batch import Loader

try:
    from lightning.pytorch import LightningModule, Trainer
except ImportError as error:
    raise SystemExit("this example needs Lightning: pip install 'motet[examples]'") from error


class Epochs:
    """The loader's batches; every new iteration is the next epoch."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self.numbers = itertools.count()

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        return self.loader.epoch(next(self.numbers))


class Lit(LightningModule):
    """The module that Lightning needs: a loss to minimise and an optimizer."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """The weighted sum of the tasks' losses."""
        losses = self.model.losses(batch)
        self.log_dict(dict(losses), prog_bar=True, on_epoch=True, on_step=False, batch_size=len(batch))
        return self.model.total(losses)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Any torch optimizer."""
        return torch.optim.Adam(self.parameters(), lr=0.01)


log = datasets.movielens("100k")
train, test = split.random(log, train=80_000, test=20_000, seed=42)
model = Model(
    user=FeatureTower(log.users, features=()),
    item=FeatureTower(log.items, features=()),
    tasks=[tasks.Rating("rating", hidden=(64,), biases=True), tasks.Retrieval()],
)
model.prepare(train)  # fit does this by itself
trainer = Trainer(max_epochs=2, accelerator="auto", devices=1, logger=False, enable_checkpointing=False)
trainer.fit(Lit(model), Epochs(Loader(train, batch_size=8192, seed=42)))
print({name: round(float(loss), 3) for name, loss in trainer.callback_metrics.items()})
