# What the rules accept, at its edges, and then what each refuses. A run takes half a second, most of
# it the provider's start, so one run breaks a rule of every variable that has one left.

mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  name = "hello"
  zip = {
    path    = "tests/hello_function.zip"
    sha256  = filebase64sha256("tests/hello_function.zip")
    digest  = "the build's inputs"
    runtime = "python3.13"
    handler = "index.handler"
  }
}

run "the_largest_of_everything_is_accepted" {
  command = plan

  variables {
    name         = replace(format("%64s", ""), " ", "n")
    description  = replace(format("%256s", ""), " ", "é")
    architecture = "arm64"
    compute      = { memory_mb = 10240, timeout_s = 900, storage_mb = 10240, reserved_concurrency = 0 }
    # {"KEY":"…"} takes ten bytes beside the value, in which é takes two.
    environment = { KEY = replace(format("%2043s", ""), " ", "é") }
    permissions = {
      Wide = { actions = ["s3:Get*"], resources = ["*"] }
    }
    network     = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
    tracing     = "Active"
    dead_letter = { arn = "arn:aws-cn:sns:cn-north-1:123456789012:failed" }
    # AWS's own policies have no account.
    permissions_boundary = "arn:aws:iam::aws:policy/PowerUserAccess"
    release              = { version = "120", additional_version_weights = { "121" = 1 } }
    zip = {
      path    = "tests/hello_function.zip"
      sha256  = filebase64sha256("tests/hello_function.zip")
      digest  = "the build's inputs"
      runtime = "python3.13"
      handler = "index.handler"
      layers  = [for n in range(1, 6) : "arn:aws:lambda:eu-central-1:123456789012:layer:packages:${n}"]
      bucket  = replace(format("%63s", ""), " ", "b")
    }
    log_retention_days = 0
  }

  assert {
    condition     = length(aws_lambda_function.this.layers) == 5
    error_message = "All five layers must be used."
  }
}

run "the_smallest_of_everything_is_accepted" {
  command = plan

  variables {
    name        = "n"
    compute     = { memory_mb = 128, timeout_s = 1, storage_mb = 512 }
    environment = { A1 = "" }
    release     = { version = "1", additional_version_weights = {} }
  }
}

run "each_variable_refuses_what_breaks_its_first_rule" {
  command = plan

  variables {
    name                 = "hello.world"                          # a dot
    description          = replace(format("%257s", ""), " ", "d") # too long
    zip                  = { path = "/tmp/function.zip", sha256 = "", digest = "", runtime = "python3.13", handler = "index.handler" }
    architecture         = "aarch64"
    compute              = { memory_mb = 127 }
    environment          = { LOG-LEVEL = "DEBUG" }
    permissions_boundary = "PowerUserAccess"
    permissions          = { read-uploads = { actions = ["s3:GetObject"], resources = ["arn:aws:s3:::uploads/*"] } }
    network              = { subnet_ids = [], security_group_ids = ["sg-1"] }
    tracing              = "active"
    dead_letter          = { arn = "https://sqs.eu-central-1.amazonaws.com/123456789012/failed" } # the URL
  }

  expect_failures = [
    var.name,
    var.description,
    var.zip,
    var.architecture,
    var.compute,
    var.environment,
    var.permissions,
    var.permissions_boundary,
    var.network,
    var.tracing,
    var.dead_letter,
  ]
}

run "each_variable_refuses_what_breaks_its_second_rule" {
  command = plan

  variables {
    name = replace(format("%65s", ""), " ", "n") # too long
    zip = {
      path    = "tests/hello_function.zip"
      sha256  = filebase64sha256("tests/hello_function.zip")
      digest  = ""
      runtime = "python3.13"
      handler = "index.handler"
      layers  = [for n in range(1, 7) : "arn:aws:lambda:eu-central-1:123456789012:layer:packages:${n}"] # six
    }
    compute     = { timeout_s = 0.5 }
    environment = { AWS_REGION = "eu-central-1" }                                   # Lambda's own
    permissions = { Logs = { actions = ["logs:GetLogEvents"], resources = ["*"] } } # the module's own
    network     = { subnet_ids = ["subnet-1"], security_group_ids = [] }
  }

  expect_failures = [
    var.name,
    var.zip,
    var.compute,
    var.environment,
    var.permissions,
    var.network,
  ]
}

run "each_variable_refuses_what_breaks_its_third_rule" {
  command = plan

  variables {
    zip = {
      path    = "tests/hello_function.zip"
      sha256  = filebase64sha256("tests/hello_function.zip")
      digest  = ""
      runtime = "python3.13"
      handler = "index.handler"
      layers  = ["arn:aws:lambda:eu-central-1:123456789012:layer:packages"] # without a version
    }
    compute     = { storage_mb = 10241 }
    environment = { KEY = replace(format("%2044s", ""), " ", "é") } # 4,098 bytes
    permissions = { ReadUploads = { actions = ["s3:GetObject"], resources = [] } }
    release     = { version = "$LATEST" }
  }

  expect_failures = [var.zip, var.compute, var.environment, var.permissions, var.release]
}

run "each_variable_refuses_what_breaks_its_fourth_rule" {
  command = plan

  variables {
    zip = {
      path    = "tests/hello_function.zip"
      sha256  = filebase64sha256("tests/hello_function.zip")
      digest  = ""
      runtime = "python3.13"
      handler = "index.handler"
      bucket  = "arn:aws:s3:::packages"
    }
    compute     = { reserved_concurrency = -1 }
    permissions = { Uploads = { actions = ["s3:*"], resources = ["arn:aws:s3:::uploads/*"] } }
    release     = { version = "5", additional_version_weights = { "6" = 10 } }
  }

  expect_failures = [var.zip, var.compute, var.permissions, var.release]
}

run "a_release_of_three_versions_is_refused" {
  command = plan

  variables {
    release = { version = "5", additional_version_weights = { "6" = 0.1, "7" = 0.1 } }
  }

  expect_failures = [var.release]
}

run "a_release_that_weighs_a_version_against_itself_is_refused" {
  command = plan

  variables {
    release = { version = "5", additional_version_weights = { "5" = 0.1 } }
  }

  expect_failures = [var.release]
}

run "a_release_that_gives_a_version_no_share_is_refused" {
  command = plan

  variables {
    release = { version = "5", additional_version_weights = { "6" = 0 } }
  }

  expect_failures = [var.release]
}

# The rules of an image, one after another.

run "no_code_at_all_is_refused" {
  command = plan

  variables {
    zip = null
  }

  expect_failures = [var.image]
}

run "a_zip_and_an_image_at_once_are_refused" {
  command = plan

  variables {
    image = { uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hello@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" }
  }

  expect_failures = [var.image]
}

run "an_image_by_its_tag_is_refused" {
  command = plan

  variables {
    zip   = null
    image = { uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hello:latest" }
  }

  expect_failures = [var.image]
}

run "an_empty_command_is_refused" {
  command = plan

  variables {
    zip   = null
    image = { uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hello@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", command = [] }
  }

  expect_failures = [var.image]
}

run "a_relative_working_directory_is_refused" {
  command = plan

  variables {
    zip   = null
    image = { uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hello@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", working_directory = "app" }
  }

  expect_failures = [var.image]
}
