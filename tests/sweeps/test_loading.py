from __future__ import annotations

import copy
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeps.cli import main
from sweeps.errors import InputError, StudyError
from sweeps.loading import STUDIES, load_study, shipped_studies, study_schema, validate_study
from sweeps.spec import Study
from tests.sweeps.studies import tiny_data, tiny_study


def problems(data: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(StudyError) as caught:
        validate_study(data, "study.yaml")
    return {problem.place: problem.message for problem in caught.value.problems}


def write(folder: Path, text: str) -> str:
    path = folder / "my study.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_everything_but_workloads_and_arms_has_a_default() -> None:
    data = {key: tiny_data()[key] for key in ("workloads", "arms", "study")}
    study = validate_study(data, "f")
    assert study.control == "cosine"  # the first tuned arm
    assert study.tuning.draws == 16
    assert list(study.search) == ["peak_lr", "weight_decay", "momentum"]
    assert [budget.label for budget in study.budgets.each] == ["5 epochs", "20 epochs"]


def test_the_name_defaults_to_the_name_of_the_file(tmp_path: Path) -> None:
    data = tiny_data()
    del data["study"]
    assert load_study(write(tmp_path, yaml.safe_dump(data))).study == "my-study"


def test_an_arm_searches_its_schedules_own_settings_unless_it_says_otherwise() -> None:
    arms = {
        "a": {"schedule": "piecewise"},
        "b": {"schedule": "piecewise", "settings": {"factor": 0.2}},
        "c": {"schedule": "piecewise", "search": {}},
    }
    study = tiny_study(arms=arms, control="a")
    assert set(study.arms["a"].search) == {"milestones", "factor"}
    assert set(study.arms["b"].search) == {"milestones"}
    assert set(study.arms["c"].search) == set()


def test_what_all_arms_search_is_no_dimension_of_an_arms_default_search() -> None:
    shared = {"peak_lr": {"log": [0.01, 1.0]}, "warmup_frac": {"float": [0.0, 0.4]}}
    study = tiny_study(search=shared)
    assert list(study.space("cosine").dimensions) == ["peak_lr", "warmup_frac", "final_factor"]
    assert list(study.space("one_cycle").dimensions) == ["peak_lr", "warmup_frac", "momentum_drop"]
    assert Study.from_recorded(study.recorded()) == study
    arms = {
        **tiny_data()["arms"],
        "one_cycle": {"schedule": "one_cycle", "search": {"warmup_frac": {"float": [0, 0.5]}}},
    }
    found = problems({**tiny_data(), "search": shared, "arms": arms})
    assert "searched by all arms" in found["arms.one_cycle.search.warmup_frac"]


def test_settings_that_only_go_together_are_checked_together() -> None:
    four = {"knot_fracs": [0, 0.2, 0.8, 1], "knot_factors": [0.1, 1, 1, 0]}
    options = {"knot_fracs": {"choice": [[0, 0.2, 0.8, 1]]}, "knot_factors": {"choice": [[0.1, 1, 1, 0], [0, 1, 1, 0]]}}
    arms = {"a": {"schedule": "knots", "settings": four, "search": {}}, "b": {"schedule": "knots", "search": options}}
    assert tiny_study(arms=arms, control="a").arms["a"].fixed["knot_factors"] == (0.1, 1, 1, 0)
    arms["a"]["settings"] = {**four, "knot_factors": [0.1, 1, 0], "warmup_frac": 2}
    arms["b"]["search"] = {**options, "knot_fracs": {"choice": [[0, 0.2, 0.8, 1], [0, 1]]}}
    assert sorted(problems({**tiny_data(), "arms": arms, "control": "a"})) == [
        "arms.a.settings.knot_factors",
        "arms.a.settings.warmup_frac",
        "arms.b.search.knot_factors",
    ]


def test_numbers_in_scientific_notation_are_numbers(tmp_path: Path) -> None:
    text = yaml.safe_dump(tiny_data()) + "\nsearch: {peak_lr: {log: [1e-3, 1e0]}}\nalpha: 1e-2\n"
    study = load_study(write(tmp_path, text))
    assert study.alpha == 0.01
    assert study.search["peak_lr"].at(0.0) == 1e-3


def test_all_mistakes_are_reported_at_once_with_their_places() -> None:
    data = tiny_data()
    data["tunning"] = {"draws": 8}
    data["confirm"] = {"seeds": 1}
    data["alpha"] = float("nan")
    data["workloads"][0]["dataset"] = "digit"
    data["arms"]["cosine"]["shedule"] = "x"
    data["arms"]["one_cycle"]["search"] = {"warmup_frac": {"log": [0.0, 0.5]}}
    found = problems(data)
    assert "Did you mean tuning?" in found["tunning"]
    assert found["confirm.seeds"] == "must be at least 2; got 1."
    assert "finite" in found["alpha"]
    assert "digits" in found["workloads[0].dataset"]
    assert "Did you mean schedule?" in found["arms.cosine.shedule"]
    assert "low > 0" in found["arms.one_cycle.search.warmup_frac"]


def test_one_mistake_gives_one_message() -> None:
    data = tiny_data()
    data["arms"]["cosine"]["schedule"] = "cosin"
    assert list(problems(data)) == ["arms.cosine.schedule"]
    data = tiny_data()
    data["workloads"][0]["batch_size"] = 0
    assert list(problems(data)) == ["workloads[0].batch_size"]


def test_a_misspelt_shared_dimension_is_named_with_its_near_miss() -> None:
    found = problems({**tiny_data(), "search": {"peak_Ir": {"log": [0.1, 1.0]}}})
    assert "Did you mean peak_lr?" in found["search.peak_Ir"]


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ({"control": "published"}, "control", "must be a tuned arm"),
        ({"control": "cosin"}, "control", "Did you mean cosine?"),
        ({"budgets": {"epochs": [5], "updates": [7]}}, "budgets", "must be one of"),
        ({"budgets": {"epochs": [5, 5]}}, "budgets", "each length once"),
        ({"budgets": {"epochs": [0]}}, "budgets.epochs[0]", "at least 1"),
        ({"resources": {"gpu": 1.5}}, "resources.gpu", "whole number of GPUs"),
        ({"search": {"momentum": {"float": [0.5, 0.9]}}}, "arms.cosine", "peak_lr"),
        ({"search": {"peak_lr": {"float": [-1.0, 1.0]}}}, "search.peak_lr", "got -1.0"),
        ({"tuning": {"draws": 60000, "searches": 1000}}, "tuning", "at most 1,000,000 trials"),
        ({"metric": "acuracy"}, "metric", "accuracy"),
        (
            {"study": "Bad Name/../x"},
            "study",
            'must be lower-case letters, digits and - . _, with a letter or digit first; got "Bad Name/../x".',
        ),
        (
            {"arms": {**tiny_data()["arms"], "one-cycle": {"schedule": "linear"}}},
            "arms.one-cycle",
            "must be lower-case letters, digits and _, with a letter first",
        ),
        (
            {"resources": {"gpu": 1, "accelerator": "A 100"}},
            "resources.accelerator",
            "must be letters, digits and - . _, with a letter or digit first",
        ),
        ({"targets": [1.5]}, "targets[0]", "less than 1"),
        ({"seed": 1.5}, "seed", "whole number"),
        ({"tuning": {"draws": "16"}}, "tuning.draws", "whole number"),
        ({"arms": {"a": {"schedule": "cosine"}}}, "arms", "at least 2"),
        ({"workloads": []}, "workloads", "at least 1"),
        ({"arms": 3}, "arms", "mapping"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(change: dict[str, Any], place: str, words: str) -> None:
    found = problems({**tiny_data(), **change})
    assert place in found, found
    assert words in found[place]


@pytest.mark.parametrize(
    ("arm", "place", "words"),
    [
        ({"schedule": "cosin"}, "arms.x.schedule", "cosine"),
        ({"schedule": "cosine", "settings": {"factor": 1}}, "arms.x.settings.factor", "unknown setting"),
        ({"schedule": "cosine", "settings": {"peak_lr": 0.1}}, "arms.x.settings.peak_lr", "searched by all arms"),
        ({"schedule": "cosine", "as_published": True}, "arms.x.settings", "must name peak_lr"),
        (
            {"schedule": "piecewise", "settings": {"milestones": [0.5, 0.2]}},
            "arms.x.settings.milestones",
            "got [0.5, 0.2]",
        ),
        (
            {
                "schedule": "cosine",
                "as_published": True,
                "settings": {"peak_lr": 1},
                "search": {"final_factor": {"float": [0, 1]}},
            },
            "arms.x.search",
            "must be empty",
        ),
        (
            {"schedule": "cosine", "search": {"final_factor": {"uniform": [0, 1]}}},
            "arms.x.search.final_factor",
            "float",
        ),
        (
            {"schedule": "cosine", "search": {"final_factor": {"choice": []}}},
            "arms.x.search.final_factor",
            "at least one",
        ),
    ],
)
def test_a_mistake_in_an_arm_is_named(arm: dict[str, Any], place: str, words: str) -> None:
    data = tiny_data()
    data["arms"]["x"] = arm
    found = problems(data)
    assert place in found, found
    assert words in found[place]


def test_messages_carry_file_line_and_path(tmp_path: Path) -> None:
    path = write(tmp_path, yaml.safe_dump(tiny_data()).replace("draws: 3", "drawz: 3"))
    with pytest.raises(StudyError, match=r"my study.yaml:\d+: tuning.drawz: unknown key; .*Did you mean draws\?"):
        load_study(path)


def test_overrides_replace_values_of_the_file() -> None:
    study = load_study("quickstart", ["tuning.draws=3", "workloads.0.batch_size=50", "budgets.epochs=[1]"])
    assert study.tuning.draws == 3
    assert study.workloads[0].batch_size == 50
    assert [budget.amount for budget in study.budgets.each] == [1]


@pytest.mark.parametrize("override", ["tuning.draws", "=3", "tuning..draws=3", "workloads.7.name=x", "study.x=1"])
def test_a_malformed_override_is_refused(override: str) -> None:
    with pytest.raises(InputError, match="--set"):
        load_study("quickstart", [override])


def test_settings_that_do_nothing_in_a_workload_are_refused() -> None:
    data = tiny_data()
    data["workloads"][0] |= {"optimizer": "adagrad", "norm_batches": 5, "loss": "not.imported:here"}
    data["arms"]["cosine"]["settings"] = {"label_smoothing": 0.1, "bn_momentum": 0.05}
    found = problems(data)
    assert set(found) == {
        "search.momentum",
        "workloads[0].norm_batches",
        "arms.cosine.settings.bn_momentum",
        "arms.one_cycle.momentum_policy",
        "arms.published.settings.momentum",
    }
    assert "does nothing, since torch.optim.Adagrad has no momentum" in found["search.momentum"]
    assert "does nothing, since the network mlp has no batch norm" in found["workloads[0].norm_batches"]


def test_the_hash_is_that_of_versions_without_the_later_fields_of_a_workload() -> None:
    """Pinned: studies recorded before there were such fields go on."""
    assert tiny_study().protocol_hash() == "728945711b743a38e33037689d7c10d8f5489b6b6e7d800f9bf2cabdabcb79ce"
    for change in ({"optimizer": "adamw"}, {"micro_batch": 50}, {"augmentation": {"flip": True}}):
        workload = {**tiny_data()["workloads"][0], **change}
        assert tiny_study(workloads=[workload]).protocol_hash() != tiny_study().protocol_hash()
    same = {**tiny_data()["workloads"][0], "optimizer": "sgd", "train_samples": None}
    assert tiny_study(workloads=[same]).protocol_hash() == tiny_study().protocol_hash()


@pytest.mark.parametrize("text", ["", "[]", "just words", "3"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(StudyError, match="must be a mapping"):
        load_study(write(tmp_path, text))


def test_an_unknown_study_is_answered_with_the_shipped_ones() -> None:
    with pytest.raises(InputError, match="Did you mean quickstart"):
        load_study("quickstrat")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00study")
    with pytest.raises(StudyError, match="UTF-8"):
        load_study(str(path))


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_shipped_studies_are_valid_and_survive_the_record(name: str) -> None:
    study = load_study(name)
    assert study.study == name
    assert Study.from_recorded(json.loads(json.dumps(study.recorded()))) == study


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_shipped_studies_point_to_the_schema(name: str) -> None:
    first_line = shipped_studies()[name].read_text(encoding="utf-8").splitlines()[0]
    assert first_line.endswith("$schema=./study.schema.json")


def test_the_schema_beside_the_shipped_studies_is_current() -> None:
    there = json.loads((STUDIES / "study.schema.json").read_text(encoding="utf-8"))
    assert there == study_schema(), "run: fairsweep schema > sweeps/studies/study.schema.json"


def test_the_hash_covers_the_rules_and_nothing_else() -> None:
    study = tiny_study()
    assert study.protocol_hash() == tiny_study(resources={"cpu": 2}, question="Why?").protocol_hash()
    for change in (
        {"alpha": 0.01},
        {"targets": [0.5]},
        {"tuning": {"draws": 4}},
        {"equivalence_margin": 0.1},
        {"seed": 1},
    ):
        assert study.protocol_hash() != tiny_study(**change).protocol_hash()


def _mutate(data: Any, random_: random.Random) -> Any:
    """Damage one random place of a study."""
    junk: list[Any] = [
        None,
        -1,
        0,
        1e400,
        float("nan"),
        "",
        "x" * 300,
        [],
        {},
        [[]],
        True,
        {"log": [1]},
        "0",
        10**30,
        "né",
    ]
    place, path = data, []
    while isinstance(place, dict | list) and place:
        key = random_.choice(list(place) if isinstance(place, dict) else range(len(place)))
        path.append((place, key))
        if random_.random() < 0.3:
            break
        place = place[key]
    parent, key = random_.choice(path)
    action = random_.choice(["replace", "rename", "delete", "add"])
    if action == "replace" or isinstance(parent, list):
        parent[key] = random_.choice(junk)
    elif action == "delete":
        del parent[key]
    elif action == "add":
        parent[random_.choice(["extra", "", "draws", "1", "schedule"])] = random_.choice(junk)
    else:
        parent[f"{key}x"] = parent.pop(key)
    return data


def _is_refused(path: Path) -> bool:
    try:
        load_study(str(path))
    except InputError:
        return True
    return False


def test_malformed_studies_exit_with_2_and_a_message_naming_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    random_ = random.Random(20)
    path = tmp_path / "fuzz.yaml"
    monkeypatch.setattr(sys, "argv", ["fairsweep", "launch", str(path)])
    refused = 0
    for trial in range(450):
        data = tiny_data()
        for _ in range(random_.randint(1, 4)):
            data = _mutate(copy.deepcopy(data), random_) or tiny_data()
        text = yaml.safe_dump(data, allow_unicode=True)
        if trial % 5 == 0:  # and damage to the text itself
            at = random_.randrange(len(text))
            text = text[:at] + random_.choice("{[:&*!|>%@`\t\x07\"'-") + text[at:]
        path.write_text(text, encoding="utf-8")
        if not _is_refused(path):  # the damage was harmless
            continue
        refused += 1
        with pytest.raises(SystemExit) as exit_:
            main()
        message = capsys.readouterr().err
        assert exit_.value.code == 2, message
        assert "fuzz.yaml" in message
        assert "Traceback" not in message
        assert "internal error" not in message
    assert refused >= 200


def test_seeds_may_be_added_until_a_cell_is_decided() -> None:
    planned = tiny_study(confirm={"seeds": 5}).confirm
    assert (planned.until, planned.max_seeds) == ("planned", 5)
    assert tiny_study(confirm={"seeds": 5, "until": "decided"}).confirm.max_seeds == 15
    assert tiny_study(confirm={"seeds": 5, "until": "decided", "max_seeds": 8}).confirm.max_seeds == 8
    for confirm, place, message in (
        ({"seeds": 5, "max_seeds": 8}, "confirm.max_seeds", "must be left out unless until is decided"),
        ({"seeds": 5, "until": "decided", "max_seeds": 4}, "confirm.max_seeds", "must be at least seeds, which is 5"),
        ({"seeds": 5, "until": "bored"}, "confirm.until", "must be one of"),
    ):
        assert message in problems({**tiny_data(), "confirm": confirm})[place]


def test_the_hash_knows_how_seeds_stop_and_is_that_of_older_versions_for_a_planned_number() -> None:
    planned, decided = tiny_study(), tiny_study(confirm={"seeds": 2, "until": "decided", "max_seeds": 2})
    assert planned.protocol_hash() != decided.protocol_hash()
    assert decided.protocol_hash() != tiny_study(confirm={"seeds": 2, "until": "decided"}).protocol_hash()
    older = planned.recorded()
    older["confirm"] = {"seeds": 2}
    for arm in older["arms"].values():
        del arm["reference_accuracy"]
    assert Study.from_recorded(older).protocol_hash() == planned.protocol_hash()


def test_a_published_accuracy_holds_for_one_workload() -> None:
    data = tiny_data()
    data["arms"]["cosine"]["reference_accuracy"] = 0.9
    assert validate_study(data, "f").arms["cosine"].reference_accuracy == 0.9
    data["workloads"].append({**data["workloads"][0], "name": "again"})
    assert "several workloads" in problems(data)["arms.cosine.reference_accuracy"]
