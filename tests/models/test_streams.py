"""Random streams that do not depend on one another."""

from __future__ import annotations

import numpy as np
import pytest

from models.streams import Stream, stream_seed, update_seed


@pytest.mark.parametrize(
    ("stream", "position"), [("init", 0), ("order", 1), ("augmentation", 2), ("noise", 3), ("statistics", 4)]
)
def test_streams_are_the_children_of_one_seed_sequence(stream: Stream, position: int) -> None:
    child = np.random.SeedSequence(7).spawn(5)[position]
    assert stream_seed(7, stream) == int(child.generate_state(1, np.uint64)[0])


def test_seeds_of_updates_are_the_published_sequence_of_splitmix() -> None:
    """The first five numbers for the seed 1234567 at rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64."""
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [update_seed(1234567, update) for update in range(5)] == published


def test_seeds_of_updates_differ_in_the_bits_that_torch_takes_on_a_cpu() -> None:
    low = {update_seed(stream_seed(1, "noise"), update) % 2**32 for update in range(1000)}
    assert len(low) == 1000
