"""The modules and the stack by themselves: their mocked tests, their form, their READMEs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from terraform.terraform_roots import declarations, examples, listed

if TYPE_CHECKING:
    from terraform.terraform_roots import Terraform

TERRAFORM = Path(__file__).parents[2] / "terraform"

MODULES = sorted(path.parent for path in TERRAFORM.glob("modules/*/versions.tf"))
BOOTSTRAP = TERRAFORM / "bootstrap"
CONFIGURATIONS = [TERRAFORM, BOOTSTRAP]
ROOTS = [*CONFIGURATIONS, *MODULES]
# runtime_support is a part of the function modules, and is documented there.
ALL = [*ROOTS, *sorted(path.parent for path in TERRAFORM.glob("modules/*/*/main.tf"))]

GIT_SOURCE = re.compile(r'"git::https://[^"]*?//terraform/(modules/\w+)(?:\?ref=[^"]*)?"')


def name(module: Path) -> str:
    """Return `zip_function` for a module, `terraform` for the stack."""
    return module.name


@pytest.mark.parametrize("root", ROOTS, ids=name)
def test_the_mocked_tests_pass(root: Path, roots: Path, terraform: Terraform) -> None:
    copy = roots / root.relative_to(TERRAFORM)
    terraform.init(copy)

    done = terraform("test", "-no-color", cwd=copy)

    assert done.returncode == 0, done.stdout
    assert re.search(r"^Success! [1-9]\d* passed, 0 failed\.$", done.stdout, re.MULTILINE), (
        done.stdout
    )
    assert not list(copy.rglob("lambda_packages")), "a mocked test has run the build"


def test_everything_is_formatted(terraform: Terraform) -> None:
    done = terraform("fmt", "-check", "-diff", "-recursive", "-no-color", cwd=TERRAFORM)

    assert done.returncode == 0, done.stdout


def test_the_stack_and_every_readmes_example_are_valid(
    roots: Path, terraform: Terraform, tmp_path: Path
) -> None:
    # What the stack and the examples read: the functions, a described one, and a ZIP that somebody
    # has built.
    tmp_path.joinpath("backend").symlink_to(roots.parent / "backend")
    tmp_path.joinpath("src").mkdir()
    tmp_path.joinpath("src", "function.json").write_text("{}", encoding="utf-8")
    root = tmp_path / "root"
    root.joinpath("dist").mkdir(parents=True)
    root.joinpath("dist", "hello.zip").touch()
    root.joinpath("stack").symlink_to(roots)
    calls = ['module "stack" {\n  source = "./stack"\n}\n']
    for module in MODULES:
        for number, example in enumerate(examples(module / "README.md")):
            folder = root / f"{module.name}_{number}"
            folder.mkdir()
            code = GIT_SOURCE.sub(lambda found: f'"../stack/{found[1]}"', example)
            folder.joinpath("main.tf").write_text(code, encoding="utf-8")
            calls.append(f'module "{folder.name}" {{\n  source = "./{folder.name}"\n}}\n')
    root.joinpath("main.tf").write_text("\n".join(calls), encoding="utf-8")
    terraform.init(root)

    done = terraform("validate", "-no-color", cwd=root)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_has_an_example_to_copy(module: Path) -> None:
    found = examples(module / "README.md")

    assert any(f"/{module.name}?ref=" in example for example in found)


@pytest.mark.parametrize("module", ROOTS, ids=name)
def test_a_readme_lists_every_variable_and_output(module: Path) -> None:
    declared = sorted(declared.name for declared in declarations(module))

    assert sorted(listed(module / "README.md")) == declared


@pytest.mark.parametrize("module", ALL, ids=name)
def test_variables_have_description_type_default_and_nullable_in_that_order(module: Path) -> None:
    order = ["description", "type", "default", "nullable"]
    for declared in declarations(module):
        if declared.kind != "variable":
            continue
        given = [argument for argument in declared.arguments if argument in order]
        assert given[:2] == order[:2], f"{declared.name} lacks a description or a type"
        assert given == sorted(given, key=order.index), f"{declared.name} has another order"
        assert not re.search(
            r"\bany\b", re.sub(r'".*?"|<<-EOT.*?EOT', "", declared.body, flags=re.DOTALL)
        )


@pytest.mark.parametrize("module", ALL, ids=name)
def test_outputs_have_a_description(module: Path) -> None:
    for declared in declarations(module):
        assert "description" in declared.arguments, declared.name


@pytest.mark.parametrize(
    "module", [module for module in ALL if module not in CONFIGURATIONS], ids=name
)
def test_modules_hold_no_provider_and_no_backend(module: Path) -> None:
    for file in module.glob("*.tf"):
        assert not re.search(
            r"^\s*(provider|backend) ", file.read_text(encoding="utf-8"), re.MULTILINE
        )


@pytest.mark.parametrize("module", ALL, ids=name)
def test_every_permission_names_its_source(module: Path) -> None:
    for file in module.glob("*.tf"):
        for block in re.findall(
            r'^resource "aws_lambda_permission".*?^\}',
            file.read_text(encoding="utf-8"),
            re.MULTILINE | re.DOTALL,
        ):
            assert "source_arn" in block, block


@pytest.mark.parametrize("values", sorted(TERRAFORM.glob("environments/*.tfvars")), ids=name)
def test_an_environment_sets_declared_variables_only(values: Path) -> None:
    variables = {
        declared.name for declared in declarations(TERRAFORM) if declared.kind == "variable"
    }
    given = set(re.findall(r"^(\w+) *=", values.read_text(encoding="utf-8"), re.MULTILINE))

    assert given
    assert given <= variables


def test_no_lock_of_a_mirror_is_in_the_checkout() -> None:
    for lock in TERRAFORM.rglob(".terraform.lock.hcl"):
        text = lock.read_text(encoding="utf-8")
        assert "zh:" in text, f"{lock} was not made from the registry: run make providers-lock"
