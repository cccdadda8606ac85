import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.statistics.profiles import (
    ALGOPERF,
    HeldOut,
    algoperf_scores,
    geometric_speed_up,
    performance_profile,
    performance_ratios,
    profile_scores,
    robust_times,
    times_per_workload,
)

INF = math.inf
NAN = math.nan

# Updates to target and official scores by updates of the AlgoPerf self-tuning leaderboard v2, from the repository
# mlcommons/submissions_algorithms, artifacts/leaderboard_v2/time_to_targets_steps.csv (commit 0b40d9c) and
# scores_steps.csv (commit 05f7967). Nobody reaches imagenet_resnet, the fourth workload.
LEADERBOARD = {
    "AdEMAMix": ((8371, 10206, 44503, INF, INF, 67706, INF, 27247, 112742), 0.5258136924803595),
    "Cautious NAdamW": ((INF, 7518, 58199, INF, INF, INF, INF, 24948, 112372), 0.31986531986531946),
    "Lion": ((INF, 10645, 59524, INF, INF, INF, INF, 33386, 109080), 0.2732884399551064),
    "Muon (JAX)": ((INF, 8801, 40724, INF, 151926, INF, INF, INF, INF), 0.31986531986531946),
    "Muon (PyTorch)": ((7716, INF, 39220, INF, INF, INF, INF, 7711, 97224), 0.4326599326599318),
    "NAdamW": ((8286, 9924, 58784, INF, 152461, INF, INF, INF, INF), 0.40404040404040326),
    "NAdamW (Baseline v0.5)": ((9145, 6648, 47039, INF, INF, INF, INF, 20879, 118600), 0.45454545454545503),
    "NAdamW (ResNet)": ((INF, 9220, 53029, INF, INF, INF, INF, 32738, INF), 0.19528619528619492),
    "Schedule-Free AdamW": ((10346, 10599, INF, INF, INF, INF, 90588, 15853, 133517), 0.4461279461279469),
    "Schedule-Free AdamW (JAX)": ((INF, 7160, 57242, INF, 175889, INF, INF, 27341, 122198), 0.4090909090909087),
    "Schedule-Free AdamW (JAX v2)": ((9005, 8750, 68640, INF, 164206, INF, INF, 27457, INF), 0.41245791245791213),
    "Schedule-Free AdamW v2": ((7951, 12431, INF, INF, INF, 83184, 78669, 28449, 73222), 0.5252525252525259),
    "DiLoCo (Single Worker)": ((INF, 9342, 61209, INF, INF, INF, INF, INF, INF), 0.18630751964085265),
    "DiLoCo v2 (Single Worker)": ((INF, 10140, 59550, INF, INF, INF, INF, INF, INF), 0.1829405162738493),
}
LEADERBOARD_TIMES = np.array([times for times, _ in LEADERBOARD.values()])
LEADERBOARD_SCORES = np.array([score for _, score in LEADERBOARD.values()])

times_of_arms = st.integers(1, 5).flatmap(
    lambda workloads: st.lists(
        st.lists(st.one_of(st.just(INF), st.floats(1, 1e6)), min_size=workloads, max_size=workloads),
        min_size=1,
        max_size=5,
    )
)


def one_trial(times):
    """Give times of shape (arms, workloads, studies) the axis of trials."""
    return np.asarray(times, dtype=float)[..., np.newaxis]


def generator(seed=0):
    return np.random.default_rng(seed)


def test_the_time_of_a_workload_is_the_median_over_studies_of_the_fastest_trial():
    studies = [[[[9, 4], [INF, 6], [5, 5]]]]  # fastest trials 4, 6 and 5
    assert times_per_workload(studies).tolist() == [[5]]


def test_the_fastest_trial_is_the_one_with_the_least_time_whatever_its_evaluations():
    # Trial 1 hits at its first evaluation, after 300 updates; trial 2 at its third, after 150. AlgoPerf's program
    # takes trial 1, the earliest evaluation.
    assert times_per_workload([[[[300, 150]]]]).tolist() == [[150]]


@pytest.mark.parametrize(
    ("studies", "time"),
    [
        ([1, INF, INF], INF),
        ([1, 3, INF], 3),
        ([1, 3, INF, INF], INF),
        ([1, 3, 5, INF], 4),
        ([INF, INF], INF),
        ([1, 3, NAN], 2),
        ([INF, NAN, NAN], INF),
        ([NAN, NAN], NAN),
    ],
)
def test_a_miss_is_later_than_any_time_and_an_absent_study_is_left_out(studies, time):
    assert times_per_workload(one_trial([[studies]]))[0, 0] == pytest.approx(time, nan_ok=True)


def test_an_absent_trial_is_no_miss_and_no_hit():
    assert times_per_workload([[[[NAN, 7], [NAN, NAN], [INF, NAN]]]]).tolist() == [[INF]]
    assert times_per_workload([[[[NAN, 7], [NAN, NAN], [9, NAN]]]]).tolist() == [[8]]


def test_ratios_are_relative_to_the_best_arm_of_each_workload():
    assert performance_ratios([[2, 9], [4, 3]]).tolist() == [[1, 3], [2, 1]]


def test_a_workload_that_nobody_reaches_has_infinite_ratios_for_all():
    assert performance_ratios([[INF, 1], [INF, INF]]).tolist() == [[INF, 1], [INF, INF]]


def test_an_arm_without_a_time_has_no_ratio_and_leaves_the_others_theirs():
    ratios = performance_ratios([[NAN], [4], [8]])
    assert math.isnan(ratios[0, 0])
    assert ratios[1:].tolist() == [[1], [2]]


def test_a_profile_is_the_share_of_workloads_within_a_factor_of_the_best():
    profile = performance_profile([[1, 1, 2, INF], [3, 2, 1, INF]], [1, 2, 2.5, 3, 1e9])
    assert profile.tolist() == [[0.5, 0.75, 0.75, 0.75, 0.75], [0.25, 0.5, 0.5, 0.75, 0.75]]


def test_the_score_of_two_arms_on_two_workloads_by_hand():
    # Ratios 1 and 2 earn 1 and (4 - 2) / 3; ratios 1.5 and 5 earn 2.5 / 3 and nothing.
    assert profile_scores([[1, 2], [1.5, 5]]).tolist() == pytest.approx([(1 + 2 / 3) / 2, 2.5 / 6])


def test_the_fastest_arm_on_every_workload_scores_1_and_one_that_always_misses_0():
    assert profile_scores(performance_ratios([[1, 1], [INF, INF]])).tolist() == [1, 0]


def test_four_times_the_best_earns_nothing():
    assert profile_scores([[4.0]]).tolist() == profile_scores([[INF]]).tolist() == [0]


def test_the_profiles_of_the_algoperf_leaderboard_give_its_official_scores():
    taus = np.linspace(1, 4, 100)  # as in score_submissions.py: 100 points, trapezoid rule, normalised
    profiles = performance_profile(performance_ratios(LEADERBOARD_TIMES), taus)
    assert np.trapezoid(profiles, taus, axis=1) / 3 == pytest.approx(LEADERBOARD_SCORES, abs=1e-12)


def test_exact_integrals_of_the_algoperf_leaderboard_are_within_two_thousandths_of_its_scores():
    scores = profile_scores(performance_ratios(LEADERBOARD_TIMES))
    assert scores == pytest.approx(LEADERBOARD_SCORES, abs=0.002)


def test_a_workload_that_nobody_reaches_stays_in_the_denominator_as_on_the_leaderboard():
    reached = np.isfinite(LEADERBOARD_TIMES).any(axis=0)
    assert (~reached).sum() == 1
    without = profile_scores(performance_ratios(LEADERBOARD_TIMES[:, reached]))
    assert profile_scores(performance_ratios(LEADERBOARD_TIMES)) == pytest.approx(without * 8 / 9)


@given(times_of_arms)
def test_the_score_is_the_integral_of_the_profile(times):
    ratios = performance_ratios(times)
    edges = np.unique(np.concatenate([[1.0, 4.0], ratios[ratios <= 4]]))
    steps = performance_profile(ratios, edges[:-1]) @ np.diff(edges)
    assert profile_scores(ratios) == pytest.approx(steps / 3, abs=1e-9)


@given(times_of_arms, st.floats(1e-3, 1e3))
def test_scores_do_not_depend_on_the_unit_of_time(times, unit):
    scaled = profile_scores(performance_ratios(np.array(times) * unit))
    assert scaled == pytest.approx(profile_scores(performance_ratios(times)), abs=1e-9)


@given(times_of_arms)
def test_profiles_rise_from_the_share_of_wins_to_the_share_of_hits(times):
    ratios = performance_ratios(times)
    profiles = performance_profile(ratios, [1, 1.5, 2, 4, 1e300])
    assert (np.diff(profiles, axis=1) >= 0).all()
    assert profiles[:, 0].tolist() == (ratios == 1).mean(axis=1).tolist()
    assert profiles[:, -1].tolist() == np.isfinite(ratios).mean(axis=1).tolist()


def test_an_arm_is_disqualified_where_it_misses_the_held_out_variant():
    assert robust_times([[5, 7]], [[INF]], [1]).tolist() == [[5, INF]]


def test_an_arm_is_disqualified_where_it_is_more_than_four_times_slower_on_the_variant():
    times, variant = [[5], [6], [6]], [[10], [40], [40.1]]
    assert robust_times(times, variant, [0]).tolist() == [[5], [6], [INF]]


def test_a_time_more_than_four_times_the_fastest_is_a_miss():
    assert robust_times([[1], [4], [4.1]], np.empty((3, 0)), []).tolist() == [[1], [4], [INF]]


def test_the_fastest_on_the_variant_is_sought_among_arms_that_reach_the_workload_itself():
    # By the documentation of version 0.5; its program took the fastest of all arms, which would disqualify the second.
    assert robust_times([[INF], [6]], [[1], [40]], [0]).tolist() == [[INF], [6]]


def test_a_workload_without_a_variant_has_no_further_condition():
    assert robust_times([[5, 7], [6, 8]], [[INF], [1]], [0]).tolist() == [[INF, 7], [6, 8]]


def test_held_out_workloads_change_the_score_and_are_not_scored_themselves():
    times = one_trial([[[2, 2, 2], [4, 4, 4]], [[4, 4, 4], [2, 2, 2]]])
    held_out = HeldOut(times=one_trial([[[INF, INF, 1]], [[1, 1, INF]]]), base=[0])
    plain = algoperf_scores(times, generator=generator())
    assert plain.score.tolist() == pytest.approx([5 / 6, 5 / 6])
    # The first arm loses its best workload, on which the second is the fastest now.
    scored = algoperf_scores(times, generator=generator(), held_out=held_out)
    assert scored.score.tolist() == pytest.approx([1 / 3, 1])


def test_the_versions_of_algoperf_differ_in_studies_and_held_out_workloads():
    assert [(r.num_studies, r.num_trials, r.held_out) for r in ALGOPERF.values()] == [(5, 5, True), (3, 5, False)]


def test_scores_come_with_intervals_that_are_the_same_for_the_same_generator():
    times = one_trial(np.exp(generator(3).normal([[0], [0.3]], 0.2, size=(6, 2, 4)).transpose(1, 2, 0)))
    first, again = (algoperf_scores(times, generator=generator(9)) for _ in range(2))
    assert (first.low.tolist(), first.high.tolist()) == (again.low.tolist(), again.high.tolist())
    other = algoperf_scores(times, generator=generator(10))
    assert other.low.tolist() != first.low.tolist()
    assert (first.low < first.score).all()
    assert first.high[0] == first.score[0] == 1  # no score is above it
    assert first.high[1] > first.score[1]


def test_runs_without_noise_give_an_interval_without_width():
    scores = algoperf_scores(one_trial([[[2] * 5], [[3] * 5]]), generator=generator())
    for values in (scores.low, scores.score, scores.high):
        assert values == pytest.approx([1, 2.5 / 3])


def test_misses_of_everyone_everywhere_score_0_without_a_warning(recwarn):
    scores = algoperf_scores(one_trial(np.full((2, 3, 5), INF)), generator=generator())
    assert scores.score.tolist() == scores.low.tolist() == scores.high.tolist() == [0, 0]
    assert not recwarn.list


def test_an_arm_that_hits_now_and_then_has_an_interval_from_0_upwards(recwarn):
    times = one_trial([[[1, 1, 1, INF, INF]], [[2, 2, 2, 2, 2]]])
    scores = algoperf_scores(times, generator=generator())
    assert scores.score.tolist() == pytest.approx([1, 2 / 3])
    assert scores.low[0] < 0.5
    assert scores.high[1] > 0.9
    assert not recwarn.list


@pytest.mark.parametrize("studies", [[1.0], [1.0, 2.0], [1.0, 2.0, NAN]])
def test_fewer_than_three_studies_give_a_score_without_an_interval(studies):
    scores = algoperf_scores(one_trial([[studies], [[3.0] * len(studies)]]), generator=generator())
    assert scores.score[0] == 1
    assert np.isnan(scores.low).all()
    assert np.isnan(scores.high).all()


def test_an_arm_that_did_not_run_on_a_workload_has_no_score(recwarn):
    times = one_trial([[[1, 1, 1], [NAN] * 3], [[2, 2, 2], [2, 2, 2]]])
    scores = algoperf_scores(times, generator=generator())
    assert math.isnan(scores.score[0])
    assert scores.score[1] == pytest.approx((2 / 3 + 1) / 2)
    assert not recwarn.list


@pytest.mark.parametrize("num_studies", [3, 5, 10])
@pytest.mark.parametrize("gap", [0.0, 0.3])
def test_the_interval_covers_the_score_also_of_arms_that_are_equally_fast(gap, num_studies):
    # The percentile bootstrap covers 1, the truth for equal arms, in 3 % of cases.
    draw = np.random.default_rng([num_studies, int(10 * gap)])
    centres = np.array([[0.0], [gap]]) + draw.normal(size=6)
    truth = profile_scores(performance_ratios(np.exp(centres)))
    covered = 0
    for _ in range(200):
        times = np.exp(draw.normal(centres[..., np.newaxis], 0.1, size=(2, 6, num_studies)))
        scores = algoperf_scores(one_trial(times), generator=draw, num_replicates=100)
        covered += (scores.low <= truth + 1e-12) & (truth - 1e-12 <= scores.high)
    assert (covered / 200 >= 0.9).all()


def test_the_geometric_mean_of_speed_ups_by_hand():
    # Twice and eight times as fast: 4 on average; logs 1 and 3 in base 2, sd sqrt 2, t(0.975, 1) = 12.7062.
    speed_up = geometric_speed_up([5, 1], [10, 8])
    assert speed_up.ratio == pytest.approx(4)
    assert math.log2(speed_up.high) == pytest.approx(2 + 12.706204736432095)
    assert speed_up.low * speed_up.high == pytest.approx(16)


@given(st.lists(st.tuples(st.floats(1, 1e5), st.floats(1, 1e5)), min_size=1, max_size=6))
def test_exchanging_arm_and_control_inverts_the_speed_up(pairs):
    arm, control = zip(*pairs, strict=True)
    forth, back = geometric_speed_up(arm, control), geometric_speed_up(control, arm)
    assert forth.ratio * back.ratio == pytest.approx(1)
    if math.isfinite(forth.high) and forth.low > 0:
        assert forth.high * back.low == pytest.approx(1)


@pytest.mark.parametrize("missing", [INF, NAN])
def test_a_miss_leaves_no_speed_up_unless_restricted_to_the_workloads_that_both_reach(missing):
    speed_up = geometric_speed_up([5, missing, 4], [10, 8, 8])
    assert math.isnan(speed_up.ratio)
    assert (speed_up.num_workloads, speed_up.num_entered) == (3, 2)
    restricted = geometric_speed_up([5, missing, 4], [10, 8, 8], restricted=True)
    assert restricted.ratio == pytest.approx(2)
    assert restricted.num_entered == 2


def test_one_workload_has_a_speed_up_without_an_interval_and_none_has_neither():
    speed_up = geometric_speed_up([5], [10])
    assert speed_up.ratio == pytest.approx(2)
    assert math.isnan(speed_up.low)
    assert math.isnan(geometric_speed_up([], []).ratio)
    assert math.isnan(geometric_speed_up([INF], [3], restricted=True).ratio)


def test_the_speed_up_of_the_leaderboard_over_its_baseline_agrees_with_scipy():
    from scipy.stats import gmean

    arm, control = LEADERBOARD_TIMES[0], LEADERBOARD_TIMES[6]
    both = np.isfinite(arm) & np.isfinite(control)
    speed_up = geometric_speed_up(arm, control, restricted=True)
    assert speed_up.ratio == pytest.approx(gmean(control[both] / arm[both]))


def test_arguments_out_of_range_are_named():
    with pytest.raises(ValueError, match="times must be positive"):
        performance_ratios([[0.0]])
    with pytest.raises(ValueError, match="four axes"):
        times_per_workload([[1.0]])
    with pytest.raises(ValueError, match="largest_ratio must be above 1; got 1"):
        profile_scores([[1.0]], largest_ratio=1)
    with pytest.raises(ValueError, match="confidence must be in"):
        algoperf_scores(one_trial([[[1.0]]]), generator=generator(), confidence=95)
    with pytest.raises(ValueError, match="one index below 1 per held-out workload"):
        robust_times([[1.0]], [[1.0]], [1])
    with pytest.raises(ValueError, match="shape of control_times"):
        geometric_speed_up([1.0], [1.0, 2.0])
