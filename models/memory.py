"""Want of memory, which a smaller batch or more room mends, told from all else that a training may raise."""

from __future__ import annotations

import errno
import re

#: Of torch, cuDNN and cuBLAS. A convolution that gets no room to work in finds no engine or algorithm; a process that
#: decodes images is killed, or cannot reach memory that it shares.
_SAID = re.compile(
    r"out of memory|can't allocate memory|unable to find an engine to execute|unable to find a valid cuDNN algorithm"
    r"|(CUDNN|CUBLAS)_STATUS_ALLOC_FAILED"
    r"|^DataLoader worker .*(killed by signal: (Killed|Bus error)|exited unexpectedly)",
    re.IGNORECASE,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception, or what it was raised from, means that memory of the machine or of a GPU ran out."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, RuntimeError) and _SAID.search(str(error)) is not None)
        or (error.__cause__ is not None and is_out_of_memory(error.__cause__))
    )
