"""Which study a name on the command line means: a file, one that is shipped, one on record, or one of a job."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sweeps.cli.console import err
from sweeps.cli.remote import study_of_last_job
from sweeps.cluster.addresses import is_jobs_address
from sweeps.errors import FairsweepError, InputError
from sweeps.loading import UnknownStudyError, load_study, study_from
from sweeps.places import Places, is_served, without_credentials

if TYPE_CHECKING:
    from sweeps.spec import Study

#: What may be the name of a study rather than a mistyped file.
_NAME = re.compile(r"(?!.*\.ya?ml$)[a-z0-9][a-z0-9._-]*")


def named_study(name: str, overrides: Sequence[str], address: str = "local") -> Study:
    """Return the study that a name means, and say so where it comes from no file.

    A study on record is as its newest launch had it: with its resources and data folders too, which are no rules. Of a
    job whose record cannot be read from here, the cluster knows what was submitted last.

    Args:
        name: a study file, or the name of a study: a shipped one, else one on record.
        overrides: ``key=value`` pairs that replace values.
        address: where it is to be launched.

    Raises:
        InputError: there is none of that name; or, as `StudyError`, it has mistakes.
        ClusterError: the cluster would have to be asked, and cannot be used.
    """
    try:
        return load_study(name, overrides)
    except UnknownStudyError as unknown:
        if not _NAME.fullmatch(name):
            raise
        on_record, looked = _on_record(name, is_job=is_jobs_address(address))
        if on_record is not None:
            return _going_on(on_record, overrides, f"study {name} as recorded in {looked[0]}")
        if is_jobs_address(address):
            if (submitted := study_of_last_job(name, address)) is not None:
                return _going_on(submitted.data, overrides, f"study {name} as submitted last ({submitted.job})")
            looked.append(f"the jobs at {address}")
        if looked:
            raise InputError(f"{unknown} Nor is one found in {' or '.join(looked)}: give its study file.") from None
        raise


def _on_record(name: str, *, is_job: bool) -> tuple[dict[str, Any] | None, list[str]]:
    """Return a recorded study as the content of a file, or None, and where it was looked for.

    A job records where the cluster says; a database of this machine tells nothing of it.
    """
    places = Places.from_environment()
    if places.is_new or (is_job and not is_served(places.tracking_uri)):
        return None, []
    where = without_credentials(places.tracking_uri)
    with err.status("asking MLflow ..."):
        from sweeps.recording import TrackerError, connect, recorded_file

        try:
            return recorded_file(connect(places), name), [where]
        except TrackerError as error:
            if not is_job:
                raise FairsweepError(f"no study file {name!r}, and recorded studies cannot be read: {error}") from error
            return None, [f"{where} (which does not answer)"]


def _going_on(data: dict[str, Any], overrides: Sequence[str], source: str) -> Study:
    found = study_from(data, source, overrides)
    err.print(f"Going on with {source}.", soft_wrap=True, markup=False)
    return found
