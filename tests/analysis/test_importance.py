import math
import time

import numpy as np
import pytest
from scipy.stats import qmc

from analysis.statistics.importance import FEWEST_DRAWS, importances


def points(draws, dimensions=3, seed=0):
    return qmc.Sobol(dimensions, rng=np.random.default_rng(seed)).random(draws)


def test_a_dimension_that_decides_all_has_nearly_the_whole_variance():
    unit = points(256)
    found = importances(list(unit.T), 0.5 + 0.4 * unit[:, 0])
    assert found.r2 > 0.98
    assert found.shares[0] == pytest.approx(1, abs=0.06)
    assert max(found.shares[1:]) < 0.01


def test_the_shares_of_an_additive_response_are_its_variances():
    # Var = (0.09 + 0.01) / 12 without noise: 90 % and 10 %, and nothing for the third.
    unit = points(256)
    found = importances(list(unit.T), 0.3 * unit[:, 0] + 0.1 * unit[:, 1])
    assert found.shares[0] == pytest.approx(0.9, abs=0.1)
    assert found.shares[1] == pytest.approx(0.1, abs=0.05)
    assert found.shares[2] < 0.01


def test_dimensions_that_act_only_together_are_counted_in_both():
    # (x - 1/2)(y - 1/2): neither has an effect alone, and each is all of it once the other is known.
    unit = points(256, 2)
    found = importances(list(unit.T), (unit[:, 0] - 0.5) * (unit[:, 1] - 0.5))
    assert min(found.shares) > 0.5
    assert sum(found.shares) > 1.2


def test_options_without_an_order_are_one_dimension_of_several_columns():
    generator = np.random.default_rng(0)
    option = generator.integers(3, size=200)
    effect = np.array([0.9, 0.5, 0.8])[option]
    found = importances([np.eye(3)[option], generator.random(200)], effect + 0.01 * generator.random(200))
    assert len(found.shares) == 2
    assert found.shares[0] > 0.9
    assert found.shares[1] < 0.02


def test_pure_noise_has_no_shares():
    generator = np.random.default_rng(1)
    found = importances(list(generator.random((3, 64))), generator.random(64))
    assert found.shares is None
    assert found.r2 <= 0


def test_too_few_draws_cannot_tell():
    few = FEWEST_DRAWS - 1
    found = importances([np.linspace(0, 1, few)], np.linspace(0, 1, few))
    assert (found.shares, found.draws) == (None, few)
    assert math.isnan(found.r2)


@pytest.mark.parametrize("dimensions", [[], [np.linspace(0, 1, 20)]])
def test_equal_accuracies_and_no_dimensions_have_nothing_to_share_out(dimensions):
    found = importances(dimensions, [0.8] * 20)
    assert found.shares is None
    assert math.isnan(found.r2)


def test_nothing_is_left_to_chance():
    unit = points(64)
    accuracies = unit[:, 0] + 0.1 * np.random.default_rng(0).random(64)
    assert importances(list(unit.T), accuracies) == importances(list(unit.T), accuracies)
    other = importances(list(unit.T), accuracies, seed=1)
    assert other != importances(list(unit.T), accuracies)
    assert other.shares[0] == pytest.approx(importances(list(unit.T), accuracies).shares[0], abs=0.25)


def test_shift_and_scale_of_accuracies_do_not_matter():
    unit = points(64)
    first, second = (importances(list(unit.T), 0.5 + scale * unit[:, 0]) for scale in (0.25, 0.5))
    assert first.shares == pytest.approx(second.shares, rel=1e-6)


def test_missing_values_are_refused():
    with pytest.raises(ValueError, match="dimensions must be finite"):
        importances([[0.1, math.nan]], [0.5, 0.6])
    with pytest.raises(ValueError, match="accuracies must be finite"):
        importances([[0.1, 0.2]], [0.5, math.nan])
    with pytest.raises(ValueError, match="one row per accuracy"):
        importances([[0.1, 0.2, 0.3]], [0.5, 0.6])


def test_a_thousand_draws_take_a_fraction_of_a_second():
    unit = points(1024, 4)
    start = time.process_time()
    found = importances(list(unit.T), unit[:, 0])
    assert time.process_time() - start < 1
    assert found.draws == 256
