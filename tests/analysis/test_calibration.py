"""The calibration itself, on a small scale: what is right passes, what is wrong is noticed, what fails is reported."""

import gc
import re
from functools import partial

import numpy as np
import pytest
from scipy import stats

from tests.calibration import page
from tests.calibration.__main__ import main
from tests.calibration.catalogue import load_tables
from tests.calibration.experiments import Experiment, Table, holds
from tests.calibration.items import means, tuning, verdicts
from tests.calibration.judgement import Claim, clopper_pearson, judge
from tests.calibration.measuring import measure
from tests.calibration.populations import COARSE, HARSH, NORMAL, POPULATIONS, SKEWED, TIED

TABLES = load_tables()[0]


@pytest.fixture(scope="module", autouse=True)
def _little_garbage():
    """Make collecting garbage cheap, which statsmodels does at every call of multipletests."""
    gc.freeze()
    yield
    gc.unfreeze()


def quietly(done, total, task):
    """Show no progress."""


def share(simulate, count=2000, seed=0):
    """Run a simulation and return hits and answers."""
    outcomes = simulate(np.random.default_rng(seed), count)
    return float(np.nansum(outcomes)), int(np.isfinite(outcomes).sum())


def test_clopper_pearson_by_the_rule_of_three_and_against_scipy():
    # No event in n trials: the upper end solves (1 - p)^n = tail.
    low, high = clopper_pearson(0, 100, 0.95)
    assert (low, high) == (0, pytest.approx(1 - 0.025 ** (1 / 100)))
    expected = stats.binomtest(93, 100).proportion_ci(0.99, "exact")
    assert clopper_pearson(93, 100, 0.99) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(
    ("hits", "trials", "word"),
    [
        (9500, 10_000, "pass"),
        (9310, 10_000, "pass"),
        (9290, 10_000, "edge"),
        (9200, 10_000, "low"),
        (9800, 10_000, "high"),
        (95, 100, "unclear"),
        (0, 0, "unclear"),
    ],
)
def test_a_coverage_is_judged_against_93_to_97_percent(hits, trials, word):
    assert judge(Claim(), hits, trials).word == word


def test_an_error_rate_may_be_too_low_but_not_too_high_and_a_bound_the_other_way_round():
    at_most, at_least = Claim(promise="at most", level=0.05), Claim(promise="at least", level=0.95)
    assert [judge(at_most, hits, 1000).word for hits in (10, 50, 55, 90)] == ["pass", "pass", "edge", "high"]
    assert [judge(at_least, hits, 1000).word for hits in (1000, 950, 945, 910)] == ["pass", "pass", "edge", "low"]


def test_an_interval_holds_its_own_ends_and_no_interval_is_no_answer():
    assert holds(0.1, 0.3, 0.1) == holds(0.1, 0.3, 0.3) == 1
    assert holds(0.1, 0.3, 0.31) == 0
    assert np.isnan(holds(float("nan"), 0.3, 0.2))


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda population: population.name)
def test_a_population_has_the_mean_and_deviation_that_it_states(population):
    values = population.draw(np.random.default_rng(0), (200_000,))
    assert values.mean() == pytest.approx(population.true_mean, abs=5 * population.true_sd / 200_000**0.5)
    assert values.std() == pytest.approx(population.true_sd, rel=0.03)  # the fourth moment of t(4) is infinite


def test_the_skewed_populations_have_a_tail_of_low_accuracies_as_stated():
    assert float(SKEWED.shape.stats("s")) == pytest.approx(-0.75, abs=0.01)
    assert float(HARSH.shape.stats("s")) == -2


@pytest.mark.parametrize("population", [NORMAL, HARSH, TIED, COARSE], ids=lambda population: population.name)
def test_the_stated_probability_of_superiority_agrees_with_counting(population):
    generator = np.random.default_rng(1)
    better = population.moved(0.004)
    first, second = better.draw(generator, (100_000,)), population.draw(generator, (100_000,))
    ties = np.abs(first - second) < 1e-9
    counted = np.mean((first > second) & ~ties) + np.mean(ties) / 2
    assert better.superiority_over(population) == pytest.approx(counted, abs=0.006)


def test_the_t_interval_of_five_normal_seeds_passes():
    assert judge(Claim(), *share(partial(means.mean_holds, NORMAL, 5))).word == "pass"


def test_the_percentile_bootstrap_of_five_seeds_is_found_to_be_low():
    def simulate(generator, count):
        samples = NORMAL.draw(generator, (count, 5))
        picks = generator.integers(5, size=(count, 400, 5))
        resampled = np.take_along_axis(samples[:, np.newaxis], picks, axis=2).mean(axis=2)
        low, high = np.quantile(resampled, [0.025, 0.975], axis=1)
        return (low <= NORMAL.true_mean) & (NORMAL.true_mean <= high)

    judgement = judge(Claim(), *share(simulate))
    assert judgement.word == "low"
    assert judgement.share == pytest.approx(0.828, abs=0.03)  # 82.8 % at n = 5 is known from elsewhere


def test_the_welch_interval_of_unequal_spreads_passes():
    assert judge(Claim(), *share(partial(means.welch_holds, NORMAL.wider(3), NORMAL, (5, 5)))).word == "pass"


def test_the_band_of_a_tuning_curve_holds_at_least_as_often_as_it_promises():
    at_least = Claim(promise="at least", level=0.95)
    assert judge(at_least, *share(partial(tuning.band_holds, tuning.DRAWS[0], 10), 1000)).word == "pass"


def test_studies_without_a_difference_get_a_false_verdict_at_most_as_often_as_alpha():
    shape = verdicts.Shape(contenders=3, budgets=2, seeds=6)
    found = share(partial(verdicts.any_difference, shape, NORMAL, NORMAL), 300)
    assert judge(verdicts.AT_MOST_ALPHA, *found).word in {"pass", "edge"}


def test_studies_with_a_large_difference_get_their_verdict():
    shape = verdicts.Shape(contenders=1, budgets=1, seeds=8)
    hits, answers = share(partial(verdicts.any_difference, shape, NORMAL.moved(0.012), NORMAL), 100)
    assert hits / answers > 0.95


def coin(chance, generator, count):
    return generator.random(count) < chance


def broken(generator, count):
    raise ZeroDivisionError("no seeds")


COINS = Table(
    name="coins",
    heads=("coin",),
    experiments=(
        Experiment(row=("fair",), columns=("heads",), simulate=partial(coin, 0.95), simulations=5000, chunk=700),
        Experiment(row=("biased",), columns=("heads",), simulate=partial(coin, 0.5), simulations=5000, chunk=700),
        Experiment(row=("broken",), columns=("heads",), simulate=broken, simulations=5000, chunk=700),
    ),
)


def test_a_failing_experiment_is_reported_and_stops_no_other():
    fair, biased, failed = measure([COINS], processes=1, progress=quietly)["coins"]
    assert (fair.simulations, fair.judgement("heads").word) == (5000, "pass")
    assert biased.judgement("heads").word == "low"
    assert failed.failure.startswith("ZeroDivisionError: no seeds (test_calibration.py:")


def test_the_same_experiment_gives_the_same_numbers_whatever_else_is_measured():
    alone = Table(name="coins", heads=("coin",), experiments=COINS.experiments[1:2])
    together = measure([COINS], processes=1, progress=quietly)["coins"][1]
    assert measure([alone], processes=1, progress=quietly)["coins"][0].hits == together.hits


def test_two_processes_give_the_same_numbers_as_one():
    table = next(table for table in TABLES if table.name == "tuning-curve")
    one, two = (measure([table], processes=n, share=0.001, progress=quietly)["tuning-curve"] for n in (1, 2))
    assert [(tally.hits, tally.answers) for tally in one] == [(tally.hits, tally.answers) for tally in two]
    assert not any(tally.failure for tally in two)


def test_a_table_shows_every_cell_and_names_those_that_break_their_promise():
    text = page.table_text(COINS, measure([COINS], processes=1, progress=quietly)["coins"])
    assert re.search(r"^\| fair \| 9[45]\.\d \|$", text, re.MULTILINE)
    assert re.search(r"^\| biased \| \*\*\d\d\.\d low\*\* \|$", text, re.MULTILINE)
    assert "| broken | **failed** |" in text
    assert re.search(r"^\* biased; heads: \d\d\.\d % \(.*\), low; promised 93 to 97 %$", text, re.MULTILINE)
    assert "* broken: ZeroDivisionError: no seeds" in text


def test_writing_a_block_leaves_the_prose_alone():
    text = "Before.\n\n<!-- calibration: coins -->\nold\n<!-- end of calibration: coins -->\n\nAfter.\n"
    written = page.with_blocks(text, {"coins": "new \\1 table"})
    assert written == text.replace("old\n", "\nnew \\1 table\n\n")
    assert page.with_blocks(written, {"coins": "new \\1 table"}) == written
    with pytest.raises(ValueError, match="one block dice"):
        page.with_blocks(text, {"dice": "x"})


def test_every_table_has_its_place_in_the_page_and_every_place_its_table():
    assert load_tables()[1] == ()
    names = [table.name for table in TABLES]
    assert len(set(names)) == len(names)
    assert sorted(page.markers(page.PAGE.read_text(encoding="utf-8"))) == sorted([*names, page.RUN])


def test_every_cell_of_a_table_is_measured_once():
    for table in TABLES:
        cells = [(experiment.row, column) for experiment in table.experiments for column in experiment.columns]
        assert len(set(cells)) == len(cells), table.name
        assert {len(row) for row in table.rows} == {len(table.heads)}, table.name


def test_the_command_prints_a_table_and_leaves_the_page_alone_for_a_share(capsys):
    before = page.PAGE.read_bytes()
    assert main(["--only", "geometric-speed-up", "--share", "0.002", "--processes", "1"]) == 0
    assert "| log of the speed-up | 3 workloads |" in capsys.readouterr().out
    assert page.PAGE.read_bytes() == before


def test_the_command_names_the_tables_that_there_are(capsys):
    assert main(["--only", "nothing", "--processes", "1", "--print"]) == 1
    assert "--only must name tables of mean, welch" in capsys.readouterr().err
