#!/bin/sh
# Runs every linter, goes on after one that complains, and fails if any did.
# A linter that is not on this machine is named; with CI set, that fails, too.
set -u

cd "$(dirname "$0")/.." || exit
PATH="$PWD/.venv/bin:$PWD/.tools/bin:$PATH"
status=0

check() {
    echo "lint: $*" >&2
    "$@" || status=1
}

check_if_there() {
    if command -v "$1" >/dev/null 2>&1; then
        check "$@"
    else
        echo "lint: $1 is not on this machine, so it was not run (see CONTRIBUTING.md)" >&2
        [ -z "${CI:-}" ] || status=1
    fi
}

# checkov pins boto3 and packaging to older versions than ours, so it has an environment of its own.
# shellcheck disable=SC2329  # `check` calls it
install_checkov() {
    [ -f .tools/checkov/.lock ] && cmp -s .tools/checkov/.lock requirements-checkov.lock && return
    echo "lint: installing checkov (once; about a minute)" >&2
    uv venv --quiet --clear --python .venv/bin/python .tools/checkov &&
        uv pip install --quiet --python .tools/checkov/bin/python --require-hashes \
            --requirement requirements-checkov.lock &&
        cp requirements-checkov.lock .tools/checkov/.lock
}

check ruff check --quiet .
check ruff format --quiet --check .
check mypy --no-error-summary
for index in backend/*/index.py; do
    check mypy --no-error-summary "$index"
done
check_if_there terraform fmt -check -recursive terraform
check install_checkov
# What is skipped is skipped beside the resource, with the reason. Nothing is asked of the network.
check .tools/checkov/bin/checkov --directory terraform --framework terraform --quiet --compact \
    --skip-download
check shellcheck scripts/*.sh backend/*/*.sh .ci/run
check hadolint backend/*/Dockerfile scripts/lambda_build/images/*Dockerfile
check zizmor --quiet --offline --no-progress .github
check check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
check check-jsonschema --quiet --builtin-schema vendor.github-actions .github/actions/*/action.yml
check check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
check_if_there actionlint .github/workflows/*.yml
exit $status
