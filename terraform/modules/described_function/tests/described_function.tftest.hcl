# What each kind of function is made of is tested in its module: here, that the word decides.

mock_provider "aws" {
  source          = "../../tests/mocks"
  override_during = plan
}

mock_provider "external" {
  source = "../../tests/mocks"
}

mock_provider "archive" {}

override_module {
  target = module.zip
  outputs = {
    function = { name = "hello", runtime = "python3.11" }
    package  = { path = "lambda_packages/zip_function.zip", digest = "ZGlnZXN0", lock = "" }
  }
}

override_module {
  target = module.image
  outputs = {
    function = { name = "hello", runtime = null }
    package = {
      uri            = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hello@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
      repository_url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hello"
      digest         = "ZGlnZXN0"
      tag            = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"
      lock           = ""
    }
  }
}

variables {
  name   = "hello"
  folder = "tests/zip"
}

run "without_a_word_it_is_a_zip" {
  command = plan

  assert {
    condition     = length(module.zip) == 1 && length(module.image) == 0
    error_message = "One function must be made, as a ZIP."
  }

  assert {
    condition     = output.function.name == "hello" && output.function.runtime == "python3.11" && output.package.path == "lambda_packages/zip_function.zip" && output.package.uri == null
    error_message = "The outputs must be the ZIP function's."
  }

  assert {
    condition     = local.package == { name = "zip", source = "tests/zip", requirements = "requirements.txt", output_dir = "lambda_packages", provided = [], build_in_docker = false }
    error_message = "The package must be called as its folder."
  }
}

run "by_one_word_it_is_an_image" {
  command = plan

  variables {
    folder = "tests/image"
  }

  assert {
    condition     = length(module.zip) == 0 && length(module.image) == 1
    error_message = "One function must be made, as an image."
  }

  assert {
    condition     = output.function.name == "hello" && output.function.runtime == null && output.package.path == null && strcontains(output.package.uri, "@sha256:") && output.package.tag != null
    error_message = "The outputs must be the container function's."
  }
}

run "an_image_from_elsewhere_is_for_an_image" {
  command = plan

  variables {
    image_uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hello@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
  }

  expect_failures = [var.image_uri]
}

run "an_image_from_elsewhere_is_taken" {
  command = plan

  variables {
    folder    = "tests/image"
    image_uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hello@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
  }

  assert {
    condition     = length(module.image) == 1
    error_message = "It must be deployed."
  }
}

run "another_word_is_refused" {
  command = plan

  variables {
    folder = "tests/layer"
  }

  expect_failures = [var.folder]
}
