"""Mean and standard deviation of data that is looked at a chunk at a time."""

from __future__ import annotations

import math

import pytest
import torch

from models.data import Examples, moments
from models.data.moments import chunks, statistics_of

Y = torch.zeros(4, dtype=torch.int64)
EVERYTHING = torch.arange(4)


@pytest.fixture(params=[1, 2, 3, 100])
def numbers_at_a_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(moments, "CHUNK", request.param)
    return int(request.param)


@pytest.mark.usefixtures("numbers_at_a_time")
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.float32])
def test_chunks_of_any_size_have_the_moments_of_the_whole(dtype: torch.dtype) -> None:
    """The numbers 2, 4, 4, 4, 5, 5, 7, 9 have the mean 5 and the standard deviation 2."""
    x = torch.tensor([[2, 4], [4, 4], [5, 5], [7, 9]], dtype=dtype)
    (mean,), (std,) = statistics_of(Examples(x, Y), EVERYTHING)
    assert (mean, std) == (pytest.approx(5, rel=1e-15), pytest.approx(2, rel=1e-15))
    (mean,), (std,) = statistics_of(Examples(x, Y), torch.tensor([3, 0]))
    assert (mean, std) == (pytest.approx(22 / 4), pytest.approx(math.sqrt((3.5**2 + 1.5**2 + 1.5**2 + 3.5**2) / 4)))


@pytest.mark.usefixtures("numbers_at_a_time")
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float64])
def test_images_have_moments_per_channel(dtype: torch.dtype) -> None:
    x = torch.tensor([[0, 10], [2, 10], [0, 30], [2, 30]], dtype=dtype).view(4, 2, 1, 1)
    found = statistics_of(Examples(x, Y), EVERYTHING)
    assert found == ((1, 20), (1, 10))


def test_the_spread_of_numbers_far_from_zero_is_not_lost_between_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A billion and -1, 0 or 1: the mean of squares less the square of the mean would have no digit left."""
    monkeypatch.setattr(moments, "CHUNK", 5)
    x = 1e9 + torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64).repeat(100).view(-1, 1)
    (mean,), (std,) = statistics_of(Examples(x, torch.zeros(300, dtype=torch.int64)), torch.arange(300))
    assert (mean, std) == (pytest.approx(1e9, abs=1e-6), pytest.approx(math.sqrt(2 / 3), rel=1e-6))


def test_chunks_are_the_rows_in_order(numbers_at_a_time: int) -> None:
    x, rows = torch.arange(12).view(4, 3), torch.tensor([2, 0, 3])
    found = list(chunks(x, rows))
    assert torch.equal(torch.cat(found), x[rows])
    assert [len(chunk) for chunk in found] == ([3] if numbers_at_a_time == 100 else [1, 1, 1])
