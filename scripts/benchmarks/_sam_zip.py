"""Makes the ZIP that `sam deploy` uploads, by sam's own code: _sam_zip.py FOLDER FILE.zip.

Run by the Python that sam is installed in, because sam has no command that only zips.
"""

from __future__ import annotations

import sys
from pathlib import Path


def _main(folder: str, archive: str) -> None:
    from samcli.lib.package.utils import (  # type: ignore[import-not-found]  # noqa: PLC0415 - not in this environment
        make_zip_with_lambda_permissions,
    )

    make_zip_with_lambda_permissions(Path(archive).with_suffix(""), folder)


if __name__ == "__main__":
    _main(*sys.argv[1:])
