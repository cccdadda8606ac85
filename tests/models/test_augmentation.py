"""Augmentation of whole batches, against one image at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from models.data.augment import Augmentation, check_augmentation, cut_out, moved
from models.workload import Workload

BLACK = torch.zeros(1, dtype=torch.uint8)
Array = npt.NDArray[Any]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int, channels: int = 3, height: int = 9, width: int = 7) -> torch.Tensor:
    return torch.randint(256, (n, channels, height, width), dtype=torch.uint8, generator=seeded(1))


def slowly_moved(x: Array, augmentation: Augmentation, generator: torch.Generator) -> Array:
    """Pad, cut and mirror one image after the other, with the choices in the order that the batch draws them."""
    n, _, height, width = x.shape
    pad = augmentation.crop
    shifts = torch.randint(2 * pad + 1, (2, n), generator=generator) if pad else torch.zeros((2, n), dtype=torch.int64)
    mirrored = torch.randint(2, (n,), generator=generator) if augmentation.flip else torch.zeros(n)
    results = []
    for image, top, left, mirror in zip(x, *shifts.tolist(), mirrored.tolist(), strict=True):
        mode: Any = {"zero": "constant", "reflect": "reflect"}[augmentation.crop_padding]
        padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)), mode=mode)
        cut = padded[:, top : top + height, left : left + width]
        results.append(cut[:, :, ::-1] if mirror else cut)
    return np.stack(results)


def test_a_shift_by_hand() -> None:
    x = torch.tensor([[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]], dtype=torch.uint8)
    found = {}
    for seed in range(60):
        generator = seeded(seed)
        result = moved(x, Augmentation(crop=1), generator, BLACK)
        top, left = torch.randint(3, (2, 1), generator=seeded(seed)).flatten().tolist()
        found[top, left] = result[0, 0].tolist()
    assert len(found) == 9
    assert found[1, 1] == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert found[0, 0] == [[0, 0, 0], [0, 1, 2], [0, 4, 5]]
    assert found[2, 1] == [[4, 5, 6], [7, 8, 9], [0, 0, 0]]
    assert found[1, 2] == [[2, 3, 0], [5, 6, 0], [8, 9, 0]]


def test_a_reflected_edge_is_not_repeated() -> None:
    x = torch.tensor([[[[1, 2, 3]] * 3]], dtype=torch.uint8)
    rows = {
        tuple(moved(x, Augmentation(crop=2, crop_padding="reflect"), seeded(seed), BLACK)[0, 0, 0].tolist())
        for seed in range(60)
    }
    assert rows == {(3, 2, 1), (2, 1, 2), (1, 2, 3), (2, 3, 2), (3, 2, 1)}


@settings(max_examples=60)
@given(
    st.builds(
        Augmentation, flip=st.booleans(), crop=st.integers(0, 6), crop_padding=st.sampled_from(["zero", "reflect"])
    ),
    st.integers(1, 5),
    st.integers(0, 2**40),
)
def test_a_batch_is_moved_as_one_image_after_the_other_would_be(augmentation: Augmentation, n: int, seed: int) -> None:
    x = images(n)
    expected = slowly_moved(x.numpy(), augmentation, seeded(seed))
    assert np.array_equal(moved(x, augmentation, seeded(seed), BLACK).numpy(), expected)


def test_what_is_padded_to_standardised_images_is_black_and_not_grey() -> None:
    x = torch.ones((50, 2, 4, 4))
    result = moved(x, Augmentation(crop=4), seeded(), torch.tensor([-3.0, -5.0]).view(2, 1, 1))
    assert set(result[:, 0].unique().tolist()) == {1.0, -3.0}
    assert set(result[:, 1].unique().tolist()) == {1.0, -5.0}


def test_half_of_the_images_are_mirrored_and_all_shifts_are_equally_likely() -> None:
    """Within five standard errors of a binomial share."""
    n = 20_000
    x = torch.zeros((n, 1, 3, 3), dtype=torch.uint8)
    x[:, 0, 1, 0] = 1
    mirrored = moved(x, Augmentation(flip=True), seeded(), BLACK)[:, 0, 1, 2].double().mean().item()
    assert mirrored == pytest.approx(0.5, abs=5 * 0.5 / n**0.5)
    x = torch.zeros((n, 1, 3, 3), dtype=torch.uint8)
    x[:, 0, 1, 1] = 1
    shares = moved(x, Augmentation(crop=1), seeded(), BLACK).double().mean(dim=0).flatten()
    assert shares.tolist() == pytest.approx([1 / 9] * 9, abs=5 * (1 / 9 * 8 / 9 / n) ** 0.5)


def test_flip_and_crop_are_independent_between_images_and_of_each_other() -> None:
    n = 20_000
    x = torch.arange(9, dtype=torch.uint8).view(1, 1, 3, 3).expand(n, -1, -1, -1)
    result = moved(x, Augmentation(flip=True, crop=1), seeded(), BLACK)
    kinds, counts = torch.unique(result.flatten(1), dim=0, return_counts=True)
    assert len(kinds) == 18
    assert (counts / n).tolist() == pytest.approx([1 / 18] * 18, abs=5 * (1 / 18 * 17 / 18 / n) ** 0.5)


@settings(max_examples=40)
@given(st.integers(1, 9), st.integers(0, 2**40))
def test_a_square_is_cut_out_around_a_random_centre_and_clipped_at_the_edge(side: int, seed: int) -> None:
    x = torch.ones((4, 2, 9, 7))
    generator = seeded(seed)
    rows = torch.randint(9, (4, 1), generator=generator).flatten().tolist()
    columns = torch.randint(7, (4, 1), generator=generator).flatten().tolist()
    expected = np.ones((4, 2, 9, 7))
    for image, row, column in zip(expected, rows, columns, strict=True):
        top, left = row - side // 2, column - side // 2
        image[:, max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = 0
    assert np.array_equal(cut_out(x, side, seeded(seed)).numpy(), expected)


def test_augmenting_depends_on_its_generator_alone_and_leaves_the_stored_images() -> None:
    x = images(16)
    before = x.clone()
    asked = Augmentation(flip=True, crop=2)
    first = moved(x, asked, seeded(5), BLACK)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert torch.equal(first, moved(x, asked, seeded(5), BLACK))
    assert not torch.equal(first, moved(x, asked, seeded(6), BLACK))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(x, before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_sees_the_same_images_as_the_cpu() -> None:
    x, asked = images(64, height=32, width=32), Augmentation(flip=True, crop=4)
    there = moved(x.cuda(), asked, seeded(), BLACK.cuda())
    assert torch.equal(there.cpu(), moved(x, asked, seeded(), BLACK))
    cut = cut_out(x.float().cuda(), 8, seeded())
    assert torch.equal(cut.cpu(), cut_out(x.float(), 8, seeded()))


def workload(**changes: Any) -> Workload:
    return Workload(**({"name": "w", "dataset": "cifar10", "network": "mlp"} | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augmentation": {"crop": 33}}, "augmentation.crop must be at most 32 for such images; got 33."),
        (
            {"augmentation": {"crop": 32, "crop_padding": "reflect"}},
            "augmentation.crop must be at most 31 for such images; got 32.",
        ),
        ({"augmentation": {"cutout": 40}}, "augmentation.cutout must be at most 32, a side of the images; got 40."),
        (
            {"augmentation": {"random_resized_crop": True}},
            "augmentation.random_resized_crop must be false where images do not stay in their files; got True.",
        ),
        (
            {"augmentation": {"flip": True}, "dataset": "mnist1d"},
            "augmentation must be left out for examples that are no images; got {'flip': True}.",
        ),
        ({"augmentation": {"flp": True}}, "Extra inputs are not permitted"),
        ({"augmentation": {"crop": -1}}, "greater than or equal to 0"),
        ({"augmentation": {"crop_padding": "edge"}}, "'zero' or 'reflect'"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_study_file(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        workload(**changes)
    assert message in str(caught.value)


def test_all_offences_are_reported_at_once() -> None:
    asked = Augmentation(crop=50, cutout=60, random_resized_crop=True)
    with pytest.raises(ValueError) as caught:
        check_augmentation(asked, (3, 32, 32), streamed=False)
    assert len(str(caught.value).splitlines()) == 3
