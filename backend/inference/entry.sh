#!/bin/sh
# Starts AWS's runtime client for the handler: the first argument, else the one it was built with.
# Without a Runtime API to ask for work this is no Lambda, and AWS's emulator gives one.
set -eu

set -- python3.11 -P -m awslambdaric "${1:-$HANDLER}"
if [ -z "${AWS_LAMBDA_RUNTIME_API:-}" ]; then
    if ! command -v aws-lambda-rie >/dev/null; then
        echo "entry.sh: AWS_LAMBDA_RUNTIME_API is not set, and there is no emulator here" >&2
        exit 1
    fi
    set -- aws-lambda-rie "$@"
fi
exec "$@"
