"""`python -m lambda_build` is lambda-build."""

from lambda_build.cli import main

main()
