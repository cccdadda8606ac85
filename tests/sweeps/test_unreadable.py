"""A study that cannot be read does not hide the others."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient

from analysis import layout
from tests.commands import fairsweep, uri
from tests.sweeps.studies import tiny_study


def record_begun(client: MlflowClient, name: str, artifacts: str) -> None:
    """Record a study of which no trial has ended; its rules are left out where artifacts are behind a server."""
    study = tiny_study(study=name)
    experiment = client.create_experiment(
        name,
        artifact_location=artifacts,
        tags={layout.EXPERIMENT_STUDY: name, layout.EXPERIMENT_LAYOUT: layout.LAYOUT_VERSION},
    )
    run = client.create_run(experiment, tags={layout.ROLE: layout.ROLE_STUDY})
    if artifacts.startswith("file:"):
        client.log_dict(run.info.run_id, study.recorded(), layout.ARTIFACT_STUDY)


def test_a_study_recorded_through_a_server_is_named_and_the_others_are_listed(tmp_path: Path) -> None:
    client = MlflowClient(uri(tmp_path))
    record_begun(client, "here", (tmp_path / "artifacts" / "here").as_uri())
    record_begun(client, "served", "mlflow-artifacts:/7")

    done = fairsweep(tmp_path, "status")
    assert done.returncode == 0, done.stderr
    listed = [line.split() for line in done.stdout.splitlines()[1:]]
    assert [(line[0], line[1]) for line in listed] == [("here", "0/24"), ("served", "?")]
    assert "recorded through a server" in done.stderr
    assert "MLFLOW_TRACKING_URI" in done.stderr

    alone = fairsweep(tmp_path, "status", "served")
    assert alone.returncode == 1
    assert "recorded through a server" in alone.stderr
