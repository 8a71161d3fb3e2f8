"""How many threads numbers are worked out with: as many as Lambda gives the function vCPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping

# "Configure Lambda function memory" in AWS's documentation: 1,769 MB are one vCPU's worth.
_MB_OF_A_VCPU: Final = 1_769
# Read by OpenBLAS (NumPy's and SciPy's) and by OpenMP (scikit-learn's), once, when they load.
_VARIABLES: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


def limit_threads(environ: MutableMapping[str, str]) -> None:
    """Set what OpenBLAS, OpenMP and joblib read; before NumPy is imported, or it has no effect.

    They count the machine's processors, of which a function sees two or more and owns a part:
    threads beyond that wait for one another. What is set already stays, and where no memory is
    told, which is anywhere but on Lambda, nothing is set.
    """
    memory_mb = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    if not memory_mb.isdecimal():
        return
    threads = max(1, round(int(memory_mb) / _MB_OF_A_VCPU))
    for variable in _VARIABLES:
        environ.setdefault(variable, str(threads))
    # joblib tries shared memory when it is imported, which Lambda lacks, and warns. Nothing here
    # starts processes.
    environ.setdefault("JOBLIB_MULTIPROCESSING", "0")
