"""Workloads and budgets: what passes, and what is said of what does not."""

from __future__ import annotations

from typing import Any

import pytest

from models.workload import Budget, Workload

FIELDS: dict[str, Any] = {"name": "mnist1d-conv", "dataset": "mnist1d", "network": "conv1d"}


def test_a_workload_has_defaults_for_all_but_name_dataset_and_network() -> None:
    workload = Workload(**FIELDS)
    assert (workload.batch_size, workload.nesterov, workload.split_seed) == (100, False, 0)
    assert (workload.validation_frac, workload.network_settings, workload.data_root) == (0.2, {}, None)
    assert (workload.num_train, workload.input_shape, workload.num_classes) == (3200, (40,), 10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"dataset": "mnst1d"},
            r"dataset must be one of .*mnist1d; got 'mnst1d'\. Did you mean 'mnist1d'\?",
        ),
        ({"network": "resnett"}, r"network must be one of .*conv1d, .*; got 'resnett'\. Did you mean 'resnet'\?"),
        (
            {"network_settings": {"chanels": 3}},
            r"network_settings must be one of the settings of conv1d: batch_norm, .*channels, .*; got 'chanels'\. "
            r"Did you mean 'channels'\?",
        ),
        ({"network_settings": {"channels": 0}}, r"channels must be a whole number >= 1; got 0\."),
        ({"network_settings": {"batch_norm": 1}}, r"batch_norm must be true or false; got 1\."),
        (
            {"dataset": "digits"},
            r"network must be one that fits the data set's examples; got 'conv1d'\. .*mlp",
        ),
        (
            {"batch_size": 3201},
            r"batch_size must be at most the 3200 examples of the training part; got 3201\.",
        ),
        ({"batch_size": True}, r"batch_size"),
        ({"batch_size": 0}, r"batch_size"),
        ({"validation_frac": 1.0}, r"validation_frac"),
        (
            {"validation_frac": 1e-6},
            r"validation_frac must be a fraction that leaves examples on both sides of 4000",
        ),
        ({"name": "Not a slug"}, r"name"),
        ({"name": "x" * 61}, r"name"),
        ({"batchsize": 10}, r"batchsize"),
        ({"optimizer": "adamv"}, r"optimizer must be one of .*adamw, .*; got 'adamv'\. Did you mean 'adam'\?"),
        ({"optimizer": "lbfgs"}, r"lbfgs is none of them: it evaluates the loss several times per update"),
        (
            {"optimizer": "adam", "optimizer_settings": {"beta": 0.9}},
            r"optimizer_settings must be one of the settings of adam: .*beta2, .*; got 'beta'\. Did you mean 'beta2'\?",
        ),
        (
            {"optimizer": "adam", "optimizer_settings": {"eps": -1.0}},
            r"optimizer_settings must be what torch.optim.Adam takes \(Invalid epsilon value: -1.0\); got",
        ),
        ({"optimizer": "adam", "nesterov": True}, r"nesterov must be false: torch.optim.Adam has no such form"),
        ({"loss": "hinge"}, r"loss must be one of cross_entropy, package.module:function; got 'hinge'\."),
        ({"precision": "tf32"}, r"precision"),
        ({"micro_batch": 30}, r"micro_batch must be a divisor of batch_size \(100\); got 30\."),
        ({"channels_last": True}, r"channels_last must be false where examples are not images .*\(40,\); got True\."),
        ({"norm_batches": -1}, r"norm_batches"),
    ],
)
def test_a_bad_field_is_refused_with_the_options(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Workload(**(FIELDS | changes))


def test_a_workload_survives_json() -> None:
    workload = Workload(**FIELDS, network_settings={"channels": 8}, data_root="data")
    assert Workload.model_validate_json(workload.model_dump_json()) == workload


@pytest.mark.parametrize(
    ("unit", "amount", "label", "slug"),
    [
        ("epochs", 5, "5 epochs", "epochs-5"),
        ("epochs", 1, "1 epoch", "epochs-1"),
        ("updates", 200, "200 updates", "updates-200"),
    ],
)
def test_a_budget_has_a_label_for_people_and_a_slug_for_keys(unit: Any, amount: int, label: str, slug: str) -> None:
    budget = Budget(unit=unit, amount=amount)
    assert (budget.label, budget.slug) == (label, slug)


def test_epochs_count_full_batches_and_updates_count_themselves() -> None:
    assert Budget(unit="epochs", amount=3).total_updates(num_train=105, batch_size=10) == 30
    assert Budget(unit="updates", amount=7).total_updates(num_train=105, batch_size=10) == 7


def test_a_budget_needs_one_full_batch() -> None:
    with pytest.raises(ValueError, match=r"batch_size must be at most the 9 examples .*; got 10\."):
        Budget(unit="epochs", amount=1).total_updates(num_train=9, batch_size=10)


@pytest.mark.parametrize("amount", [0, True, 1.5])
def test_a_budget_is_a_whole_number(amount: Any) -> None:
    with pytest.raises(ValueError, match="amount"):
        Budget(unit="epochs", amount=amount)
