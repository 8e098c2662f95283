from __future__ import annotations

import pytest
from scipy import stats

from motet.evaluation.student_t import critical_value


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_students_distribution_is_scipys(level: float) -> None:
    for freedom in (1, 1.5, 2, 3.3, 10, 200, 1e5):
        assert critical_value(level, freedom) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), rel=1e-4)
