# The build and the archive are mocked, so nothing is built: a mock is ignored, and the real build
# run, unless the root under test requires the provider.

mock_provider "aws" {
  source = "../../tests/mocks"
}

mock_provider "external" {
  source = "../../tests/mocks"
}

mock_provider "archive" {
  mock_data "archive_file" {
    defaults = {
      # Of ../function/tests/hello_function.zip.
      output_base64sha256 = "5QchCpDpnXTqWP5avddskL7jYNVOQlgn7Nc2B3kU4k4="
      output_size         = 52428800
    }
  }
}

# Which runtime is near its end depends on the day; runtime_support has tests of its own.
override_module {
  target  = module.runtime_support
  outputs = { warning = "" }
}

variables {
  name = "hello"
  package = {
    source     = "src/hello"
    output_dir = "../function/tests"
  }
}

run "the_build_is_told_what_the_function_is" {
  assert {
    condition = data.external.build.query == tomap({
      name                = "hello"
      source              = "src/hello"
      requirements        = "requirements.txt"
      runtime             = "python3.11"
      architecture        = "x86_64"
      handler             = "index.handler"
      output_dir          = "../function/tests"
      provided            = "[]"
      build_in_docker     = "false"
      archive_above_bytes = "31457280"
    })
    error_message = "The build must get the package, and the defaults."
  }

  assert {
    condition     = slice(data.external.build.program, 0, 1) == tolist(["python3"]) && endswith(data.external.build.program[1], "/scripts/run_lambda_build.py") && data.external.build.program[2] == "terraform"
    error_message = "The build is run by any python3, from this project's scripts."
  }

  assert {
    condition     = fileexists(data.external.build.program[1])
    error_message = "The build script must be where the module looks for it."
  }

  # The staged tree is zipped as it is, and the ZIP deployed.
  assert {
    condition     = data.archive_file.this[0].source_dir == "tests/staged" && data.archive_file.this[0].output_path == "../function/tests/hello_function.zip"
    error_message = "What the build staged must become <name>_function.zip."
  }

  assert {
    condition     = data.archive_file.this[0].output_file_mode == null
    error_message = "Modes are the staged tree's: with output_file_mode executables would lose their bit."
  }

  assert {
    condition     = output.package.digest == data.external.build.result.digest && output.package.path == "../function/tests/hello_function.zip"
    error_message = "The output must tell what was built."
  }

  # What has no value here has the module function's default.
  assert {
    condition     = output.function.name == "hello" && output.function.timeout_s == 30 && output.function.runtime == "python3.11"
    error_message = "The function must be named as asked, with the defaults of the module function."
  }
}

run "everything_can_be_chosen" {
  variables {
    name        = "project-hello"
    description = "Says hello"
    package = {
      source           = "src/hello"
      requirements     = "" # none
      name             = "hello"
      output_dir       = "../function/tests"
      provided         = ["boto3"]
      build_in_docker  = true
      archive_above_mb = 2.5
      bucket           = "packages"
    }
    runtime            = "python3.13"
    architecture       = "arm64"
    handler            = "app.handlers.greet"
    layers             = ["arn:aws:lambda:eu-central-1:123456789012:layer:packages:1"]
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
    condition = data.external.build.query == tomap({
      name                = "hello"
      source              = "src/hello"
      requirements        = ""
      runtime             = "python3.13"
      architecture        = "arm64"
      handler             = "app.handlers.greet"
      output_dir          = "../function/tests"
      provided            = "[\"boto3\"]"
      build_in_docker     = "true"
      archive_above_bytes = "2621440"
    })
    error_message = "The build must be for what was chosen, without requirements."
  }

  assert {
    condition     = output.function.name == "project-hello" && output.function.timeout_s == 10 && output.function.architecture == "arm64" && output.function.runtime == "python3.13"
    error_message = "The function must be what was chosen."
  }
}

run "what_the_build_warns_of_is_said_at_plan" {
  command = plan

  override_data {
    target = data.external.build
    values = {
      result = {
        source_dir     = "tests/staged"
        archive        = ""
        archive_sha256 = ""
        archive_bytes  = ""
        digest         = "ZGlnZXN0"
        unzipped_bytes = "1"
        warnings       = "requirements.txt has no lock."
        lock           = ""
      }
    }
  }

  expect_failures = [check.build]
}

run "a_runtime_near_its_end_is_said_at_plan" {
  command = plan

  override_module {
    target  = module.runtime_support
    outputs = { warning = "python3.11 will be deprecated." }
  }

  expect_failures = [check.runtime]
}

# Of the two ways to a ZIP the build chooses one, by archive_above_bytes.

run "a_zip_of_the_build_is_deployed_as_it_is" {
  override_data {
    target = data.external.build
    values = {
      result = {
        source_dir     = ""
        archive        = "../function/tests/hello_function.zip"
        archive_sha256 = "5QchCpDpnXTqWP5avddskL7jYNVOQlgn7Nc2B3kU4k4="
        archive_bytes  = "52428800"
        digest         = "ZGlnZXN0"
        unzipped_bytes = "60000000"
        warnings       = ""
        lock           = ""
      }
    }
  }

  assert {
    condition     = length(data.archive_file.this) == 0
    error_message = "What is a ZIP already must not be zipped."
  }

  # That its SHA-256 is the build's is what let it pass: of another one the plan would be refused.
  assert {
    condition     = output.package.path == "../function/tests/hello_function.zip" && output.function.version == "7"
    error_message = "The ZIP must be deployed from the same path as archive_file's."
  }
}

run "a_zip_of_archive_file_of_more_than_50_mb_is_refused" {
  command = plan

  override_data {
    target = data.archive_file.this[0]
    values = {
      output_base64sha256 = "5QchCpDpnXTqWP5avddskL7jYNVOQlgn7Nc2B3kU4k4="
      output_size         = 52428801
    }
  }

  expect_failures = [output.package]
}

run "a_zip_of_the_build_of_more_than_50_mb_is_refused" {
  command = plan

  override_data {
    target = data.external.build
    values = {
      result = {
        source_dir     = ""
        archive        = "../function/tests/hello_function.zip"
        archive_sha256 = "5QchCpDpnXTqWP5avddskL7jYNVOQlgn7Nc2B3kU4k4="
        archive_bytes  = "52428801"
        digest         = "ZGlnZXN0"
        unzipped_bytes = "60000000"
        warnings       = ""
        lock           = ""
      }
    }
  }

  expect_failures = [output.package]
}

run "a_zip_of_more_than_50_mb_goes_through_a_bucket" {
  override_data {
    target = data.external.build
    values = {
      result = {
        source_dir     = ""
        archive        = "../function/tests/hello_function.zip"
        archive_sha256 = "5QchCpDpnXTqWP5avddskL7jYNVOQlgn7Nc2B3kU4k4="
        archive_bytes  = "52428801"
        digest         = "ZGlnZXN0"
        unzipped_bytes = "60000000"
        warnings       = ""
        lock           = ""
      }
    }
  }

  variables {
    package = {
      source     = "src/hello"
      output_dir = "../function/tests"
      bucket     = "packages"
    }
  }

  assert {
    condition     = output.package.path == "../function/tests/hello_function.zip"
    error_message = "With a bucket there must be no limit."
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

run "absolute_requirements_are_refused" {
  command = plan

  variables {
    package = { source = "src/hello", requirements = "/home/me/requirements.txt" }
  }

  expect_failures = [var.package]
}

run "a_package_name_that_is_no_file_name_is_refused" {
  command = plan

  variables {
    package = { source = "src/hello", name = "../hello" }
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

run "a_negative_archive_above_mb_is_refused" {
  command = plan

  variables {
    package = { source = "src/hello", archive_above_mb = -1 }
  }

  expect_failures = [var.package]
}
