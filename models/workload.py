"""What is trained, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from models.data import DATASETS, Dataset, check_dataset_name, find_dataset
from models.data.augment import Augmentation, check_augmentation
from models.data.split import held_out_count
from models.losses import check_loss_name
from models.networks import NETWORKS, check_network, check_network_name
from models.optimizers import check_optimizer
from schedules.checks import complaint

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=60)]
Count = Annotated[int, Field(ge=1, strict=True)]
Flag = Annotated[bool, Field(strict=True)]


class Workload(BaseModel):
    """A data set, a network, and what all arms have in common besides.

    Attributes:
        name: lower-case name, used in keys and file names.
        dataset: key of ``models.data.DATASETS``, or ``package.module:function``.
        data_root: folder with the data set's files; by default the one in ``FAIRSWEEP_DATA``.
        dataset_settings: keyword arguments of the data set's builder.
        train_samples: examples of the training data that there are supposed to be, validation included, drawn with
            `split_seed` and balanced over the classes; None for all.
        augmentation: how training images are varied.
        network: key of ``models.networks.NETWORKS``; or ``torchvision:NAME``, ``timm:NAME`` or
            ``package.module:function``, of which only the form is checked here and nothing is imported.
        network_settings: keyword arguments of the network's builder, and settings that every network has.
        batch_size: examples per update, >= 1.
        nesterov: Nesterov momentum instead of the classical one.
        optimizer: key of ``models.optimizers.OPTIMIZERS``: a class of ``torch.optim`` in lower case.
        optimizer_settings: its keyword arguments beyond rate, momentum and weight decay; ``beta2`` where it has betas.
        decay_norm_and_bias: whether biases and the scales and shifts of norm layers decay too.
        loss: key of ``models.losses.LOSSES``, or ``package.module:function``.
        precision: what networks compute in; weights, updates and the loss are float32 in any case.
        channels_last: keep images and convolutions with the channels innermost, which most kernels prefer.
        compile: compile the network with ``torch.compile``, once per process.
        micro_batch: examples that are computed at a time, a divisor of `batch_size`; gradients are added up. None for
            all of a batch.
        norm_batches: batches of the training part from which the statistics of batch norm are re-estimated before each
            evaluation; 0 keeps its running averages.
        deterministic: use algorithms that give the same numbers in every run on the same device, or fail.
        split_seed: seed of the split into training and validation part, >= 0.
        validation_frac: part of the training data that is held out for validation, in (0, 1).

    Raises:
        ValueError: (as pydantic's ``ValidationError``) if a field breaks its range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Slug
    dataset: Annotated[str, Field(examples=[*DATASETS])]
    data_root: Path | None = None
    dataset_settings: dict[str, Any] = Field(default_factory=dict, validate_default=True)
    network: Annotated[str, Field(examples=[*NETWORKS, "torchvision:resnet50"])]
    network_settings: dict[str, Any] = Field(default_factory=dict, validate_default=True)
    batch_size: Count = 100
    nesterov: Flag = False
    split_seed: Annotated[int, Field(ge=0, strict=True)] = 0
    validation_frac: Annotated[float, Field(gt=0, lt=1, strict=True)] = 0.2
    train_samples: Count | None = None
    augmentation: Augmentation = Field(default_factory=Augmentation)
    optimizer: str = "sgd"
    optimizer_settings: dict[str, Any] = Field(default_factory=dict, validate_default=True)
    decay_norm_and_bias: Flag = True
    loss: str = "cross_entropy"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: Annotated[Flag, Field(validate_default=True)] = False
    compile: Flag = False
    micro_batch: Count | None = None
    norm_batches: Annotated[int, Field(ge=0, strict=True)] = 0
    deterministic: Flag = False

    @property
    def rows_at_once(self) -> int:
        """Examples that are computed at a time."""
        return self.micro_batch or self.batch_size

    @property
    def data(self) -> Dataset:
        """Return what is known of the data set without looking at its files."""
        return find_dataset(self.dataset, self.data_root, self.dataset_settings)

    @property
    def num_available(self) -> int:
        """Examples of the training data that there are supposed to be, validation included."""
        return self.train_samples or self.data.num_train

    @property
    def num_train(self) -> int:
        """Examples that updates see: the training data less the validation part."""
        available = self.num_available
        return available - held_out_count(available, self.validation_frac)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.data.input_shape

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.data.num_classes

    @property
    def elsewhere(self) -> dict[str, str]:
        """What is named with a colon, ``package.module:function`` or ``library:name``, by the field that names it."""
        fields = {"dataset": self.dataset, "network": self.network, "loss": self.loss}
        return {field: name for field, name in fields.items() if ":" in name}

    @field_validator("dataset")
    @classmethod
    def _dataset_is_known(cls, dataset: str) -> str:
        check_dataset_name(dataset)
        return dataset

    @field_validator("dataset_settings")
    @classmethod
    def _dataset_can_be_described(cls, settings: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "dataset" in info.data:
            find_dataset(info.data["dataset"], info.data.get("data_root"), settings)
        return settings

    @field_validator("augmentation")
    @classmethod
    def _augmentation_fits(cls, augmentation: Augmentation, info: ValidationInfo) -> Augmentation:
        if found := _described(info):
            check_augmentation(augmentation, found.input_shape, streamed=found.streamed)
        return augmentation

    @field_validator("network")
    @classmethod
    def _network_fits(cls, network: str, info: ValidationInfo) -> str:
        check_network_name(network)
        if network in NETWORKS and (dataset := _described(info)):
            check_network(network, dataset.input_shape, dataset.num_classes, {})
        return network

    @field_validator("network_settings")
    @classmethod
    def _network_can_be_built(cls, settings: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if info.data.get("network") in NETWORKS and (dataset := _described(info)):
            check_network(info.data["network"], dataset.input_shape, dataset.num_classes, settings)
        return settings

    @field_validator("optimizer")
    @classmethod
    def _optimizer_is_known(cls, optimizer: str, info: ValidationInfo) -> str:
        check_optimizer(optimizer, {}, nesterov=info.data.get("nesterov", False))
        return optimizer

    @field_validator("optimizer_settings")
    @classmethod
    def _optimizer_can_be_built(cls, settings: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "optimizer" in info.data:
            check_optimizer(info.data["optimizer"], settings, nesterov=info.data.get("nesterov", False))
        return settings

    @field_validator("loss")
    @classmethod
    def _loss_is_known(cls, loss: str) -> str:
        check_loss_name(loss)
        return loss

    @field_validator("channels_last")
    @classmethod
    def _channels_are_there(cls, channels_last: bool, info: ValidationInfo) -> bool:
        found = _described(info)
        if channels_last and found and len(found.input_shape) != 3:
            condition = f"false where examples are not images of (channels, height, width) but {found.input_shape}"
            raise ValueError(complaint("channels_last", condition, channels_last))
        return channels_last

    @field_validator("micro_batch")
    @classmethod
    def _parts_of_a_batch_are_equal(cls, micro_batch: int | None, info: ValidationInfo) -> int | None:
        batch_size = info.data.get("batch_size")
        if micro_batch and batch_size and batch_size % micro_batch:
            raise ValueError(complaint("micro_batch", f"a divisor of batch_size ({batch_size})", micro_batch))
        return micro_batch

    @model_validator(mode="after")
    def _parts_are_large_enough(self) -> Self:
        available = self.num_available
        if available > self.data.num_train:
            condition = f"at most the {self.data.num_train} examples of the training data"
            raise ValueError(complaint("train_samples", condition, available))
        if self.train_samples is not None and available < self.num_classes:
            raise ValueError(
                complaint("train_samples", f"at least one for each of {self.num_classes} classes", available)
            )
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


def _described(info: ValidationInfo) -> Dataset | None:
    """Return the data set of a workload that is being checked; None if it was refused already."""
    if not {"dataset", "data_root", "dataset_settings"} <= set(info.data):
        return None
    return find_dataset(info.data["dataset"], info.data["data_root"], info.data["dataset_settings"])


def _batch_too_large(num_train: int, batch_size: int) -> str:
    return complaint("batch_size", f"at most the {num_train} examples of the training part", batch_size)
