# Every target says what it does in `make help`. Whatever needs the environment makes it first.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.DELETE_ON_ERROR:

VENV := .venv/bin
FUNCTION ?=
VERSION ?=
CSV ?=
ENVIRONMENT ?=
BENCH ?=
TERRAFORM := terraform -chdir=terraform
METHOD ?=
BODY ?=
# Of a request, and word for word: neither make nor the shell may read what is in it.
override BODY := $(value BODY)
# `make invoke PATH=/chat`: make hands on what its command line says to every program that it starts,
# as the PATH to look for programs in. So that is taken as the request's path, and PATH is again what
# it was when make was started, which a shell function still tells.
ifeq ($(origin PATH),command line)
REQUEST_PATH := $(value PATH)
override PATH = $(shell printf '%s' "$$PATH")
override PATH := $(PATH)
endif
export BODY METHOD REQUEST_PATH
# In a recipe: the request's options, as the shell's own arguments.
REQUEST = set --; \
	[ -z "$$REQUEST_PATH" ] || set -- "$$@" --path "$$REQUEST_PATH"; \
	[ -z "$$METHOD" ] || set -- "$$@" --method "$$METHOD"; \
	[ -z "$$BODY" ] || set -- "$$@" --body "$$BODY"
# Terraform's own words: terraform/environments/NAME.tfvars, if one is named.
VAR_FILE = $(if $(ENVIRONMENT),-var-file=environments/$(ENVIRONMENT).tfvars)
# Where each environment has a state of its own, others release what is deployed there: an apply
# leaves the aliases as they are.
PIN = $(if $(BACKEND),$(VENV)/lambda-release pin)
PINNED = $(if $(BACKEND),-var-file=release.tfvars.json)
# After a bootstrap each environment has a state of its own, and one folder serves them in turn. One
# without a file is refused by init: it would be planned from the state of the one before.
BOOTSTRAP := terraform -chdir=terraform/bootstrap
BACKEND = $(if $(wildcard terraform/backend.tf),-reconfigure -backend-config=environments/$(or $(ENVIRONMENT),$(error ENVIRONMENT is missing, and each has a state of its own: say e.g. ENVIRONMENT=staging)).s3.tfbackend)

.PHONY: help
help: ## Show what there is
	@echo "Python on AWS Lambda with Terraform, where requirements.txt is honoured."
	@echo
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  FUNCTION=chat         one function instead of all (package, image, lock, upgrade, release, rollback)"
	@echo "  VERSION=7             a published version instead of the newest, or the one before (release, rollback)"
	@echo "  PATH=/chat            the request's path; METHOD=PUT and BODY='…' too (invoke, trace-request)"
	@echo "  CSV=urls.csv          labelled URLs: columns url and label (train)"
	@echo "  ENVIRONMENT=staging   its variables and its state (plan, apply, destroy, release, rollback)"
	@echo "  BENCH=--quick         arguments of the benchmark: one repetition (bench-build)"

.PHONY: setup
setup: ## Make .venv from the locks; every other target does this as needed
	@./scripts/setup.sh

# On this machine

.PHONY: up
up: setup ## Run the whole stack on this machine, until Ctrl-C
	@$(VENV)/local-aws up

.PHONY: smoke
smoke: setup ## Run it, send the README's requests, stop it; says what failed
	@$(VENV)/local-aws smoke

.PHONY: down
down: setup ## Stop what `make up` started in another terminal
	@$(VENV)/local-aws down

.PHONY: invoke
invoke: setup ## Send one request to one function: FUNCTION=chat PATH=/chat/health
	@if [ -z "$(FUNCTION)" ] || [ -z "$$REQUEST_PATH" ]; then \
		echo "make invoke FUNCTION=chat PATH=/chat BODY='{…}' METHOD=POST: the first two are needed" >&2; \
		exit 2; \
	fi
	@$(REQUEST); $(VENV)/local-aws invoke $(FUNCTION) "$$@"

.PHONY: trace-request
trace-request: setup ## Show one request's way to a function and back, hop by hop, with times
	@$(REQUEST); $(VENV)/local-aws trace-request $(FUNCTION) "$$@"

.PHONY: test
test: setup ## Run all tests, in two processes
	@$(VENV)/pytest --numprocesses=2

# Packages

.PHONY: package
package: setup ## Build the functions' ZIPs into lambda_packages/
	@$(VENV)/lambda-build package $(FUNCTION)

.PHONY: image
image: setup ## Build the images of functions that are container images; needs Docker
	@$(VENV)/lambda-build image $(FUNCTION)

.PHONY: lock
lock: setup ## Write down which versions answer requirements.txt, with their hashes
	@$(VENV)/lambda-build lock $(FUNCTION)

.PHONY: upgrade
upgrade: setup ## The same, with the newest versions
	@$(VENV)/lambda-build lock --upgrade $(FUNCTION)

.PHONY: train
train: setup ## Train inference's model anew; its data is fetched with npm, or is your CSV
	@cd backend/inference && $(CURDIR)/$(VENV)/python -m training $(if $(CSV),--csv "$(abspath $(CSV))")

# AWS: these use your credentials

# Again, it changes what has changed, and goes on where a move of its state was interrupted: init asks
# if there is something to move, so its words are shown. What it writes is committed.
.PHONY: bootstrap
bootstrap: ## Prepare an AWS account for deployments from GitHub, once (asks first)
	@$(BOOTSTRAP) init -migrate-state
	@$(BOOTSTRAP) apply
	@$(BOOTSTRAP) output -json backend_files | python3 scripts/write_backend.py terraform
	@$(BOOTSTRAP) init -migrate-state
	@printf '\nNext, tell GitHub, and then name reviewers (docs/guides/first-deployment.md):\n\n%s\n' "$$($(BOOTSTRAP) output -raw github_commands)"

.PHONY: plan
plan: ## Show what `make apply` would change in AWS
	@$(TERRAFORM) init -input=false $(BACKEND) >/dev/null
	@$(PIN)
	@$(TERRAFORM) plan $(VAR_FILE) $(PINNED)

.PHONY: apply
apply: ## Build, and deploy to AWS (asks first)
	@$(TERRAFORM) init -input=false $(BACKEND) >/dev/null
	@$(PIN)
	@$(TERRAFORM) apply $(VAR_FILE) $(PINNED)
	@$(if $(BACKEND),echo 'What is live stays so: make release ENVIRONMENT=$(ENVIRONMENT)')

ifneq ($(wildcard terraform/backend.tf),)
plan apply: setup
endif

# Without a refresh no package is built, so this works when a build would not.
.PHONY: destroy
destroy: ## Remove from AWS what apply made (asks first); builds nothing
	@$(TERRAFORM) init -input=false $(BACKEND) >/dev/null
	@$(TERRAFORM) plan -destroy -refresh=false -out=destroy.tfplan $(VAR_FILE)
	@printf 'Destroy all of this? Only "yes" is taken: '; read answer; \
	if [ "$$answer" = yes ]; then $(TERRAFORM) apply destroy.tfplan; status=$$?; \
	else echo 'Nothing was destroyed.'; status=1; fi; \
	rm -f terraform/destroy.tfplan; exit $$status

.PHONY: providers-lock
providers-lock: PLATFORMS := linux_amd64 linux_arm64 darwin_amd64 darwin_arm64
providers-lock: ## Write .terraform.lock.hcl for all platforms (needs the Terraform registry)
	@$(TERRAFORM) providers lock $(PLATFORMS:%=-platform=%)
	@$(BOOTSTRAP) providers lock $(PLATFORMS:%=-platform=%)

.PHONY: release
release: setup ## Give the newest versions 10 % of the requests, watch alarms, give them all or none
	@$(if $(BACKEND),$(TERRAFORM) init -input=false $(BACKEND) >/dev/null)
	@$(VENV)/lambda-release release $(FUNCTION) $(if $(VERSION),--version $(VERSION))

.PHONY: rollback
rollback: setup ## Move a function back to the version before, or to VERSION, at once
	@$(if $(BACKEND),$(TERRAFORM) init -input=false $(BACKEND) >/dev/null)
	@$(VENV)/lambda-release rollback $(or $(FUNCTION),$(error FUNCTION is missing: make rollback FUNCTION=chat)) \
		$(if $(VERSION),--version $(VERSION))

# The code itself

.PHONY: lint
lint: setup ## Run the linters
	@./scripts/lint.sh

.PHONY: format
format: setup ## Format Python and Terraform
	@$(VENV)/ruff check --quiet --fix .
	@$(VENV)/ruff format .
	@terraform fmt -recursive terraform

.PHONY: bench-build
bench-build: setup ## Measure the build beside its peers (40 minutes, on an idle machine)
	@$(VENV)/python -m benchmarks $(BENCH)

.PHONY: bench-image
bench-image: setup ## Measure the first answer from an image beside pip's (ten minutes; needs Docker)
	@$(VENV)/python -m benchmarks.images $(BENCH)

.PHONY: lock-dev
lock-dev: setup ## Renew the locks of the development environment
	@./scripts/lock_dev.sh

.PHONY: clean
clean: ## Remove what was built here, and the local AWS's files
	@rm -rf lambda_packages .local_aws .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
