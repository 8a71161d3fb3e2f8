"""lambda-build as it is where no Python of the target's version is at hand: without bytecode.

A program that is run, so that a whole process is measured; its peers' ZIPs hold no bytecode.
"""

from lambda_build import bytecode
from lambda_build.cli import main

if __name__ == "__main__":
    setattr(bytecode, "find_version", lambda _: None)  # noqa: B010 - not exported
    main()
