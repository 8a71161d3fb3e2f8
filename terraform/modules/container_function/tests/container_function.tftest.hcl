# The build is mocked, so nothing is built: a mock is ignored, and the real build run, unless the root
# under test requires the provider. A provisioner is run in every apply, even that of an overridden
# resource, so there are plans only, in which mocked resources are known as after an apply.

mock_provider "aws" {
  source          = "../../tests/mocks"
  override_during = plan
}

mock_provider "external" {
  source = "../../tests/mocks"
}

# Which runtime is near its end depends on the day; runtime_support has tests of its own.
override_module {
  target  = module.runtime_support
  outputs = { warning = "" }
}

variables {
  name    = "hello"
  package = { source = "src/hello" }
}

run "the_build_is_told_what_the_function_is" {
  command = plan

  assert {
    condition = data.external.build[0].query == tomap({
      name            = "hello"
      source          = "src/hello"
      requirements    = "requirements.txt"
      runtime         = "python3.11"
      architecture    = "x86_64"
      handler         = "index.handler"
      base_image      = ""
      output_dir      = "lambda_packages"
      provided        = "[]"
      build_in_docker = "false"
    })
    error_message = "The build must get the package, and the defaults."
  }

  assert {
    condition     = slice(data.external.build[0].program, 0, 1) == tolist(["python3"]) && endswith(data.external.build[0].program[1], "/scripts/run_lambda_build.py") && data.external.build[0].program[2] == "terraform-image"
    error_message = "The build is run by any python3, from this project's scripts."
  }

  assert {
    condition     = fileexists(data.external.build[0].program[1])
    error_message = "The build script must be where the module looks for it."
  }

  # What decides whether an image is pushed: its inputs, and where it goes.
  assert {
    condition     = terraform_data.image[0].triggers_replace == [data.external.build[0].result.tag, aws_ecr_repository.this[0].repository_url]
    error_message = "Another tag or another repository must push, and nothing else."
  }

  assert {
    condition     = terraform_data.image[0].input == data.external.build[0].result.tag && data.aws_ecr_image.pushed[0].repository_name == "hello"
    error_message = "The image must be asked for by the tag that was pushed."
  }

  assert {
    condition     = terraform_data.wanted[0].input == { tag = data.external.build[0].result.tag, registry_id = "123456789012" }
    error_message = "The token must wait for the apply that pushes."
  }

  assert {
    condition     = output.package.digest == data.external.build[0].result.digest && output.package.tag == data.external.build[0].result.tag && output.package.lock == data.external.build[0].result.lock && output.package.repository_url == aws_ecr_repository.this[0].repository_url
    error_message = "The output must tell what is built, and where it goes."
  }

  # What has no value here has the module function's default.
  assert {
    condition     = output.function.name == "hello" && output.function.timeout_s == 30 && output.function.runtime == null
    error_message = "The function must be named as asked, with the defaults of the module function."
  }
}

run "the_repository_keeps_what_may_be_rolled_back_to_and_is_open_to_this_function_only" {
  command = plan

  assert {
    condition     = aws_ecr_repository.this[0].name == "hello" && aws_ecr_repository.this[0].image_tag_mutability == "IMMUTABLE" && aws_ecr_repository.this[0].image_scanning_configuration[0].scan_on_push
    error_message = "Tags must not move, and each image be scanned."
  }

  assert {
    condition     = aws_ecr_repository.this[0].force_delete
    error_message = "What holds images must be destroyed too."
  }

  assert {
    condition = [for rule in jsondecode(aws_ecr_lifecycle_policy.this[0].policy).rules : rule.selection] == [
      { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 14 },
      { tagStatus = "tagged", tagPatternList = ["*"], countType = "imageCountMoreThan", countNumber = 20 },
    ]
    error_message = "Untagged images must go after 14 days, and of tagged ones 20 stay."
  }

  # Lambda adds a statement of its own unless it may pull.
  assert {
    condition = jsondecode(aws_ecr_repository_policy.this[0].policy).Statement == [{
      Sid       = "LambdaECRImageRetrievalPolicy"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Condition = {
        ArnLike = {
          "aws:SourceArn" = [
            "arn:aws:lambda:eu-central-1:123456789012:function:hello",
            "arn:aws:lambda:eu-central-1:123456789012:function:hello:*",
          ]
        }
      }
    }]
    error_message = "Only Lambda may pull, for this function and its versions."
  }
}

run "everything_can_be_chosen" {
  command = plan

  variables {
    name        = "Project_Hello"
    description = "Says hello"
    package = {
      source          = "src/hello"
      requirements    = "" # none
      base_image      = "public.ecr.aws/amazonlinux/amazonlinux:2023"
      name            = "hello"
      output_dir      = "build"
      provided        = ["boto3"]
      build_in_docker = true
      keep_images     = 3
    }
    image_config       = { command = ["app.handlers.other"] }
    runtime            = "python3.13"
    architecture       = "arm64"
    handler            = "app.handlers.greet"
    compute            = { memory_mb = 1024, timeout_s = 10 }
    environment        = { GREETING = "hello" }
    permissions        = { ReadNames = { actions = ["s3:GetObject"], resources = ["arn:aws:s3:::names/*"] } }
    network            = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
    tracing            = "Active"
    log_retention_days = 7
    dead_letter        = { arn = "arn:aws:sqs:eu-central-1:123456789012:failed" }
    release            = { version = "3", additional_version_weights = { "4" = 0.5 } }
  }

  assert {
    condition = data.external.build[0].query == tomap({
      name            = "hello"
      source          = "src/hello"
      requirements    = ""
      runtime         = "python3.13"
      architecture    = "arm64"
      handler         = "app.handlers.greet"
      base_image      = "public.ecr.aws/amazonlinux/amazonlinux:2023"
      output_dir      = "build"
      provided        = "[\"boto3\"]"
      build_in_docker = "true"
    })
    error_message = "The build must be for what was chosen, without requirements."
  }

  assert {
    condition     = aws_ecr_repository.this[0].name == "project_hello" && jsondecode(aws_ecr_lifecycle_policy.this[0].policy).rules[1].selection.countNumber == 3
    error_message = "The repository must have the function's name, in the lower case that ECR takes, and keep three images."
  }

  assert {
    condition     = output.function.name == "Project_Hello" && output.function.timeout_s == 10 && output.function.architecture == "arm64"
    error_message = "The function must be what was chosen."
  }
}

run "an_image_from_outside_is_deployed_as_it_is" {
  command = plan

  variables {
    package      = null
    name         = "-hello-" # no repository is named so
    image_uri    = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/ours@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    image_config = { entry_point = ["/entry.sh"], command = ["other.handler"], working_directory = "/var/task" }
  }

  assert {
    condition     = length(data.external.build) == 0 && length(terraform_data.image) == 0 && length(data.aws_ecr_image.pushed) == 0 && length(data.aws_ecr_authorization_token.this) == 0
    error_message = "Nothing must be built, and no token asked for."
  }

  assert {
    condition     = length(aws_ecr_repository.this) == 0 && length(aws_ecr_lifecycle_policy.this) == 0 && length(aws_ecr_repository_policy.this) == 0
    error_message = "There is nothing to keep in a repository."
  }

  assert {
    condition     = output.package == { uri = var.image_uri, repository_url = null, digest = null, tag = null, lock = null }
    error_message = "The image must be deployed, by its digest."
  }

  assert {
    condition     = output.function.version == "7"
    error_message = "A version must be published."
  }
}

run "an_image_from_outside_leaves_the_repository_of_a_package_in_which_it_may_lie" {
  command = plan

  variables {
    image_uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mocked@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
  }

  assert {
    condition     = length(aws_ecr_repository.this) == 1 && length(aws_ecr_repository_policy.this) == 1
    error_message = "The repository must stay."
  }

  assert {
    condition     = length(data.external.build) == 0 && length(terraform_data.image) == 0 && output.package.uri == var.image_uri
    error_message = "The image must be deployed, and nothing built."
  }
}

run "what_the_build_warns_of_is_said_at_plan" {
  command = plan

  override_data {
    target = data.external.build
    values = {
      result = {
        digest     = "ZGlnZXN0"
        tag        = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"
        base_image = "public.ecr.aws/lambda/python@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
        lock       = ""
        warnings   = "The base image is not pinned."
      }
    }
  }

  expect_failures = [check.build]
}

run "awss_base_image_near_its_end_is_said_at_plan" {
  command = plan

  override_module {
    target  = module.runtime_support
    outputs = { warning = "AWS's base image of python3.11 will be deprecated." }
  }

  expect_failures = [check.runtime]
}

run "of_another_base_image_no_end_is_known" {
  command = plan

  override_module {
    target  = module.runtime_support
    outputs = { warning = "AWS's base image of python3.11 will be deprecated." }
  }

  override_data {
    target = data.external.build
    values = {
      result = {
        digest     = "ZGlnZXN0"
        tag        = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"
        base_image = "public.ecr.aws/amazonlinux/amazonlinux@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
        lock       = ""
        warnings   = ""
      }
    }
  }

  # A check that failed would fail the run.
  assert {
    condition     = !startswith(data.external.build[0].result.base_image, "public.ecr.aws/lambda/")
    error_message = "This must be another base."
  }
}

run "of_an_image_from_outside_no_end_is_known" {
  command = plan

  override_module {
    target  = module.runtime_support
    outputs = { warning = "AWS's base image of python3.11 will be deprecated." }
  }

  variables {
    image_uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mocked@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
  }

  assert {
    condition     = length(data.external.build) == 0
    error_message = "This must be an image from outside."
  }
}

# One run breaks a rule of every variable that has one left.

run "each_variable_refuses_what_breaks_its_first_rule" {
  command = plan

  variables {
    package = { source = " " }
    handler = "handler" # no module
  }

  expect_failures = [var.package, var.handler]
}

# Asked only where the package is in order.
run "a_name_that_no_repository_can_have_is_refused" {
  command = plan

  variables {
    name = "hello--world"
  }

  expect_failures = [var.name]
}

run "neither_package_nor_image_is_refused" {
  command = plan

  variables {
    package = null
  }

  expect_failures = [var.package]
}

run "absolute_requirements_are_refused" {
  command = plan

  variables {
    package = { source = "src/hello", requirements = "/home/me/requirements.txt" }
  }

  expect_failures = [var.package]
}

run "a_base_image_with_a_scheme_is_refused" {
  command = plan

  variables {
    package = { source = "src/hello", base_image = "https://public.ecr.aws/lambda/python:3.11" }
  }

  expect_failures = [var.package]
}

run "a_package_name_that_is_no_image_name_is_refused" {
  command = plan

  variables {
    package = { source = "src/hello", name = "Hello" }
  }

  expect_failures = [var.package]
}

run "an_absolute_output_dir_is_refused" {
  command = plan

  variables {
    package = { source = "src/hello", output_dir = "/tmp" }
  }

  expect_failures = [var.package]
}

run "a_repository_that_keeps_nothing_is_refused" {
  command = plan

  variables {
    package = { source = "src/hello", keep_images = 0 }
  }

  expect_failures = [var.package]
}
