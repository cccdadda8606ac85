import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.statistics.differences import welch_difference
from analysis.statistics.estimates import mean_estimate
from analysis.statistics.restricted_mean import (
    equality_p,
    restricted_mean,
    restricted_mean_difference,
    restricted_mean_of_seeds,
)
from analysis.statistics.targets import hit_times

# Survival in days of 228 patients with advanced lung cancer, + where censored: data set `lung` of the R package
# survival (Loprinzi et al. 1994), columns time, status and sex as in lifelines 0.30.3, datasets/lung.csv.
LUNG_MEN = """
11 11 11 12 13 13 15 26 30 31 53 53 54 59 60 65 65 71 81 88 88 92 93 95 105 107 110 116 118 131 132 132 135 142 144
147 156 156 163 163 163 166 170 174+ 175 176 177 179 179 180 181 181 183 185+ 188+ 189 191+ 196+ 197 197+ 202 207
210 212 218 221+ 222 222+ 223 225+ 225+ 229 230 237+ 239 246 259+ 267 269 270 279+ 283 284 284+ 285 286 288 291 292+
300+ 301 301+ 303 303+ 306 310 320 329 337 353 353 363 364 371 387 390 394 404+ 413+ 428 429 442 444+ 455 457 458+
460 477 519 524 533 558 567 574 583 613 624 643 655 689 707 791 806+ 814 840+ 883 1010+ 1022+
"""
LUNG_WOMEN = """
5 60 61 62 79 81 92+ 95 105+ 107 122 145 145 153 166 167 173+ 175+ 177+ 182 186 192+ 194 199 201 201 202+ 203+ 208
211+ 224+ 226 235+ 239 240+ 243+ 245 252+ 266+ 268 269+ 272+ 276+ 285 292+ 293 296+ 305 310 315+ 332+ 340 345 348
350 351 356+ 361 363 364+ 371 376+ 382+ 384+ 426 433 444 450 473 511+ 511+ 520 524 529+ 543+ 550 551+ 559+ 588+ 641
654 687 705 728 731 735 740+ 765 821+ 965+
"""


def read(text):
    """Return a sample written as times, with a + where the target was not reached."""
    words = text.split()
    return hit_times([float(word.rstrip("+")) for word in words], [not word.endswith("+") for word in words])


samples = st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=2, max_size=12).map(
    lambda runs: hit_times([t if hit else 12 for t, hit in runs], [hit for _, hit in runs])
)


def test_the_area_below_the_curve_by_hand():
    # S = 2/3 from 2 on, 1/3 from 3 on; up to 4 the area is 2 + 2/3 + 1/3. The areas ahead of the hits are 1 and 1/3:
    # variance 1^2 * 1/(3*2) + (1/3)^2 * 1/(2*1) = 2/9.
    estimate = restricted_mean(read("2 3 4+"), 4)
    assert estimate.mean == pytest.approx(3)
    assert estimate.standard_error == pytest.approx(math.sqrt(2 / 9))


def test_few_seeds_by_hand():
    # Times 2, 3, 4 up to the horizon: mean 3, sd 1, and t(0.975, 2) from tables.
    estimate = restricted_mean_of_seeds(read("2 3 4+"), 4)
    assert (estimate.mean, estimate.degrees_of_freedom) == (3, 2)
    assert estimate.standard_error == pytest.approx(1 / math.sqrt(3))
    assert estimate.interval() == (pytest.approx(3 - 4.302652729911275 / math.sqrt(3)), 4)


def test_survrm2_on_lung_cancer_by_sex():
    # R: survRM2::rmst2(time, status, arm, tau = 965) on survival::lung, printed to 7 digits.
    women, men = (restricted_mean(read(text), 965) for text in (LUNG_WOMEN, LUNG_MEN))
    assert (men.mean, men.standard_error) == pytest.approx((324.0484, 22.29794), rel=1e-6)
    assert (women.mean, women.standard_error) == pytest.approx((455.9041, 32.91742), rel=1e-6)
    difference = restricted_mean_difference(women, men)
    assert (difference.difference, difference.standard_error) == pytest.approx((131.8557, 39.75870), rel=1e-6)
    assert difference.interval() == pytest.approx((53.93005, 209.7813), rel=1e-6)
    assert equality_p(difference) == pytest.approx(0.0009118595, rel=1e-5)


@given(samples)
def test_watched_to_the_horizon_both_agree_but_for_n_over_n_minus_1(sample):
    large, small = restricted_mean(sample, 12), restricted_mean_of_seeds(sample, 12)
    assert small.mean == pytest.approx(large.mean)
    factor = math.sqrt(sample.num_runs / (sample.num_runs - 1))
    assert small.standard_error == pytest.approx(factor * large.standard_error, abs=1e-9)


@given(samples, samples)
def test_the_difference_of_few_seeds_is_welchs(first, second):
    both = (restricted_mean_of_seeds(sample, 12) for sample in (first, second))
    expected = welch_difference(first.times, second.times)
    found = restricted_mean_difference(*both)
    assert found.difference == pytest.approx(expected.difference)
    assert found.interval() == pytest.approx(expected.interval(), abs=1e-9)


def test_hits_after_the_horizon_count_as_the_horizon():
    sample = read("2 3 9")
    assert restricted_mean_of_seeds(sample, 4).mean == 3
    assert restricted_mean(sample, 4).mean == pytest.approx(3)


def test_runs_of_one_seed_count_as_one():
    sample = hit_times([2, 4, 3, 3, 5, 7], [True] * 6, seeds=[0, 0, 1, 1, 2, 2])
    expected = mean_estimate([3, 3, 6])
    estimate = restricted_mean_of_seeds(sample, 10)
    assert estimate.mean == expected.mean
    assert estimate.interval() == (0.0, pytest.approx(expected.high))
    assert estimate.degrees_of_freedom == 2


@pytest.mark.parametrize("text", ["4+ 4+ 4+", "2 2 2"])
def test_all_missed_or_all_tied_gives_an_interval_of_no_width(text):
    estimate = restricted_mean_of_seeds(read(text), 4)
    assert estimate.standard_error == 0
    assert estimate.interval() == (estimate.mean, estimate.mean)
    assert restricted_mean(read(text), 4).standard_error == 0


def test_all_missed_in_both_arms_is_no_difference_and_no_evidence():
    never = restricted_mean_of_seeds(read("4+ 4+ 4+"), 4)
    difference = restricted_mean_difference(never, never)
    assert difference.interval() == (0, 0)
    assert math.isnan(equality_p(difference))


def test_one_seed_has_a_mean_without_interval_and_none_has_nothing():
    one, none = (restricted_mean_of_seeds(read(text), 4) for text in ("3", ""))
    assert one.mean == 3
    assert all(math.isnan(end) for end in one.interval())
    assert math.isnan(none.mean)
    assert math.isnan(restricted_mean(read(""), 4).mean)
    difference = restricted_mean_difference(one, restricted_mean_of_seeds(read("2 3"), 4))
    assert difference.difference == 0.5
    assert math.isnan(difference.interval()[0])


def test_an_interval_stays_where_the_mean_can_lie():
    low, high = restricted_mean_of_seeds(read("1 10"), 10).interval()
    assert (low, high) == (0, 10)


def test_what_cannot_be_averaged_is_refused():
    with pytest.raises(ValueError, match="horizon must be at most 3, where a run ceased"):
        restricted_mean_of_seeds(read("3+ 4"), 4)
    with pytest.raises(ValueError, match="horizon must be at most 3, where the last run ceases"):
        restricted_mean(read("2 3+"), 4)
    with pytest.raises(ValueError, match="horizon must be positive; got 0"):
        restricted_mean(read("2 3"), 0)
    with pytest.raises(ValueError, match="horizons must be equal; got 4 and 5"):
        restricted_mean_difference(restricted_mean(read("2"), 4), restricted_mean(read("2"), 5))


def test_a_95_percent_interval_of_few_seeds_covers_when_misses_are_common():
    # Hit times are lognormal around 300 of 400 updates, so that about one run in seven misses.
    generator, truth = np.random.default_rng(5), None
    draws = np.exp(generator.normal(math.log(300), 0.25, size=(4000, 8)))
    truth = np.minimum(np.exp(generator.normal(math.log(300), 0.25, size=400_000)), 400).mean()
    intervals = [restricted_mean_of_seeds(hit_times(np.minimum(d, 400), d <= 400), 400).interval() for d in draws]
    assert np.mean([low <= truth <= high for low, high in intervals]) == pytest.approx(0.95, abs=0.02)
