"""Deliver what lies in the spool, in the background, as often as it takes.

Nothing here knows what delivering means. A record stays in the spool until it was delivered; after a failure all is
tried again, one record at a time and at growing intervals, until one gets through.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sweeps.recording.spool import Spool, key_mark

_FIRST_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 15.0


class Delivery:
    """Deliver the records of a spool by threads of its own.

    Two records of one trial are never delivered at the same time.

    Args:
        spool: where the records are.
        deliver: delivers one record; safe to repeat, and to call for different trials at a time.
        explain: says in one line why `deliver` failed.
        threads: records to deliver at a time.
    """

    def __init__(
        self,
        spool: Spool,
        deliver: Callable[[Mapping[str, Any]], None],
        explain: Callable[[BaseException], str],
        threads: int,
    ) -> None:
        self._spool, self._deliver, self._explain = spool, deliver, explain
        self._queue: deque[Path] = deque(spool.files())
        self._busy: dict[str, Path] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._not_before = 0.0
        self.trouble = ""
        self.last_delivery = 0.0
        self._threads = [
            threading.Thread(target=self._work, name=f"fairsweep-delivery-{index}", daemon=True)
            for index in range(threads)
        ]

    def start(self) -> None:
        """Begin to deliver."""
        for thread in self._threads:
            thread.start()

    def add(self, path: Path) -> None:
        """Take note of a record that was put into the spool."""
        with self._changed:
            self._queue.append(path)
            self._changed.notify()

    @property
    def waiting(self) -> int:
        """Return the number of records that were not delivered yet."""
        with self._changed:
            return len(self._queue) + len(self._busy)

    def flush(self, patience_seconds: float, limit_seconds: float) -> bool:
        """Wait until all is delivered.

        Args:
            patience_seconds: gives up when so much time passes without a delivery.
            limit_seconds: gives up after so much time in any case.

        Returns:
            Whether all was delivered.
        """
        end = time.monotonic() + limit_seconds
        patience_ends, left = time.monotonic() + patience_seconds, self.waiting
        with self._changed:
            while left:
                now = time.monotonic()
                if self._stopping or now >= min(patience_ends, end):
                    return False
                self._changed.wait(min(patience_ends, end) - now)
                if self.waiting < left:
                    patience_ends, left = time.monotonic() + patience_seconds, self.waiting
        return True

    def stop(self, limit_seconds: float) -> None:
        """Stop delivering; a delivery under way has `limit_seconds` to end, and is else left to the next launch."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        end = time.monotonic() + limit_seconds
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(end - time.monotonic(), 0.0))

    def _work(self) -> None:
        while (path := self._next()) is not None:
            try:
                self._deliver(self._spool.read(path))
                self._spool.remove(path)
            except Exception as error:  # noqa: BLE001 (whatever it is: the record stays, and is tried again)
                self._failed(path, self._explain(error))
            else:
                self._succeeded(path)

    def _next(self) -> Path | None:
        """Wait for a record to deliver; None at the end."""
        with self._changed:
            while not self._stopping:
                path = self._first_free()
                wait_seconds = self._not_before - time.monotonic()
                if path is not None and wait_seconds <= 0:
                    self._queue.remove(path)
                    self._busy[key_mark(path)] = path
                    return path
                self._changed.wait(None if path is None else wait_seconds)
            return None

    def _first_free(self) -> Path | None:
        if self.trouble and self._busy:  # one at a time finds out whether it is over
            return None
        return next((path for path in self._queue if key_mark(path) not in self._busy), None)

    def _succeeded(self, path: Path) -> None:
        with self._changed:
            del self._busy[key_mark(path)]
            self.trouble, self._retry_seconds, self._not_before = "", _FIRST_RETRY_SECONDS, 0.0
            self.last_delivery = time.perf_counter()
            self._changed.notify_all()

    def _failed(self, path: Path, why: str) -> None:
        """Put a record behind the others, of which one may get through where this one does not."""
        with self._changed:
            del self._busy[key_mark(path)]
            self._queue.append(path)
            self.trouble = why
            self._not_before = time.monotonic() + self._retry_seconds
            self._retry_seconds = min(2 * self._retry_seconds, _LONGEST_RETRY_SECONDS)
            self._changed.notify_all()
