"""Both encoders look back only, and never at what is empty."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from motet.errors import ConfigError
from motet.layers.sequence import SequenceEncoder, sequence_encoder

KINDS = ["gru", "attention"]


def make(kind: str, seed: int = 0) -> SequenceEncoder:
    torch.manual_seed(seed)
    return sequence_encoder(kind, 8, length=6).eval()


def known(*counts: int, length: int = 6) -> torch.Tensor:
    return torch.arange(length) >= length - torch.tensor(counts)[:, None]


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_knows_nothing_of_later_ones(kind: str) -> None:
    encoder, vectors = make(kind), torch.randn(3, 6, 8, requires_grad=True)
    out = encoder(vectors, known(6, 4, 5))
    (gradient,) = torch.autograd.grad(out[:, 3, 0].sum(), vectors)
    assert not gradient[:, 4:].any()
    assert gradient[:, 3].abs().sum(1).gt(0).all()
    assert gradient[:, 2].abs().sum(1).gt(0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_at_empty_places_never_matters(kind: str) -> None:
    encoder, vectors, mask = make(kind), torch.randn(4, 6, 8), known(6, 3, 1, 0)
    other = vectors.where(mask[:, :, None], torch.randn(4, 6, 8))
    out, again = encoder(vectors, mask), encoder(other, mask)
    assert torch.equal(out[mask], again[mask])
    assert out.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_empty_places_never_matters(kind: str) -> None:
    encoder, vectors = make(kind), torch.randn(2, 3, 8)
    padded = torch.cat([torch.randn(2, 3, 8), vectors], 1)
    short, long = encoder(vectors, known(3, 2, length=3)), encoder(padded, known(3, 2))
    torch.testing.assert_close(long[:, -1], short[:, -1])


def test_the_recurrent_one_is_torchs() -> None:
    encoder, vectors = make("gru"), torch.randn(2, 6, 8)
    cell = encoder.cell
    assert isinstance(cell, nn.GRU)
    torch.testing.assert_close(encoder(vectors, known(6, 6)), cell(vectors)[0])
    torch.testing.assert_close(encoder(vectors, known(6, 2))[1, 4:], cell(vectors[1:, 4:])[0][0])


@pytest.mark.parametrize("kind", KINDS)
def test_order_matters(kind: str) -> None:
    encoder, vectors = make(kind), torch.randn(1, 6, 8)
    turned = torch.cat([vectors[:, :5].flip(1), vectors[:, 5:]], 1)
    assert not torch.allclose(encoder(vectors, known(6))[:, -1], encoder(turned, known(6))[:, -1], atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "grue", "length": 3}, "encoder='grue' is not one of 'gru', 'attention'; did you mean 'gru'"),
        ({"kind": "gru", "length": 0}, "length=0; a sequence has at least one place"),
        ({"kind": "gru", "length": 3, "dropout": 1.0}, "dropout=1.0: the share of values to drop"),
        ({"kind": "attention", "length": 3, "heads": 3}, "3 heads cannot share a width of 8; give a number of heads"),
    ],
)
def test_mistakes(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        sequence_encoder(dim=8, **arguments)  # type: ignore[arg-type]
