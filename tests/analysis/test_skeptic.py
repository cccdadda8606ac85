import math

import numpy as np
import pytest

from analysis.statistics.frontier import speed_up
from analysis.statistics.skeptic import Search, accuracies_of_best, ratio_bands, winners_curse
from tests.analysis.planted import CURVES, planted_samples

BUDGETS = (2, 5, 10, 20, 40)
HALVES = np.array([0.25, 0.75])


def search(draws, validation, test=None):
    confirmed = np.asarray(validation, dtype=np.float64)
    return Search(
        draws=np.asarray(draws, dtype=np.float64),
        validation=confirmed,
        test=confirmed - 0.01 if test is None else np.asarray(test, dtype=np.float64),
    )


def planted_searches(generator, *, noise=0.001, seeds=5, draws=16):
    """One search per budget whose draws are up to 8 times as slow as the best, and its confirm runs."""
    searches, samples = [], []
    for budget in BUDGETS:
        levels = CURVES["power law"](budget * 8 ** -np.linspace(0, 1, draws))
        validation = generator.permutation(levels) + noise * generator.normal(size=draws)
        test = levels[0] + noise * generator.normal(size=seeds)
        searches.append([search(validation, test + 0.3 * noise * generator.normal(size=seeds), test)])
        samples.append(test)
    return searches, samples


def test_the_winners_curse_by_hand():
    found = winners_curse(search([0.90, 0.80], [0.86, 0.88]))
    half_width = 12.706204736 * math.sqrt(0.0002) * math.sqrt(1.5)  # t(0.975, 1) from tables, sd^2 = 0.0002
    assert (found.chosen, found.confirmed) == (0.9, pytest.approx(0.87))
    assert found.curse == pytest.approx(0.03)
    assert (found.low, found.high) == pytest.approx((0.03 - half_width, 0.03 + half_width))


def test_one_confirm_run_gives_a_curse_without_an_interval_and_none_gives_nothing():
    assert winners_curse(search([0.9], [0.8])).curse == pytest.approx(0.1)
    assert math.isnan(winners_curse(search([0.9], [0.8])).low)
    assert math.isnan(winners_curse(search([0.9], [])).curse)
    assert math.isnan(winners_curse(search([math.nan], [0.8])).curse)


def test_the_best_of_all_draws_has_the_accuracy_that_was_confirmed():
    found = accuracies_of_best(search([0.90, 0.80, 0.7], [0.86, 0.88], [0.84, 0.87]), 3, HALVES)
    assert found == pytest.approx([0.855, 0.855])


def test_a_single_draw_is_not_chosen_so_it_has_no_curse():
    # Validation 0.8 or 0.9, and test is 0.01 below validation.
    assert accuracies_of_best(search([0.90, 0.80], [0.86, 0.88]), 1, HALVES) == pytest.approx([0.79, 0.89])


def test_the_curse_of_fewer_draws_is_that_of_all_times_the_ratio_of_expected_normal_maxima():
    found = accuracies_of_best(search([0.7, 0.8, 0.9], [0.87, 0.87]), 2, np.array([0.9]))
    assert found == pytest.approx([0.9 - 0.01 - 0.03 * 0.5641896 / 0.8462844])


def test_draws_that_have_all_diverged_never_get_anywhere():
    found = accuracies_of_best(search([math.nan, 0.8], [0.78, 0.79]), 1, HALVES)
    assert found[0] == -math.inf
    assert math.isfinite(found[1])


def test_the_accuracy_of_the_best_of_fewer_draws_is_estimated_without_bias_where_draws_and_noise_are_normal():
    generator = np.random.default_rng(0)
    uniforms = (np.arange(64) + 0.5) / 64
    errors = []
    for _ in range(400):
        quality = 0.8 + 0.01 * generator.normal(size=16)
        draws = quality + 0.008 * generator.normal(size=16)
        winner = quality[draws.argmax()] + 0.008 * generator.normal(size=10)
        estimate = accuracies_of_best(search(draws, winner, winner), 4, uniforms).mean()
        new = 0.8 + 0.01 * generator.normal(size=(64, 4))
        picked = (new + 0.008 * generator.normal(size=new.shape)).argmax(axis=1)
        errors.append(estimate - new[np.arange(64), picked].mean())
    assert np.mean(errors) == pytest.approx(0, abs=3 * np.std(errors) / math.sqrt(400))
    assert np.std(errors) / math.sqrt(400) < 0.0005  # a tenth of the curse, which is 0.005


def test_the_ratio_falls_to_the_truth_as_the_control_is_tuned():
    generator = np.random.default_rng(0)
    searches, control = planted_searches(generator)
    arm, _ = planted_samples(1.3, generator, budgets=BUDGETS, noise=0.001)
    bands = ratio_bands(BUDGETS, arm, control, searches, [1, 2, 4, 8, 16])
    ratios = [band.ratio for band in bands]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] > 2.5
    assert bands[-1].low < 1.3 < bands[-1].high
    assert bands[0].high > bands[-1].high
    assert [band.accuracy for band in bands] == sorted(band.accuracy for band in bands)


def test_against_all_draws_the_band_is_the_interval_of_the_speed_up():
    generator = np.random.default_rng(1)
    searches, control = planted_searches(generator, noise=0.003, seeds=10)
    arm, _ = planted_samples(1.3, generator, budgets=BUDGETS, noise=0.003, seeds=10)
    (band,) = ratio_bands(BUDGETS, arm, control, searches, [16])
    direct = speed_up(BUDGETS, arm, control)
    assert band.ratio == pytest.approx(direct.ratio, rel=0.02)
    assert (band.low, band.high) == pytest.approx((direct.low, direct.high), rel=0.05)


def test_where_one_draw_often_diverges_the_band_is_open_above():
    generator = np.random.default_rng(0)
    searches, control = planted_searches(generator)
    for (own,) in searches:
        own.draws[own.draws < np.median(own.draws)] = math.nan
    arm, _ = planted_samples(1.0, generator, budgets=BUDGETS)
    one, all_draws = ratio_bands(BUDGETS, arm, control, searches, [1, 16])
    assert one.high == math.inf
    assert all_draws.high < math.inf


def test_an_arm_beyond_the_budgets_gives_the_range_as_lower_bound():
    generator = np.random.default_rng(0)
    searches, control = planted_searches(generator)
    arm, _ = planted_samples(300.0, generator, budgets=BUDGETS)
    (band,) = ratio_bands(BUDGETS, arm, control, searches, [4])
    assert (band.ratio, band.high) == (math.inf, math.inf)
    assert band.low == 20


def test_with_two_budgets_bands_end_at_ratios_of_budgets():
    generator = np.random.default_rng(0)
    searches, control = planted_searches(generator)
    arm, _ = planted_samples(1.5, generator, budgets=BUDGETS, noise=0.001)
    (band,) = ratio_bands(BUDGETS[-2:], arm[-2:], control[-2:], searches[-2:], [16])
    assert 1 < band.ratio < 2
    assert (band.low, band.high) == (1, 2)


def test_several_searches_are_averaged_and_one_without_confirm_runs_is_left_out():
    generator = np.random.default_rng(0)
    searches, control = planted_searches(generator)
    arm, _ = planted_samples(1.3, generator, budgets=BUDGETS)
    lost = search([math.nan] * 16, [])
    alone = ratio_bands(BUDGETS, arm, control, searches, [4])
    assert ratio_bands(BUDGETS, arm, control, [[*own, lost] for own in searches], [4]) == alone
    twice = ratio_bands(BUDGETS, arm, control, [own * 2 for own in searches], [4])
    assert twice[0].high - twice[0].low < alone[0].high - alone[0].low


def test_one_seed_gives_ratios_without_a_band():
    generator = np.random.default_rng(0)
    searches, control = planted_searches(generator, seeds=1)
    arm, _ = planted_samples(1.3, generator, budgets=BUDGETS, seeds=1)
    (band,) = ratio_bands(BUDGETS, arm, control, searches, [4])
    assert band.ratio > 1
    assert math.isnan(band.low)
    assert math.isnan(band.high)


def test_bands_are_the_same_every_time():
    generator = np.random.default_rng(0)
    searches, control = planted_searches(generator)
    arm, _ = planted_samples(1.3, generator, budgets=BUDGETS)
    first, again = (ratio_bands(BUDGETS, arm, control, searches, [1, 8]) for _ in range(2))
    assert first == again


def test_a_control_without_a_search_is_refused():
    generator = np.random.default_rng(0)
    searches, control = planted_searches(generator)
    with pytest.raises(ValueError, match="searches must hold a search with confirm runs"):
        ratio_bands(BUDGETS, control, control, [*searches[:-1], []], [1])
    with pytest.raises(ValueError, match="confidence must be"):
        ratio_bands(BUDGETS, control, control, searches, [1], confidence=2)
