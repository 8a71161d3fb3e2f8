#!/bin/sh
# Makes .venv, from the locked development dependencies, with the commands of scripts/ in it.
# Called by every make target that needs it; does nothing when the locks and pyproject.toml, which names the
# commands, have not changed.
set -eu

cd "$(dirname "$0")/.."
ready=.venv/.ready

# What .venv is made from. cksum is POSIX, so this needs nothing installed.
wanted=$(cat requirements-dev.lock scripts/lambda_build/requirements.lock pyproject.toml \
    scripts/setup.sh | cksum)
if [ -f "$ready" ] && [ "$(cat "$ready")" = "$wanted" ]; then
    exit 0
fi

# $PYTHON if it is given, else the first interpreter that is new enough (a pyenv shim may exist
# and not run, so each is asked).
python=
for candidate in ${PYTHON:-python3 python3.11 python3.12 python3.13 python3.14}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "setup: no Python 3.11 or later among: ${PYTHON:-python3, python3.11 to python3.14}" >&2
    echo "setup: install one, or name it:  make setup PYTHON=/path/to/python3.11" >&2
    exit 1
fi

echo "setup: making .venv with $("$python" --version) (once; about a minute)" >&2
rm -rf .venv
if ! "$python" -m venv .venv >&2; then
    rm -rf .venv
    echo "setup: '$python -m venv' failed; on Debian and Ubuntu:  apt-get install python3-venv" >&2
    exit 1
fi
# pip brings uv, by hash; uv brings the rest, by hash and much faster.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
    --requirement scripts/lambda_build/requirements.lock
.venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes \
    --requirement requirements-dev.lock
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation \
    --editable .
printf '%s' "$wanted" > "$ready"
