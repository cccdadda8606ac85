import gc
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from analysis.statistics import dunnett, holm


@pytest.fixture(scope="module")
def collected():
    """Leave garbage collections nothing to look through: statsmodels makes one at every call."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("collected")
@given(st.lists(st.floats(0, 1).map(lambda p: round(p, 3)), min_size=1, max_size=20))
def test_holm_agrees_with_statsmodels(p_values):
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1])


def test_dunnetts_blood_counts_give_what_his_tables_give():
    # Dunnett (1955): against 1 % and 5 % tables drug B differs and drug A does not; the same p-values come from R:
    # multcomp::glht(aov(count ~ group), linfct = mcp(group = "Dunnett")).
    control = [7.40, 8.50, 7.20, 8.24, 9.84, 8.32]
    drug_a, drug_b = [9.76, 8.80, 7.68, 9.36], [12.80, 9.68, 12.16, 9.20, 10.55]
    np.testing.assert_allclose(dunnett([drug_a, drug_b], control), [0.62, 0.0059], rtol=0.01)


@pytest.mark.parametrize(
    ("treatments", "num_seeds", "critical", "alpha"),
    # Dunnett (1964), New tables for multiple comparisons with a control, two-sided: 12, 20 and 24 degrees of freedom.
    [(2, 5, 2.50, 0.05), (3, 6, 2.54, 0.05), (4, 5, 2.65, 0.05), (5, 5, 2.70, 0.05), (2, 5, 3.39, 0.01)],
)
def test_a_statistic_at_the_tabled_value_has_the_tabled_p(treatments, num_seeds, critical, alpha):
    control = np.linspace(-1, 1, num_seeds)
    control /= control.std(ddof=1)
    samples = [control] * (treatments - 1) + [control + critical * math.sqrt(2 / num_seeds)]
    assert dunnett(samples, control)[-1] == pytest.approx(alpha, rel=0.015)  # the tables have two decimals


def test_with_one_treatment_dunnetts_test_is_the_pooled_t_test():
    generator = np.random.default_rng(1)
    treatment, control = generator.normal(0.5, 1, 6), generator.normal(0, 1, 9)
    assert dunnett([treatment], control)[0] == pytest.approx(stats.ttest_ind(treatment, control).pvalue)


def test_a_many_to_one_p_lies_between_no_correction_and_bonferronis():
    generator = np.random.default_rng(2)
    samples, control = generator.normal([[0.0], [0.5], [1.5], [4.0]], 1, (4, 8)), generator.normal(0, 1, 8)
    single = np.array(
        [2 * stats.t.sf(abs(x), 35) for x in (samples.mean(1) - control.mean()) / pooled_error([*samples, control])]
    )
    adjusted = dunnett(list(samples), control)
    assert (single <= adjusted).all()
    assert (adjusted <= np.minimum(4 * single, 1)).all()
    assert adjusted[-1] > 0


def pooled_error(samples):
    return math.sqrt(np.mean([np.var(sample, ddof=1) for sample in samples]) * 2 / len(samples[0]))


def test_the_same_samples_give_the_same_p_every_time():
    generator = np.random.default_rng(3)
    samples, control = list(generator.normal(0, 1, (3, 5))), generator.normal(0, 1, 5)
    np.testing.assert_array_equal(dunnett(samples, control), dunnett(samples, control))


def test_shift_and_scale_do_not_matter():
    generator = np.random.default_rng(4)
    samples, control = generator.normal(0, 1, (3, 5)), generator.normal(0, 1, 5)
    np.testing.assert_allclose(
        dunnett(list(samples), control), dunnett(list(1e-3 * samples + 0.9), 1e-3 * control + 0.9), atol=1e-6
    )


def test_a_sample_of_one_seed_is_not_tested_and_leaves_the_others_alone():
    first, control = [0.9, 0.92, 0.91], [0.88, 0.9, 0.89]
    p = dunnett([first, [0.5], []], control)
    assert p[0] == pytest.approx(stats.ttest_ind(first, control).pvalue)
    assert np.isnan(p[1:]).all()


def test_a_constant_sample_is_tested_with_the_spread_of_the_others_and_no_warning(recwarn):
    p = dunnett([[0.93] * 5, [0.90, 0.91, 0.92, 0.91, 0.90]], [0.90, 0.91, 0.90, 0.92, 0.91])
    assert p[0] < 0.01 < p[1]
    assert not recwarn.list


@pytest.mark.parametrize("control", [[0.9, 0.9], [0.9], []])
def test_without_any_spread_or_without_a_control_nothing_is_tested(control):
    assert np.isnan(dunnett([[0.91, 0.91], [0.9, 0.9]], control)).all()


def test_dunnett_of_nothing_is_nothing():
    assert dunnett([], [0.1, 0.2]).size == 0


def test_a_value_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="treatments must be finite"):
        dunnett([[0.1, math.nan]], [0.1, 0.2])
