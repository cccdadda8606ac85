"""Measure the training engine, side by side in one run: speed, overhead, input pipeline, memory, accuracy.

* ResNet-20 on images of 32 x 32, batch 128, one thread: the engine (channels_last, bf16, batched augmentation) against
  the usual recipe (DataLoader, PIL transforms, fp32). Aim: twice as many updates per second. On a core that has no
  instructions for bf16 all is measured in fp32, and this aim does not count.
* The engine against a bare loop of the same operations. Aim: less than 3 % more.
* The share of the input pipeline in an update. Aim: less than 3 %.
* The memory that a second process takes for the same images, at the most. Aim: less than a tenth of them.
* With ``--accuracy`` and a data root: final accuracy of both recipes over several seeds. Aim: within 0.5 points.

It runs with the settings of the memory allocator that a launch gives its workers. Exits with 1 where the median of the
rounds misses an aim, and names each.

Run with: python -m tests.benchmarks.engine, or with the others: make bench
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import transforms

from models.data import Dataset, Examples
from models.data.inputs import TrainingInputs, evaluation_batches
from models.data.prepared import Part, prepare, prepare_test
from models.networks import build_network
from models.training import Pause, Progress, Training, cpu_computes_in, train_with_pauses
from models.training.batches import Batches
from models.workload import Budget, Workload

LEAST_SPEED_UP = 2.0
MOST_OVERHEAD = 0.03
MOST_INPUT_SHARE = 0.03
MOST_MEMORY_SHARE = 0.1
MOST_POINTS_APART = 0.5

CPU = torch.device("cpu")
CROP_AND_FLIP = {"flip": True, "crop": 4}
FAST = {"precision": "bf16" if cpu_computes_in("bf16") else "fp32", "channels_last": True}
RESNET = {"network": "cifar_resnet", "network_settings": {"depth": 20}, "batch_size": 128}
LENET = {"network": "lenet", "batch_size": 128}
PEAK_LR = {"cifar_resnet": 0.05, "lenet": 0.02}


def noise(root: Path | None, *, count: int = 5000, side: int = 32) -> Dataset:
    """Return images of random pixels, kept in the cache like images that were decoded."""

    def load(seed: int, number: int) -> Examples:
        random = torch.Generator().manual_seed(seed)
        x = torch.randint(256, (number, 3, side, side), dtype=torch.uint8, generator=random)
        return Examples(x, torch.arange(number) % 10)

    return Dataset(
        input_shape=(3, side, side),
        num_classes=10,
        num_train=count,
        load_train=lambda: load(0, count),
        load_test=lambda: load(1, 1000),
        version=lambda: "1",
    )


def random_images(count: int = 5000, **fields: Any) -> Workload:
    settings = {"count": count}
    return Workload(
        name="bench", dataset="tests.benchmarks.engine:noise", dataset_settings=settings, **{**RESNET, **fields}
    )


def training(workload: Workload, updates: int, seed: int = 0, **settings: Any) -> Training:
    return Training(
        workload=workload,
        budget=Budget(unit="updates", amount=updates),
        schedule="linear",
        momentum_policy="constant",
        settings={"peak_lr": PEAK_LR.get(workload.network, 0.05), "weight_decay": 5e-4, **settings},
        seed=seed,
        read_test=False,
        evaluations=1,
    )


class _Pictures(torch.utils.data.Dataset[Any]):
    """A part as the data sets of torchvision hand it out: one PIL image at a time, transformed."""

    def __init__(self, part: Part, augmented: bool) -> None:
        rows = part.rows if part.rows is not None else torch.arange(len(part))
        assert isinstance(part.source, torch.Tensor)
        self._images = part.source[rows].permute(0, 2, 3, 1).contiguous().numpy()
        self._y = part.y.tolist()
        mean, std = ([value / 255 for value in values] for values in part.statistics)
        moves = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()] if augmented else []
        self._transform = transforms.Compose([*moves, transforms.ToTensor(), transforms.Normalize(mean, std)])

    def __len__(self) -> int:
        return len(self._y)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = self._images[index]
        return self._transform(Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)), self._y[index]


def usual_updates(workload: Workload, updates: int, seed: int = 0) -> Iterator[torch.nn.Module]:
    """Train by the usual recipe: fp32, images one by one; yield the network after every update."""
    torch.manual_seed(seed)
    part = prepare(workload, CPU).train
    loader = DataLoader(
        _Pictures(part, workload.augmentation.moves_pixels), workload.batch_size, shuffle=True, drop_last=True
    )
    network = build_network(
        workload.network, workload.input_shape, workload.num_classes, workload.network_settings, seed
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=PEAK_LR[workload.network], momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / updates)
    done = 0
    while done < updates:
        for x, y in loader:
            optimizer.zero_grad()
            loss = functional.cross_entropy(network(x), y)
            loss.backward()
            optimizer.step()
            schedule.step()
            loss.item()
            done += 1
            yield network
            if done == updates:
                break


def bare_updates(workload: Workload, updates: int) -> Iterator[None]:
    """Do what the engine does for a workload without augmentation of the code, and nothing else."""
    part = prepare(workload, CPU).train
    inputs = TrainingInputs(
        part, Batches(len(part), workload.batch_size, 0, CPU), workload.augmentation, seed=0,
        channels_last=workload.channels_last,
    )  # fmt: skip
    network = build_network(workload.network, workload.input_shape, workload.num_classes, workload.network_settings, 0)
    if workload.channels_last:
        network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, fused=True)
    for _ in range(updates):
        x, y = next(inputs)
        optimizer.zero_grad()
        if workload.precision == "bf16":
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(x)
        else:
            logits = network(x)
        loss = functional.cross_entropy(logits.float(), y)
        loss.backward()
        optimizer.step()
        loss.item()
        yield


def engine_updates(workload: Workload, updates: int) -> Iterator[None]:
    for step in train_with_pauses(training(workload, updates)):
        if isinstance(step, Progress):
            return
        if step.update == updates:
            yield
            return
        yield


def seconds_per_update(updates: Iterator[object], skip: int = 3) -> float:
    """Return the CPU time of an undisturbed update: the first decile of those after the first few."""
    for _ in range(skip):
        next(updates)
    times = [time.process_time()]
    times += [time.process_time() for _ in updates]
    return statistics.quantiles((later - earlier for earlier, later in pairwise(times)), n=10, method="inclusive")[0]


def interleaved(runs: dict[str, Callable[[], Iterator[object]]], rounds: int) -> dict[str, list[float]]:
    """Measure each of several loops in turn, round after round."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            found[name].append(seconds_per_update(run()))
    return found


def report(title: str, found: dict[str, list[float]], one: str, other: str) -> float:
    """Print the median time of each loop; return how many times as long the one took as the other, the median."""
    ratios = [a / b for a, b in zip(found[one], found[other], strict=True)]
    medians = ", ".join(f"{name} {1000 * statistics.median(values):.2f} ms" for name, values in found.items())
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    print(f"{title}: {medians}; {one} / {other} = {statistics.median(ratios):.3f} ({spread})", flush=True)
    return statistics.median(ratios)


def against_the_usual_recipe(updates: int, rounds: int) -> Iterator[str]:
    """Compare ResNet-20 by both recipes; yield the aim if it is missed."""
    fast, usual = random_images(augmentation=CROP_AND_FLIP, **FAST), random_images(augmentation=CROP_AND_FLIP)
    runs = {
        "usual": lambda: usual_updates(usual, updates),
        "engine in fp32, contiguous": lambda: engine_updates(usual, updates),
        "engine": lambda: engine_updates(fast, updates),
    }
    faster = report(f"ResNet-20, batch 128, {FAST['precision']}", interleaved(runs, rounds), "usual", "engine")
    if faster < LEAST_SPEED_UP and FAST["precision"] == "bf16":
        yield f"ResNet-20: {faster:.2f} times as fast as the usual recipe, aim {LEAST_SPEED_UP:g}"


def overhead(updates: int, rounds: int) -> Iterator[str]:
    """Compare the engine with a bare loop on two networks; yield each aim that is missed."""
    tiny = Workload(name="tiny", dataset="mnist1d", network="conv1d")
    for title, workload, number in (
        ("MNIST-1D, 1-D conv", tiny, 20 * updates),
        ("ResNet-20 as above", random_images(augmentation=CROP_AND_FLIP, **FAST), updates),
    ):
        runs = {
            "engine": lambda w=workload, n=number: engine_updates(w, n),
            "bare loop": lambda w=workload, n=number: bare_updates(w, n),
        }
        more = report(f"Overhead, {title}", interleaved(runs, rounds + 2), "engine", "bare loop") - 1
        if more >= MOST_OVERHEAD:
            yield f"{title}: {more:.1%} more than a bare loop, aim below {MOST_OVERHEAD:.0%}"


def input_share(updates: int) -> Iterator[str]:
    """Measure the input pipeline; yield the aim if it is missed."""
    workload = random_images(augmentation=CROP_AND_FLIP, **FAST)
    part = prepare(workload, CPU).train
    inputs = TrainingInputs(part, Batches(len(part), 128, 0, CPU), workload.augmentation, seed=0, channels_last=True)
    taken = seconds_per_update(next(inputs) and None for _ in range(10 * updates))
    whole = seconds_per_update(engine_updates(workload, updates))
    print(f"Input pipeline: {1000 * taken:.2f} of {1000 * whole:.2f} ms, {taken / whole:.1%} of an update", flush=True)
    if taken / whole >= MOST_INPUT_SHARE:
        yield f"input pipeline: {taken / whole:.1%} of an update, aim below {MOST_INPUT_SHARE:.0%}"


def _private_bytes(process: int | None) -> int:
    """Return the memory of a process that is no file's, so that no other process has a share in it."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def _hold(count: int, pipe: Connection) -> None:
    """Prepare a data set and read every image of it when told to, and keep it."""
    prepare(random_images(count=1000), CPU)
    pipe.send("ready")
    pipe.recv()
    part = prepare(random_images(count=count), CPU).train
    pipe.send(sum(int(x.sum()) for x, _ in evaluation_batches(part, 128)))
    pipe.recv()


def memory(count: int) -> Iterator[str]:
    """Start two processes that use the same images, the second while the first has them; yield the aim if missed."""
    spawn, size = multiprocessing.get_context("spawn"), count * 3 * 32 * 32
    pipes, processes = [], []
    for name in ("first", "second"):
        mine, theirs = spawn.Pipe()
        process = spawn.Process(target=_hold, args=(count, theirs))
        process.start()
        mine.recv()
        before = peak = _private_bytes(process.pid)
        mine.send("begin")
        while not mine.poll(0.001):
            peak = max(peak, _private_bytes(process.pid))
        mine.recv()
        took, at_most = ((now - before) / 2**20 for now in (_private_bytes(process.pid), peak))
        print(
            f"Memory: {size / 2**20:.0f} MiB of images take the {name} process {took:.1f} MiB, "
            f"and {at_most:.1f} MiB at the most while it prepares and reads them",
            flush=True,
        )
        pipes.append(mine)
        processes.append(process)
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(None)
        process.join()
    if at_most * 2**20 >= MOST_MEMORY_SHARE * size:
        yield f"memory: {at_most * 2**20 / size:.1%} of the images for a second process, aim {MOST_MEMORY_SHARE:.0%}"


@torch.inference_mode()
def _test_accuracy(network: torch.nn.Module, workload: Workload) -> float:
    network.eval()
    part = prepare_test(workload, CPU)
    batches = evaluation_batches(part, 1000)
    return sum(int((network(x).argmax(1) == y).sum()) for x, y in batches) / len(part)


def accuracy(kind: str, root: Path, seeds: int, epochs: int) -> Iterator[str]:
    """Train by both recipes from several seeds, and compare the accuracy on the test part; yield the aim if missed."""
    data: dict[str, Any] = {"name": "bench", "data_root": root}
    if kind == "mnist":
        data |= {"dataset": "mnist", **LENET}
    else:
        folder = {"image_size": 32, "num_classes": 10, "num_train": 50_000}
        data |= {"dataset": "imagefolder", "dataset_settings": folder, "augmentation": CROP_AND_FLIP, **RESNET}
    usual, fast = Workload(**data), Workload(**data, **FAST)
    updates = epochs * (usual.num_train // usual.batch_size)
    differences = []
    for seed in range(seeds):
        started_at = time.process_time()
        *_, network = usual_updates(usual, updates, seed)
        between = time.process_time()
        theirs = _test_accuracy(network, usual)
        restarted_at = time.process_time()
        steps = (step for step in train_with_pauses(training(fast, updates, seed)) if isinstance(step, Pause))
        ours = _test_accuracy([step.network for step in steps][-1], fast)
        differences.append(100 * (ours - theirs))
        print(
            f"{kind}, {epochs} epochs, seed {seed}: usual {theirs:.4f} in {between - started_at:.0f} s, "
            f"engine {ours:.4f} in {time.process_time() - restarted_at:.0f} s",
            flush=True,
        )
    error = statistics.stdev(differences) / seeds**0.5 if seeds > 1 else float("nan")
    apart = statistics.mean(differences)
    print(f"{kind}: engine - usual = {apart:+.2f} points, standard error {error:.2f}", flush=True)
    if abs(apart) > MOST_POINTS_APART:
        yield f"{kind}: accuracies {apart:+.2f} points apart, aim {MOST_POINTS_APART:g}"


def as_in_a_launch() -> None:
    """Begin this process anew with the settings of the memory allocator that a launch gives its workers."""
    from sweeps.cluster.joining import WORKER_ENVIRONMENT

    if not WORKER_ENVIRONMENT.items() <= os.environ.items():
        arguments = [sys.executable, "-m", "tests.benchmarks.engine", *sys.argv[1:]]
        os.execve(sys.executable, arguments, {**os.environ, **WORKER_ENVIRONMENT})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=23, help="updates of ResNet-20 per round and recipe")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=50_000, help="images whose memory is measured")
    parser.add_argument("--accuracy", choices=["mnist", "cifar10"], help="compare accuracies instead, on real data")
    parser.add_argument("--data-root", type=Path, help="folder with MNIST/raw, or with train/ and test/ of CIFAR-10")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    as_in_a_launch()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="fairsweep-bench-") as folder:
        os.environ.setdefault("FAIRSWEEP_CACHE", folder)
        if options.accuracy:
            missed = [*accuracy(options.accuracy, options.data_root, options.seeds, options.epochs)]
        else:
            missed = [
                *against_the_usual_recipe(options.updates, options.rounds),
                *overhead(options.updates, options.rounds),
                *input_share(options.updates),
                *memory(options.images),
            ]
    print("\n".join(f"aim missed: {aim}" for aim in missed) or "aims: met by all")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
