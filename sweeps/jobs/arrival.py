"""A submitted launch finds its way about on the cluster: where it records, and whether it is the one that was meant."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

from sweeps.errors import InputError
from sweeps.jobs.submission import Submission, check_versions
from sweeps.places import is_served, without_credentials
from sweeps.provenance import machine

_HOME, _STORE = "FAIRSWEEP_HOME", "MLFLOW_TRACKING_URI"


def arrive(submission: Submission, environment: MutableMapping[str, str]) -> list[str]:
    """Fill in what a job needs, leave its folder, and refuse what would go wrong later.

    Args:
        submission: who asked for this job.
        environment: of this process; changed in place. What the cluster sets stays.

    Returns:
        lines that the user should see.

    Raises:
        InputError: the versions here do not fit, or no MLflow server is named.
    """
    notes = check_versions(submission.environment, machine())
    # Not in the job's own folder, which is removed with it: results that MLflow has not taken yet must outlive it.
    home = Path.home() / (environment.get(_HOME) or "fairsweep-runs")
    environment[_HOME] = str(home)
    store = environment.get(_STORE)
    if not submission.store_on_head and not (store and is_served(store)):
        raise InputError(
            f"{_STORE} must be the address of an MLflow server for a job on a cluster; got "
            f"{without_credentials(store or 'nothing')}. Set it in the environment of the cluster's nodes, or give it "
            "with --tracking-uri as the cluster sees it. To record in a database on the head node, which is lost with "
            "it, use --store-on-head."
        )
    if submission.store_on_head and store:
        named = without_credentials(store).partition("?")[0]
        notes.append(f"--store-on-head changes nothing: the nodes of this cluster are set to record in {named}.")
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{_HOME} must be a folder that can be written; got {home}: {error.strerror}.") from error
    os.chdir("/")  # Ray removes the folder of the job under it where nodes share a disk, and unpacks it anew
    return notes
