#!/bin/sh
# Renews the locks of the environments: hashes and no hosts, for every platform.
set -eu

cd "$(dirname "$0")/.."
compile() {
    .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-header --no-annotate "$@"
}

compile pyproject.toml --output-file scripts/lambda_build/requirements.lock
compile pyproject.toml --group dev --constraint scripts/lambda_build/requirements.lock \
    --output-file requirements-dev.lock

# It pins boto3 and packaging to older versions than ours: scripts/lint.sh gives it its own place.
echo 'checkov>=3.3' | compile - --output-file requirements-checkov.lock
