"""What is trained, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from models.data import DATASETS
from models.data.split import held_out_count
from models.networks import NETWORKS, check_network
from schedules.checks import complaint, unknown_option

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=60)]
Count = Annotated[int, Field(ge=1, strict=True)]


class Workload(BaseModel):
    """A data set, a network, and what all arms have in common besides.

    Attributes:
        name: lower-case name, used in keys and file names.
        dataset: key of ``models.data.DATASETS``.
        data_root: folder with the data set's files; by default the one in ``FAIRSWEEP_DATA``.
        network: key of ``models.networks.NETWORKS``.
        network_settings: keyword arguments of the network's builder.
        batch_size: examples per update, >= 1.
        nesterov: Nesterov momentum instead of the classical one.
        split_seed: seed of the split into training and validation part, >= 0.
        validation_frac: part of the training data that is held out for validation, in (0, 1).

    Raises:
        ValueError: (as pydantic's ``ValidationError``) if a field breaks its range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Slug
    dataset: str
    data_root: Path | None = None
    network: str
    network_settings: dict[str, Any] = Field(default_factory=dict, validate_default=True)
    batch_size: Count = 100
    nesterov: Annotated[bool, Field(strict=True)] = False
    split_seed: Annotated[int, Field(ge=0, strict=True)] = 0
    validation_frac: Annotated[float, Field(gt=0, lt=1, strict=True)] = 0.2

    @property
    def num_train(self) -> int:
        """Examples that updates see: the training data less the validation part."""
        available = DATASETS[self.dataset].num_train
        return available - held_out_count(available, self.validation_frac)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return DATASETS[self.dataset].input_shape

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return DATASETS[self.dataset].num_classes

    @field_validator("dataset")
    @classmethod
    def _dataset_is_known(cls, dataset: str) -> str:
        if dataset not in DATASETS:
            raise ValueError(unknown_option("dataset", dataset, DATASETS))
        return dataset

    @field_validator("network")
    @classmethod
    def _network_fits(cls, network: str, info: ValidationInfo) -> str:
        if network not in NETWORKS:
            raise ValueError(unknown_option("network", network, NETWORKS))
        if "dataset" in info.data:
            dataset = DATASETS[info.data["dataset"]]
            check_network(network, dataset.input_shape, dataset.num_classes, {})
        return network

    @field_validator("network_settings")
    @classmethod
    def _network_can_be_built(cls, settings: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "dataset" in info.data and "network" in info.data:
            dataset = DATASETS[info.data["dataset"]]
            check_network(info.data["network"], dataset.input_shape, dataset.num_classes, settings)
        return settings

    @model_validator(mode="after")
    def _parts_are_large_enough(self) -> Self:
        available = DATASETS[self.dataset].num_train
        if not 0 < self.num_train < available:
            condition = f"a fraction that leaves examples on both sides of {available}"
            raise ValueError(complaint("validation_frac", condition, self.validation_frac))
        if self.batch_size > self.num_train:
            raise ValueError(_batch_too_large(self.num_train, self.batch_size))
        return self


class Budget(BaseModel):
    """The length of one training.

    Attributes:
        unit: ``epochs`` or ``updates``.
        amount: how many, >= 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Literal["epochs", "updates"]
    amount: Count

    @property
    def label(self) -> str:
        """For people, such as ``5 epochs`` or ``1 epoch``."""
        return f"{self.amount} {self.unit.removesuffix('s') if self.amount == 1 else self.unit}"

    @property
    def slug(self) -> str:
        """For keys and file names, such as ``epochs-5``."""
        return f"{self.unit}-{self.amount}"

    def total_updates(self, num_train: int, batch_size: int) -> int:
        """Return the updates of one training; an epoch has ``num_train // batch_size``, full batches only.

        Args:
            num_train: examples that updates see.
            batch_size: examples per update.

        Raises:
            ValueError: if not even one batch can be filled.
        """
        if batch_size > num_train:
            raise ValueError(_batch_too_large(num_train, batch_size))
        return self.amount * (num_train // batch_size if self.unit == "epochs" else 1)


def _batch_too_large(num_train: int, batch_size: int) -> str:
    return complaint("batch_size", f"at most the {num_train} examples of the training part", batch_size)
