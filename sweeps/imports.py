"""Networks and code that a study names from elsewhere: what they are, and whether they can be used."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from models.importing import source_of
from models.losses import LOSSES, check_loss
from models.networks import LIBRARIES, check_network
from sweeps.errors import InputError
from sweeps.spec import Study
from sweeps.spec.study import idle_setting_problems


def check_networks(study: Study) -> dict[str, str]:
    """Try the network and the loss of every workload, so that one that does not work is found before anything starts.

    A study file is checked without importing what it names from elsewhere; this imports it.

    Returns:
        What is worth recording: ``network.WORKLOAD.parameters``, and ``import.NAME`` with the SHA-256 of the
        file that it comes from, or the version of the library.

    Raises:
        InputError: a network cannot be built, or does not fit the data set's examples; a loss from elsewhere does not
            return a number with a gradient; or a setting does nothing with either.
    """
    found: dict[str, str] = {}
    for index, workload in enumerate(study.workloads):
        try:
            facts = check_network(
                workload.network,
                workload.input_shape,
                workload.num_classes,
                workload.network_settings,
                rows_at_once=workload.rows_at_once,
            )
            if workload.loss not in LOSSES:
                check_loss(workload.loss, workload.num_classes)
        except ValueError as error:
            raise InputError(f"workloads[{index}] {workload.name}: {error}") from error
        found[f"network.{workload.name}.parameters"] = str(facts.num_parameters)
    if problems := list(idle_setting_problems(study, imports=True)):
        raise InputError("\n".join(f"{problem.place}: {problem.message}" for problem in problems))
    return {**found, **{f"import.{each.name}": each.sha256 or each.where for each in imported(study)}}


@dataclass(frozen=True, kw_only=True)
class Import:
    """Something that a study names from elsewhere.

    Args:
        name: such as ``my_networks:small`` or ``torchvision:resnet50``.
        where: file of the module, or library with its version.
        sha256: hash of the file; empty for a library.
    """

    name: str
    where: str
    sha256: str = ""


def imported(study: Study) -> tuple[Import, ...]:
    """Import what the study names from elsewhere and return what it is.

    Raises:
        ValueError: a module cannot be imported.
    """
    named = {name: field for workload in study.workloads for field, name in workload.elsewhere.items()}
    return tuple(_import(field, name) for name, field in named.items())


def _import(field: str, name: str) -> Import:
    library = name.partition(":")[0]
    if library in LIBRARIES:
        return Import(name=name, where=f"{library} {version(library)}")
    source = source_of(field, name)
    return Import(name=name, where=str(source[0]), sha256=source[1]) if source else Import(name=name, where="Python")
