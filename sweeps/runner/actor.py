"""The process that runs one trial after the other."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from ray import tune

from models.training import Progress
from sweeps.cluster.hardware import hardware
from sweeps.runner.folders import remove_folder
from sweeps.trial import Job, TrialResult, failed_result, run_job

#: What a trial's configuration and a report hold.
JOB, RESULT, PROGRESS = "job", "result", "progress"


class TrialActor(tune.Trainable):
    """Run one trial after the other in one process."""

    def setup(self, config: dict[str, Any]) -> None:
        """Take the first trial."""
        self._begin(config[JOB])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial."""
        self._begin(new_config[JOB])
        return True

    def _begin(self, job: Job) -> None:
        import torch  # noqa: PLC0415 (in the worker, not in the launching process)

        # Tune makes a folder per trial here, and leaves it; nothing is written to ours.
        remove_folder(self.logdir)
        torch.set_num_threads(job.threads)
        self._job = job
        self._steps = run_job(job)

    def step(self) -> dict[str, Any]:
        """Train until the trial ends or a report is due; a report says that there was progress since the last."""
        due = time.monotonic() + self._job.report_seconds
        latest: Progress | None = None
        for step in self._steps:
            if isinstance(step, TrialResult):
                where = hardware(self._job.device != "cpu")
                return {RESULT: replace(step, hardware=where), "done": True}
            if isinstance(step, Progress):
                latest = step
            if time.monotonic() > due:
                return {PROGRESS: latest, "done": False}
        return {RESULT: failed_result(self._job, "the trial ended without a result"), "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save nothing: `run_job` keeps the state of long trials."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Load nothing."""
