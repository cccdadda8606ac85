"""Name every experiment tag, run tag, param, metric and artifact of a study in MLflow.

One study is one MLflow experiment: one *study* run (rules, environment, ledger, report) and one run per finished
trial, its child. Whoever writes (``sweeps.recording``) and whoever reads (``analysis.results``) takes the names
from here, so that the two cannot drift apart.

Trial runs carry what identifies them as tags, mirrored as params because the parallel-coordinates view of MLflow
draws params and metrics only. ``/`` in a metric name starts a chart section in the MLflow page.
"""

from __future__ import annotations

LAYOUT_VERSION = "2"

# Experiment tags; the hash stands on the study run too
EXPERIMENT_STUDY = "fairsweep.study"
EXPERIMENT_PROTOCOL_HASH = "fairsweep.protocol_hash"
EXPERIMENT_LAYOUT = "fairsweep.layout"

# Run tags, on every run
ROLE = "fairsweep.role"
ROLE_STUDY = "study"
ROLE_TRIAL = "trial"

# Run tags of a trial; all values are strings
TRIAL_KEY = "fairsweep.trial_key"  # e.g. mnist1d-conv/epochs-5/one_cycle/confirm/search-0/draw-7/seed-3
WORKLOAD = "fairsweep.workload"
BUDGET = "fairsweep.budget"  # amount, e.g. "5"
BUDGET_UNIT = "fairsweep.budget_unit"  # epochs | updates
CELL = "fairsweep.cell"  # e.g. mnist1d-conv/epochs-5
ARM = "fairsweep.arm"
PHASE = "fairsweep.phase"  # tune | confirm
SEARCH = "fairsweep.search"
DRAW = "fairsweep.draw"  # tune trials only
RUNG = "fairsweep.rung"  # of successive halving; absent at the cell's own budget
RUNG_BUDGET = "fairsweep.rung_budget"  # the length of a training on a rung, in the unit of the budget
WINNER = "fairsweep.winner"  # confirm trials of tuned arms: the draw whose settings these are
SEED_INDEX = "fairsweep.seed_index"  # confirm trials only
SEED = "fairsweep.seed"
OUTCOME = "fairsweep.outcome"  # finished | diverged | failed
ATTEMPTS = "fairsweep.attempts"  # how often it was started, e.g. "2" after its machine was lost
HARDWARE = "fairsweep.hardware"  # accelerator or CPU it ran on
DATA = "fairsweep.data"  # hash of the training data that it used; of a confirm trial also of the test data
LAUNCH = "fairsweep.launch"  # name of the launch that ran it, see `launch_file`; absent in older records

# Params of a trial: every setting under its own name (peak_lr, weight_decay, milestones ...), lists in JSON, and these
# mirrors
PARAM_ARM = "arm"
PARAM_BUDGET = "budget"
PARAM_PHASE = "phase"
PARAM_SEED = "seed"
PARAM_SCHEDULE = "schedule"
PARAM_MOMENTUM_POLICY = "momentum_policy"
IDENTITY_PARAMS = frozenset({PARAM_ARM, PARAM_BUDGET, PARAM_PHASE, PARAM_SEED, PARAM_SCHEDULE, PARAM_MOMENTUM_POLICY})

# Curves: one point per evaluation; the MLflow step is the number of updates done
CURVE_VALIDATION = "curve/validation_accuracy"
CURVE_TEST = "curve/test_accuracy"  # confirm trials only
CURVE_TRAIN_LOSS = "curve/train_loss"
CURVE_LR = "curve/lr"
CURVE_MOMENTUM = "curve/momentum"
CURVE_EPOCH = "curve/epoch"
CURVE_TRAIN_SECONDS = "curve/train_seconds"
CURVES = (
    CURVE_VALIDATION,
    CURVE_TEST,
    CURVE_TRAIN_LOSS,
    CURVE_LR,
    CURVE_MOMENTUM,
    CURVE_EPOCH,
    CURVE_TRAIN_SECONDS,
)

# Finals: one value per trial; absent where there is none (a diverged trial has no final accuracy)
FINAL_VALIDATION = "final/validation_accuracy"
FINAL_TEST = "final/test_accuracy"  # confirm trials only
FINAL_TRAIN_LOSS = "final/train_loss"
FINAL_TRAIN_SECONDS = "final/train_seconds"
FINAL_EVALUATION_SECONDS = "final/evaluation_seconds"  # beside the seconds of updates
FINAL_OVERFLOWS = "final/overflows"  # updates that fp16 left out; absent if there were none
FINAL_UPDATES = "final/updates"  # updates done
FINAL_TOTAL_UPDATES = "final/total_updates"  # updates of the budget: what the trial is charged
DIVERGED = "final/diverged"  # 0 or 1
DIVERGED_AT_UPDATE = "final/diverged_at_update"
FINALS = (
    FINAL_VALIDATION,
    FINAL_TEST,
    FINAL_TRAIN_LOSS,
    FINAL_TRAIN_SECONDS,
    FINAL_EVALUATION_SECONDS,
    FINAL_OVERFLOWS,
    FINAL_UPDATES,
    FINAL_TOTAL_UPDATES,
    DIVERGED,
    DIVERGED_AT_UPDATE,
)

# Tags of the study run
LEASE = "fairsweep.lease"  # JSON: who launches the study, and until when that holds
RULES_VERSION = "fairsweep.rules"  # number of the version of the rules that holds, e.g. "2" after one extension
RULES_HISTORY = "fairsweep.rules_history"  # JSON list: version, Unix time, ended trials, ended confirm trials

# Params of the study run, which MLflow never changes: launch.1, launch.2, ...
LAUNCH_PREFIX = "launch."

# Artifacts of the study run
ARTIFACT_STUDY = "study.json"  # the validated study file, as hashed
ARTIFACT_ENVIRONMENT = "environment.json"  # of the launch that made the study run
ARTIFACT_LAUNCHES = "launches"  # folder, see `launch_file`
ARTIFACT_RULES = "rules"  # folder, see `rules_file`
ARTIFACT_REPORT = "report"  # folder


def rules_file(version: int) -> str:
    """Return the artifact that holds a version of the rules, when it came to hold and what it changed."""
    return f"{ARTIFACT_RULES}/{version:03d}.json"


def launch_file(name: str) -> str:
    """Return the artifact that says when, by whom and with which versions a launch ran.

    Args:
        name: the number of the launch, such as ``2``; of one whose results came from another store, the beginning of
            the id of the study run there and the number there, such as ``7f3a9c21-2``.
    """
    return f"{ARTIFACT_LAUNCHES}/{name.zfill(3)}.json"
