"""Views, carts and purchases in one model: `python -m benchmarks.taobao [SEEDS] [test | valid]`; 0 seeds: rules alone.

`python -m benchmarks.taobao served`: whether a `Recommender` of such a model answers what is measured here.
`python -m benchmarks.taobao projected`: what projections of their own do to the tasks that retrieve.
`python -m benchmarks.taobao split`: what it costs to keep some of the ten places for items that were not touched.

The data are `../shared/data/taobao_mb.npz`, or the file that TAOBAO names. Protocol of the papers: the held-out
purchase of each of 15,449 users is ranked among all items, only the purchases the user made in training removed; equal
scores rank against the system. `valid` holds out `buy_valid`, takes it out of training, and is what settings were
chosen on; `test` holds out `buy_test` and trains on all of `buy`.

What is left alone: `view_extra` and `cart_extra`, a view and a cart of each user that are in no other array, look like
the held-out rows of those kinds, and nothing says that they came before the held-out purchase. Item ids are numbered by
first buyer, held-out purchases included, so an id says who bought: ids name embeddings here and are never ordered. Rows
of `view` are sorted by id; the place of a row in `cart` and `buy` says nothing about the held-out purchase (the last
row of a user in `buy` is that of `buy_valid`, which is put there).

One model, two stages. `view`, `cart` and `buy` retrieve from shared towers. `bought` ranks what the user viewed or
carted and did not buy: `masked_pairs` masks one purchase of each user and counts features on what is left, and the
label is which of the touched items was the masked one, as in the test. Its head reads these counts and no vectors,
since the vectors are trained on the masked purchases. Touched items come first in the answer, by `bought`; then those
that share viewers with what the user bought, by how many they share; all others follow, by `buy`. A model of purchases
alone has the same parts but `bought`: first what shares buyers with the purchases of the user, then `buy`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from benchmarks.measure import spread
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from torch import Tensor

from motet import EventLog, FeatureTower, Model, Recommender, Schema, fit, tasks
from motet.data.history import History
from motet.data.masked_pairs import masked_pairs
from motet.data.mix import Mix
from motet.data.neighbours import Neighbours
from motet.data.pair_features import PairFeatures
from motet.retrievers import Alike, Touched

DATA = Path(os.environ.get("TAOBAO", Path(__file__).parents[2] / "shared" / "data" / "taobao_mb.npz"))
KINDS = ("view", "cart", "buy")
PAIR = ["user", "item"]
EVENTS = Schema(user="user", item="item", event="event")
ROUNDS = 2  # purchases of each user that are masked in turn
USERS = 1024  # ranked at once
WEIGHTS = {"view": 0.1, "cart": 0.2, "buy": 1.0}
CASES = ("all", "visited", "unvisited", "unvisited among unvisited")
Scores = Callable[[Tensor], Tensor]


class Shop(NamedTuple):
    """What is known, and the purchase of each user that is not."""

    events: pl.DataFrame
    log: EventLog
    users: Tensor
    items: Tensor
    bought: History
    touched: History


class Places(NamedTuple):
    """Where each held-out purchase stands."""

    among_all: Tensor
    among_untouched: Tensor
    touched: Tensor


def read(held_out: str) -> Shop:
    """The training events, and the held-out purchases."""
    arrays = np.load(DATA)
    frames = [pl.DataFrame(arrays[kind], PAIR).with_columns(event=pl.lit(kind)) for kind in KINDS]
    held = arrays[f"buy_{held_out}"]
    every = pl.concat(frames)
    events = without(every, pl.DataFrame(held, PAIR).with_columns(event=pl.lit("buy")))
    log = EventLog.read(every, EVENTS).encode(events)
    batch, sizes = log.batch(), (len(log.users), len(log.items))
    buy = batch["event"] == int(log.vocabs["event"].encode(["buy"])[0])
    users, items = (
        side.vocab.encode(column.tolist()) for side, column in zip((log.users, log.items), held.T, strict=True)
    )
    return Shop(events, log, users, items, *(History.of(batch.take(rows), *sizes) for rows in (buy, ~buy)))


def of_kind(log: EventLog, kind: str) -> EventLog:
    return log.take(log.columns["event"] == int(log.vocabs["event"].encode([kind])[0]))


def without(events: pl.DataFrame, hidden: pl.DataFrame) -> pl.DataFrame:
    return events.join(hidden, on=[*PAIR, "event"], how="anti", maintain_order="left")


def open_pairs(events: pl.DataFrame) -> pl.DataFrame:
    """What each user viewed or carted, and did not buy."""
    touched = events.filter(pl.col("event") != "buy").unique(PAIR, keep="first", maintain_order=True).select(PAIR)
    return touched.join(events.filter(pl.col("event") == "buy"), on=PAIR, how="anti", maintain_order="left")


def labelled(shop: Shop, near: Neighbours, seed: int) -> EventLog:
    """Which of the touched items is the purchase that was masked? `near` is of views, and no view is masked."""
    return masked_pairs(shop.log, "buy", label="bought", rounds=ROUNDS, seed=seed, near=lambda _: {"buy": near})


def build(log: EventLog, kinds: tuple[str, ...], context: tuple[str, ...] = (), *, projected: bool = False) -> Model:
    retrieve = [
        tasks.WholeCatalogue(kind, positives=f"event == '{kind}'", confidence=5.0, projected=projected)
        for kind in kinds
    ]
    rank = [tasks.WithContext(tasks.Event("bought", hidden=(64, 32)), context, vectors=False)] if context else []
    return Model(
        user=FeatureTower(log.users, dim=64),
        item=FeatureTower(log.items, dim=64),
        tasks=[*retrieve, *rank],
        weights={name: weight for name, weight in WEIGHTS.items() if name in kinds},
    )


def train(model: Model, rows: EventLog | Mix, *, epochs: int, batch_size: int, seed: int) -> Model:
    optimizer = partial(torch.optim.AdamW, lr=0.01, weight_decay=0.01)
    fit(model, rows, epochs=epochs, batch_size=batch_size, optimizer=optimizer, average=0.99, seed=seed, progress=False)
    return model


@torch.no_grad()
def retrieved(model: Model, log: EventLog) -> Scores:
    """What the task `buy` says of all items."""
    task, batch = model.tasks["buy"], log.batch()
    assert isinstance(task, tasks.CorpusTask)
    everything = batch.entities("item", torch.arange(len(log.items)))
    candidates = task.candidates(model.item(everything), everything)

    def scores(users: Tensor) -> Tensor:
        asked = batch.entities("user", users)
        return task.queries(model.user(asked), asked) @ candidates.T

    return scores


def first(history: History, probs: Tensor, others: Scores, most: int | None = None) -> Scores:
    """Items of the history before all others, in the order of their numbers in [0, 1]: all, or the best and no more."""

    def scores(users: Tensor) -> Tensor:
        found = others(users).contiguous()
        who, items = history.of_users(users)
        starts, stops = history.starts[users], history.starts[users + 1]
        where = torch.cat([torch.arange(a, b) for a, b in zip(starts.tolist(), stops.tolist(), strict=True)])
        if most is not None:
            mine = torch.full_like(found, -1).index_put_((who, items), probs[where])
            kept = mine[who, items] >= mine.topk(most).values[who, -1]
            found[who, items] = -torch.inf
            who, items, where = who[kept], items[kept], where[kept]
        found[who, items] = found.max() + 1 + probs[where]
        return found

    return scores


def beside(near: Neighbours, bought: History, others: Scores) -> Scores:
    """Neighbours of what the user bought before all others, by the sum of their similarities."""
    pairs, size = near.pairs.numpy(), near.items
    table = csr_matrix((near.similarities.numpy(), (pairs // size, pairs % size)), (size, size))

    def scores(users: Tensor) -> Tensor:
        found = others(users)
        low, high = found.aminmax(dim=1, keepdim=True)
        who, items = (part.numpy() for part in bought.of_users(users))
        known = csr_matrix((np.ones(len(who), np.float32), (who, items)), (len(users), size))
        rest = (found - low) / (high - low).clamp(min=1e-12)
        return torch.from_numpy((known @ table).toarray()) + 1e-4 * rest  # below every similarity worth the name

    return scores


@torch.no_grad()
def ranked(
    model: Model, shop: Shop, near: Neighbours, others: Scores, most: int | None = None
) -> tuple[Scores, EventLog]:
    """The answer end to end, and the pairs that `bought` ranked in it; at most so many touched items come first."""
    pairs = shop.log.encode(open_pairs(shop.events), schema=Schema(user="user", item="item"))
    pairs = PairFeatures(shop.log, near={"buy": near}).add(pairs)
    batch = pairs.batch()
    probs = torch.cat([model.score(batch.take(slice(at, at + 65536)))["bought"] for at in range(0, len(batch), 65536)])
    history = History.of(batch, len(shop.log.users), len(shop.log.items))
    order = (batch.users * len(shop.log.items) + batch.items).argsort()  # as in the history
    return first(history, probs[order], others, most), pairs


@torch.no_grad()
def places(scores: Scores, shop: Shop) -> Places:
    """Rank every held-out purchase."""
    found = []
    for users, items in zip(shop.users.split(USERS), shop.items.split(USERS), strict=True):
        line, every = torch.arange(len(users)), scores(users).clone()
        every[:, 0] = -torch.inf
        every[shop.bought.of_users(users)] = -torch.inf
        own = every[line, items].clone()
        among_all = (every >= own[:, None]).sum(1)
        touched = torch.zeros_like(every, dtype=torch.bool)
        touched[shop.touched.of_users(users)] = True
        mine = touched[line, items]
        every[touched] = -torch.inf
        every[line, items] = own
        found.append(Places(among_all, (every >= own[:, None]).sum(1), mine))
    return Places(*(torch.cat(part) for part in zip(*found, strict=True)))


def serving(model: Model, log: EventLog, near: Neighbours) -> Recommender:
    """The model as a product, which answers what `ranked` computes."""
    return Recommender(
        model,
        log,
        seen="event == 'buy'",
        retrieve=[Touched("event != 'buy'", by="bought"), Alike(near, "event == 'buy'"), "buy"],
        by={"buy": 1.0},
        context=PairFeatures(log, near={"buy": near}),
    )


def agreement(rows: int = 60_000, users: int = 2000) -> tuple[float, float]:
    """Of how many users a `Recommender` gives the ten items of `ranked`: the same, and in the same order.

    That needs no good model: it is trained on a part of the rows.
    """
    shop = read("valid")
    log = shop.log
    near = Neighbours.of(log, where="event == 'view'")
    torch.manual_seed(1)
    pairs = labelled(shop, near, 1)
    context = tuple(name for name in pairs.schema.context_features if name != "pair_buy")
    parts = [each.take(torch.randperm(len(each), generator=_seeded(0))[:rows]) for each in (log, pairs)]
    model = train(build(log, KINDS, context), Mix(parts, ratio=(1, 1)), epochs=3, batch_size=8192, seed=1)
    answer, _ = ranked(model, shop, near, beside(near, shop.bought, retrieved(model, log)))
    asked = shop.users[torch.randperm(len(shop.users), generator=_seeded(5))[:users]]
    top = serving(model, log, near).recommend(log.users.vocab.decode(asked), 10).ids
    lists = log.items.vocab.encode(top.reshape(-1).tolist()).view(top.shape)
    same = []
    for some, served in zip(asked.split(USERS // 2), lists.split(USERS // 2), strict=True):
        scores = answer(some).clone()
        scores[:, 0] = -torch.inf
        scores[shop.bought.of_users(some)] = -torch.inf
        best = scores.topk(10).indices
        items, order = (best.sort(1).values == served.sort(1).values).all(1), (best == served).all(1)
        same.append(torch.stack([items, order]).double())
    found = torch.cat(same, 1).mean(1)
    return float(found[0]), float(found[1])


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def figures(found: Places) -> list[float]:
    """HR@10 and NDCG@10: of all, of those touched before, of the others, of the others among untouched items alone."""
    every = torch.ones_like(found.touched)
    cases = [(found.among_all, every), (found.among_all, found.touched)]
    cases += [(found.among_all, ~found.touched), (found.among_untouched, ~found.touched)]
    cells = []
    for rank, chosen in cases:
        rank = rank[chosen].double()
        cells += [float((rank <= 10).double().mean()), float(((rank <= 10) / (rank + 1).log2()).mean())]
    return cells


def rules(shop: Shop, near: Neighbours, near_buys: Neighbours) -> dict[str, list[float]]:
    """Popularity; touched items first, both by purchases a view; neighbours of the user's purchases."""
    batch, vocab = shop.log.batch(), shop.log.vocabs["event"]
    of = {kind: batch["event"] == int(vocab.encode([kind])[0]) for kind in KINDS}
    buys, views = (
        torch.bincount(batch.items[of[kind]], minlength=len(shop.log.items)).float() for kind in ("buy", "view")
    )
    share = buys / views.clamp(min=1)
    share = share / share.max()

    def alike(counts: Tensor) -> Scores:
        return lambda users: counts.expand(len(users), -1)

    rule = first(shop.touched, share[shop.touched.items], alike(share))
    found = {
        "buy popularity": alike(buys),
        "the three-line rule": rule,
        "what was viewed with the user's purchases": beside(near, shop.bought, alike(buys)),
        "what was bought with the user's purchases": beside(near_buys, shop.bought, alike(buys)),
    }
    return {name: figures(places(scores, shop)) for name, scores in found.items()}


@torch.no_grad()
def learned(model: Model, pairs: EventLog) -> dict[str, float]:
    """By column, how the log odds of a purchase change between its quartiles; for `pair_` from 0 to 1."""
    some = pairs.batch().take(torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0))[:50_000])
    found = {}
    for name in pairs.schema.context_features:
        quartiles = some[name].quantile(torch.tensor([0.25, 0.75])).tolist()
        low, high = (
            model.score(replace(some, columns={**some.columns, name: torch.full_like(some[name], end)}))["bought"]
            for end in ((0.0, 1.0) if name.startswith("pair") else quartiles)
        )
        found[name] = float((high.logit() - low.logit()).mean())
    return found


def trained(shop: Shop, near: Neighbours, seed: int) -> Model:
    """The joint model."""
    torch.manual_seed(seed)
    pairs = labelled(shop, near, seed)
    context = tuple(name for name in pairs.schema.context_features if name != "pair_buy")  # 0 throughout
    rows = Mix([shop.log, pairs], ratio=(2, 1))
    return train(build(shop.log, KINDS, context), rows, epochs=7, batch_size=8192, seed=seed)


def judged(
    shop: Shop, near: Neighbours, near_buys: Neighbours, seed: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """The figures of the joint model and of the one that knows purchases alone."""
    joint = trained(shop, near, seed)
    alone = train(build(shop.log, ("buy",)), of_kind(shop.log, "buy"), epochs=12, batch_size=4096, seed=seed)
    retrieve = retrieved(joint, shop.log)
    untouched = beside(near, shop.bought, retrieve)
    answer, ranked_pairs = ranked(joint, shop, near, untouched)
    retrieve_alone = retrieved(alone, shop.log)
    found = {
        "joint: retrieve and rank": answer,
        "joint: without `bought`": untouched,
        "the same, trained on purchases alone": beside(near_buys, shop.bought, retrieve_alone),
        "joint: task `buy` alone": retrieve,
        "task `buy`, trained on purchases alone": retrieve_alone,
    }
    return {name: figures(places(scores, shop)) for name, scores in found.items()}, learned(joint, ranked_pairs)


def projections(seed: int = 1) -> dict[str, list[float]]:
    """HR@10 and NDCG@10 on `buy_valid`, unvisited among unvisited, of the tasks that retrieve."""
    shop, found = read("valid"), {}
    for name, projected in (("shared vectors", False), ("a projection each", True)):
        torch.manual_seed(seed)
        model = build(shop.log, KINDS, projected=projected)
        train(model, shop.log, epochs=7, batch_size=8192, seed=seed)
        found[name] = figures(places(retrieved(model, shop.log), shop))[-2:]
    return found


def split(seed: int = 1) -> None:
    """HR@10 on `buy_valid` where touched items have only the first places."""
    shop = read("valid")
    near = Neighbours.of(shop.log, where="event == 'view'")
    joint = trained(shop, near, seed)
    others = beside(near, shop.bought, retrieved(joint, shop.log))
    print("| places of touched items | all | visited | unvisited |\n|---|---|---|---|")
    for most in range(10, 3, -1):
        found = figures(places(ranked(joint, shop, near, others, most)[0], shop))
        print(f"| {most} | {' | '.join(f'{value:.4f}' for value in found[:6:2])} |", flush=True)


def main(seeds: int = 3, held_out: str = "test") -> None:
    shop = read(held_out)
    log = shop.log
    near, near_buys = (Neighbours.of(log, where=f"event == '{kind}'") for kind in ("view", "buy"))
    found = []
    for seed in range(1, seeds + 1):
        found.append(judged(shop, near, near_buys, seed))
        print(f"seed {seed}: {found[-1]}", file=sys.stderr, flush=True)
    print(f"| | {' | '.join(f'{case}: HR@10 | NDCG@10' for case in CASES)} |\n|---|{'---|' * 2 * len(CASES)}")
    for name, values in rules(shop, near, near_buys).items():
        print(f"| {name} | {' | '.join(f'{value:.4f}' for value in values)} |", flush=True)
    if not found:
        return
    for name in found[0][0]:
        columns = zip(*(each[name] for each, _ in found), strict=True)
        print(f"| {name} | {' | '.join(spread(column, '.4f') for column in columns)} |")
    print("\n| column | change of the log odds |\n|---|---|")
    for name in found[0][1]:
        print(f"| `{name}` | {mean(each[name] for _, each in found):+.2f} |")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments == ["served"]:
        print("the same ten items: {:.2%} of users; in the same order: {:.2%}".format(*agreement()))
        sys.exit()
    if arguments == ["projected"]:
        print(projections())
        sys.exit()
    if arguments == ["split"]:
        split()
        sys.exit()
    main(int(arguments[0]) if arguments else 3, *arguments[1:2])
