from __future__ import annotations

import pytest
import torch

from motet.errors import ConfigError, DataError
from motet.metrics import expected_calibration_error, reliability_curve
from motet.metrics.reliability import Binning


def sample(rows: int = 300) -> tuple[torch.Tensor, torch.Tensor]:
    probs, chance = torch.rand(2, rows, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    return probs, (chance < probs**2).double()


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_the_gap_of_bins_of_equal_width_is_the_calibration_error(bins: int) -> None:
    probs, labels = sample()
    curve = reliability_curve(probs, labels, bins=bins, by="width")
    gaps = zip(curve.rows, curve.predicted, curve.observed, strict=True)
    error = sum(rows * abs(predicted - observed) for rows, predicted, observed in gaps) / 300
    assert error == pytest.approx(expected_calibration_error(probs, labels, bins=bins))


def test_bins_of_equal_mass_are_slices_of_the_sorted_rows() -> None:
    probs, labels = sample()
    curve = reliability_curve(probs, labels, bins=10)
    for number, part in enumerate(probs.argsort().split(30)):
        assert curve.rows[number] == 30
        assert curve.predicted[number] == pytest.approx(float(probs[part].mean()))
        assert curve.observed[number] == pytest.approx(float(labels[part].mean()))
        assert (curve.lower[number], curve.upper[number]) == (float(probs[part].min()), float(probs[part].max()))


@pytest.mark.parametrize("by", ["width", "mass"])
def test_weights_are_copies_of_rows(by: Binning) -> None:
    probs, labels = sample(40)
    copies = torch.arange(40) % 3
    weighted = reliability_curve(probs, labels, copies.double(), bins=5, by=by)
    repeated = reliability_curve(probs.repeat_interleave(copies), labels.repeat_interleave(copies), bins=5, by=by)
    for name, column in vars(weighted).items():
        assert column == pytest.approx(getattr(repeated, name)), name


@pytest.mark.parametrize("by", ["width", "mass"])
def test_edges(by: Binning) -> None:
    nothing = torch.zeros(0)
    assert reliability_curve(nothing, nothing, by=by).rows == ()
    constant = reliability_curve(torch.full((4,), 0.5), torch.tensor([0.0, 0.0, 1.0, 0.0]), by=by)
    assert (constant.predicted, constant.observed, constant.rows) == ((0.5,), (0.25,), (4.0,))
    unknown = reliability_curve(torch.tensor([0.5, 0.1]), torch.tensor([1.0, torch.nan]), torch.tensor([1.0, 0.0]))
    assert unknown.observed == (1.0,)


@pytest.mark.usefixtures("unchecked_types")
def test_errors() -> None:
    probs, labels = sample(5)
    with pytest.raises(ConfigError, match="bins=0; there must be at least one"):
        reliability_curve(probs, labels, bins=0)
    with pytest.raises(ConfigError, match="by='mas' is not one of width, mass; did you mean 'mass'"):
        reliability_curve(probs, labels, by="mas")
    with pytest.raises(DataError, match=r"the probability of row 0 is .*; it must lie in \[0, 1\]"):
        reliability_curve(probs + 2, labels)
    with pytest.raises(DataError, match="the label of row 0 is 2"):
        reliability_curve(probs, torch.full_like(labels, 2))
