"""One launch of a study at a time, wherever they run: a lease in the record.

Each launch takes the next number, as a param ``launch.N`` of the study run. MLflow never changes a param, so that of
two who ask for one number one is refused, and the launch with the highest number holds the study: whoever finds a
higher one than its own has lost it. A tag says who that is and is renewed; a launch that was killed stops renewing it.
Two that come before the study has a study run may each make one and take that one's lease: each looks at the others'
after it has taken its own, so that one of them gives way, or both.

The clocks of two machines need not agree. That a lease was not renewed in time is believed at once only if that was
long ago; else the tag is watched for longer than a renewal takes.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from analysis import layout
from sweeps.errors import FairsweepError, InputError
from sweeps.recording.trouble import TROUBLE

_NUMBER = re.compile(rf"{re.escape(layout.LAUNCH_PREFIX)}(\d+)$")
_WATCH_SECONDS = 1.0

Standing = Literal["free", "held", "unclear"]


class LeaseHeldError(InputError):
    """Another launch of the study is under way."""


class OtherRunHeldError(LeaseHeldError):
    """Another launch of the study is under way, and recorded in a study run of its own."""


class LeaseLostError(FairsweepError):
    """Another launch took the study over while this one could not reach MLflow."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often a lease is renewed.

    Args:
        renew_seconds: time between renewals.
        lease_seconds: a holder that did not renew for so long may be succeeded.
        skew_seconds: clocks are taken to differ by no more than this.
    """

    renew_seconds: float = 20.0
    lease_seconds: float = 120.0
    skew_seconds: float = 3600.0

    @property
    def watch_seconds(self) -> float:
        """Return for how long a tag is watched before its holder is taken to be gone."""
        return 2.5 * self.renew_seconds


#: How often leases are renewed.
PACE = Pace()


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a holder says of itself in the tag; times are Unix times by its own clock.

    Args:
        number: number of the launch.
        host: name of its machine.
        process: names the process, over restarts of machine and process id, see `process_name`.
        pid: its process id, for people.
        since: when it began.
        renewed: when it last gave a sign of life.
        expires: when it may be succeeded; 0 once it has let go.
        beats: number of renewals.
    """

    number: int
    host: str
    process: str
    pid: int
    since: float
    renewed: float
    expires: float
    beats: int = 0

    @property
    def who(self) -> str:
        """Name the holder for people."""
        return f"process {self.pid} on {self.host}, since {_clock(self.since)}"


def standing(claim: Claim, *, now: float, pace: Pace) -> Standing:
    """Judge a claim by what it says.

    ``held`` is sure enough to refuse, ``free`` to succeed it. The clocks disagree about the rest: it must be watched.
    """
    if claim.expires == 0:
        return "free"
    if _has_died(claim.process):
        return "free"
    left_seconds = claim.expires - now
    if 0 < left_seconds <= pace.lease_seconds:
        return "held"
    return "free" if left_seconds < -pace.skew_seconds else "unclear"


def process_name(pid: int) -> str:
    """Name a process: the boot of its machine, its namespace of process ids, its id, and when it started.

    Where the system does not tell (it is not Linux), the name of the machine and the id must do.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = Path("/proc/self/ns/pid").readlink()
        started = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return f"{socket.gethostname()}/-/{pid}/-"
    return f"{boot}/{namespace}/{pid}/{started}"


def _has_died(process: str) -> bool:
    """Tell whether a process was one of this machine and is gone; another machine's may live."""
    boot, namespace, pid, started = process.split("/")
    here = process_name(os.getpid()).split("/")
    if [boot, namespace] != here[:2]:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is another user's
        pass
    now = process_name(int(pid)).split("/")
    return now[3] != started and now[0] == boot and "-" not in {started, now[3]}


@dataclass(frozen=True)
class _Instant:
    """A point in time by both clocks: the one stands still while a machine sleeps, the other may be set."""

    monotonic: float = field(default_factory=time.monotonic)
    wall: float = field(default_factory=time.time)

    @property
    def age_seconds(self) -> float:
        return max(time.monotonic() - self.monotonic, time.time() - self.wall)


class Lease:
    """The right of this process to launch a study.

    Args:
        client: of the tracking store.
        run_id: the study run.
        study: name of the study.
        on_lost: called once, by a thread, when another launch was found to hold the study.
        pace: how often it is renewed.
        others: returns the other study runs of the study; there should be none.
    """

    def __init__(
        self,
        client: MlflowClient,
        run_id: str,
        study: str,
        on_lost: Callable[[], None],
        pace: Pace = PACE,
        others: Callable[[], Iterable[Run]] = tuple,
    ) -> None:
        self._client, self._run_id, self._study, self._on_lost = client, run_id, study, on_lost
        self._pace, self._others = pace, others
        self._claim: Claim | None = None
        self._renewed = _Instant()
        self._renewing = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="fairsweep-lease", daemon=True)
        self.lost = ""

    def take(self, announce: Callable[[str], None]) -> Claim:
        """Take the lease, and keep it until `release`.

        Where a holder on another machine has gone without a word, it waits for a moment, and says so.

        Args:
            announce: shows a line to the user.

        Returns:
            What this launch says of itself.

        Raises:
            LeaseHeldError: another launch holds it, or that of another study run.
        """
        run = self._client.get_run(self._run_id)
        before, number = self._watch_out(run, announce)
        now = time.time()
        claim = Claim(
            number=number,
            host=socket.gethostname(),
            process=process_name(os.getpid()),
            pid=os.getpid(),
            since=now,
            renewed=now,
            expires=now + self._pace.lease_seconds,
        )
        try:
            said = f"{claim.who} {secrets.token_hex(4)}"  # no two claims are equal
            self._client.log_param(self._run_id, f"{layout.LAUNCH_PREFIX}{number}", said)
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            raise LeaseHeldError(self._held_by(None)) from None
        if _is_alive(claim_of(self._client.get_run(self._run_id)), before):
            announce(f"It has not ended. Waiting for {self._pace.watch_seconds:.0f} s until it has stopped ...")
            time.sleep(self._pace.watch_seconds)  # by then it has found our number
        self._write(claim)
        self._refuse_if_succeeded()
        self._refuse_if_another_run_is_held()
        self._thread.start()
        return claim

    def release(self) -> None:
        """Let go of the lease, if it is still ours.

        Raises:
            Exception: MLflow cannot be reached; the lease expires by itself.
        """
        self._ended.set()
        with self._renewing:
            if self._claim is not None and not self.lost:
                self._write(_with(self._claim, expires=0.0))

    def _watch_out(self, run: Run, announce: Callable[[str], None]) -> tuple[Claim | None, int]:
        """Return the last claim and the number of the next launch, once it is sure that the one before has ended."""
        claim, number = claim_of(run), highest_number(run)
        if claim is None and number == 0:
            return None, 1
        state = standing(claim, now=time.time(), pace=self._pace) if claim and claim.number == number else "unclear"
        if state == "unclear":  # also if somebody has a number and the tag not yet
            announce(
                f"The last launch of {self._study} ({claim.who if claim else 'unknown'}) did not say that it ended. "
                f"Making sure for {self._pace.watch_seconds:.0f} s that it did ..."
            )
            claim, number, state = self._watch(self._run_id, claim, number)
        if state == "held":
            raise LeaseHeldError(self._held_by(claim))
        return claim, number + 1

    def _watch(self, run_id: str, claim: Claim | None, number: int) -> tuple[Claim | None, int, Standing]:
        """Look whether a claim is renewed or succeeded, by our own clock only."""
        end = time.monotonic() + self._pace.watch_seconds
        while time.monotonic() < end:
            time.sleep(min(_WATCH_SECONDS, self._pace.renew_seconds))
            run = self._client.get_run(run_id)
            found, highest = claim_of(run), highest_number(run)
            if highest != number or found != claim:
                return found, highest, "free" if found and found.expires == 0 else "held"
        return claim, number, "free"

    def _held_by(self, claim: Claim | None) -> str:
        if claim is None:
            return f"study {self._study} has just been launched elsewhere; wait for it, or stop it there."
        return (
            f"study {self._study} is being launched already, by {claim.who}; it gave its last sign of life at "
            f"{_clock(claim.renewed)}. Wait for it, or stop it there. If that process is gone, launch again after "
            f"{_clock(claim.expires)}."
        )

    def _write(self, claim: Claim) -> None:
        began = _Instant()  # whoever waits for it to expire counts from then, however late the answer comes
        self._client.set_tag(self._run_id, layout.LEASE, json.dumps(asdict(claim)))
        self._claim, self._renewed = claim, began

    def _refuse_if_succeeded(self) -> None:
        run = self._client.get_run(self._run_id)
        if self._claim is not None and highest_number(run) > self._claim.number:
            raise LeaseHeldError(self._held_by(claim_of(run)))

    def _refuse_if_another_run_is_held(self) -> None:
        for other in self._others():
            claim, number = claim_of(other), highest_number(other)
            state: Standing = standing(claim, now=time.time(), pace=self._pace) if claim else "unclear"
            if number and state == "unclear":
                claim, _, state = self._watch(other.info.run_id, claim, number)
            if number and state == "held":
                with suppress(*TROUBLE):
                    self.release()
                raise OtherRunHeldError(self._held_by(claim))

    def confirm(self) -> None:
        """Make sure that the lease is ours still, where it was not renewed for so long that it soon may not be.

        Raises:
            LeaseLostError: another launch has taken the study over.
        """
        if not self.lost and self._is_late:
            self._renew()
        if self.lost:
            raise LeaseLostError(self.lost)

    def _keep(self) -> None:
        """Renew until the end, or until a later launch is found; silence of MLflow is said by the delivery."""
        while not self._ended.wait(self._pace.renew_seconds):
            with suppress(*TROUBLE):
                self._renew()
            if self.lost:
                self._on_lost()
                return

    def _renew(self) -> None:
        with self._renewing:
            run, claim = self._client.get_run(self._run_id), self._claim
            if self._ended.is_set():
                return
            if claim is not None and not self._is_succeeded(run, claim):
                now, was_late = time.time(), self._is_late
                self._write(_with(claim, renewed=now, expires=now + self._pace.lease_seconds, beats=claim.beats + 1))
                if was_late:  # somebody who had waited for it to expire may have come in between
                    self._is_succeeded(self._client.get_run(self._run_id), claim)

    @property
    def _is_late(self) -> bool:
        return self._renewed.age_seconds > min(self._pace.lease_seconds / 2, 2 * self._pace.renew_seconds)

    def _is_succeeded(self, run: Run, claim: Claim) -> bool:
        if highest_number(run) > claim.number:
            successor = claim_of(run)
            who = successor.who if successor and successor.number > claim.number else "another launch"
            self.lost = (
                f"study {self._study} was taken over by {who}, while this launch could not reach MLflow for "
                f"{self._pace.lease_seconds:.0f} s or more. Stopped here, so that no trial is recorded twice."
            )
        return bool(self.lost)


def _is_alive(found: Claim | None, before: Claim | None) -> bool:
    """Tell whether a holder who was taken to be gone has given a sign of life since, other than letting go."""
    return found is not None and found != before and found.expires != 0


def _with(claim: Claim, **changed: float) -> Claim:
    return Claim(**{**asdict(claim), **changed})


def claim_of(run: Run) -> Claim | None:
    """Return the claim that stands in a study run."""
    text = run.data.tags.get(layout.LEASE)
    if text is None:
        return None
    try:
        return Claim(**json.loads(text))
    except (ValueError, TypeError):  # written by a later version; its launch is counted by its param
        return None


def highest_number(run: Run) -> int:
    """Return the number of the latest launch; 0 if there was none."""
    found = (_NUMBER.match(name) for name in run.data.params)
    return max((int(match.group(1)) for match in found if match), default=0)


def _clock(at: float) -> str:
    return time.strftime("%a %H:%M:%S", time.localtime(at))
