"""Want of memory, which a smaller batch or more room mends, told from all else that a training may raise."""

from __future__ import annotations

import errno

#: Of torch, cuDNN and cuBLAS; the third and fourth are what a convolution says that gets no room to work in.
_SAID = (
    "out of memory",
    "can't allocate memory",
    "unable to find an engine to execute this computation",
    "unable to find a valid cuDNN algorithm",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception, or what it was raised from, means that memory of the machine or of a GPU ran out."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, RuntimeError) and any(said in str(error) for said in _SAID))
        or (error.__cause__ is not None and is_out_of_memory(error.__cause__))
    )
