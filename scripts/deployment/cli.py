"""The command line: `lambda-deployment pack`, `unpack`, `summary`, `ask` and `images`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from deployment.answer import ask
from deployment.bundle import pack, unpack
from deployment.errors import DeploymentError, InputError
from deployment.outputs import images
from deployment.plan import read_plan
from deployment.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXAMPLES = """\
examples, in the project's folder:
  terraform -chdir=terraform show -json tfplan | lambda-deployment pack bundle
                                   copies the plan and the files that it reads into bundle/,
                                   and prints the SHA-256 of the manifest
  lambda-deployment unpack bundle --manifest SHA256
                                   copies them to where they were, if nothing was changed
  terraform -chdir=terraform show -json tfplan | lambda-deployment summary "Plan of staging"
                                   what the plan changes, as Markdown
  terraform -chdir=terraform output -json | lambda-deployment ask chat --live live.json
                                   fails unless chat answers with the version that is live, as
                                   `lambda-release pin --output live.json` wrote it
  terraform -chdir=terraform output -json | lambda-deployment images
                                   the images that are deployed, for the next environment
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        print(options.command(options), end="")
    except DeploymentError as error:
        print(f"lambda-deployment: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _pack(options: argparse.Namespace) -> str:
    plan = read_plan(sys.stdin.read())
    return f"{pack(Path.cwd(), plan, options.bundle).sha256}\n"


def _unpack(options: argparse.Namespace) -> str:
    return str(unpack(options.bundle, options.manifest, Path.cwd()))


def _summary(options: argparse.Namespace) -> str:
    return summarise(read_plan(sys.stdin.read()), Path.cwd(), options.title)


def _ask(options: argparse.Namespace) -> str:
    version = ask(sys.stdin.read(), _text(options.live), options.function)
    return f"version {version} of {options.function} answers\n"


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from error


def _images(_options: argparse.Namespace) -> str:
    return f"{images(sys.stdin.read())}\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lambda-deployment",
        description="What the deploy workflow does beside Terraform.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("pack", help="copy a plan and its files, with a manifest")
    command.add_argument("bundle", type=Path, metavar="FOLDER")
    command.set_defaults(command=_pack)
    command = commands.add_parser("unpack", help="copy them back, if they are what was packed")
    command.add_argument("bundle", type=Path, metavar="FOLDER")
    command.add_argument("--manifest", required=True, metavar="SHA256")
    command.set_defaults(command=_unpack)
    command = commands.add_parser("summary", help="tell what a plan changes, as Markdown")
    command.add_argument("title")
    command.set_defaults(command=_summary)
    command = commands.add_parser("ask", help="see which version of a function answers")
    command.add_argument("function")
    command.add_argument("--live", required=True, type=Path, metavar="FILE")
    command.set_defaults(command=_ask)
    command = commands.add_parser("images", help="tell which images are deployed, as JSON")
    command.set_defaults(command=_images)
    return parser
