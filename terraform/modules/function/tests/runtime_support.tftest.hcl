# How near a runtime's end is, on chosen days. No provider is needed.

variables {
  package_type = "Zip"
}

run "a_runtime_far_from_its_end_is_not_spoken_of" {
  module {
    source = "./runtime_support"
  }

  variables {
    runtime = "python3.11"
    now     = "2026-12-31T23:59:59Z"
  }

  assert {
    condition     = output.warning == ""
    error_message = "181 days before nothing must be said, but it was: ${output.warning}"
  }
}

run "a_runtime_within_180_days_of_its_end_is_told_with_the_date_and_the_next" {
  module {
    source = "./runtime_support"
  }

  variables {
    runtime = "python3.11"
    now     = "2027-01-01T00:00:00Z"
  }

  assert {
    condition     = strcontains(output.warning, "will be deprecated on 2027-06-30") && strcontains(output.warning, "Move to python3.12")
    error_message = "The warning must have the date and the next runtime, but is: ${output.warning}"
  }
}

run "a_deprecated_runtime_is_told_so" {
  module {
    source = "./runtime_support"
  }

  variables {
    runtime = "python3.11"
    now     = "2027-06-30T00:00:00Z"
  }

  assert {
    condition     = strcontains(output.warning, "is deprecated since 2027-06-30") && strcontains(output.warning, "AWS stops creating functions")
    error_message = "The warning must say since when, and what comes, but is: ${output.warning}"
  }
}

# AWS goes on taking images, whatever they are made of.
run "an_image_on_a_deprecated_base_is_told_so" {
  module {
    source = "./runtime_support"
  }

  variables {
    runtime      = "python3.11"
    package_type = "Image"
    now          = "2027-06-30T00:00:00Z"
  }

  assert {
    condition     = startswith(output.warning, "AWS's base image of python3.11 is deprecated since 2027-06-30") && !strcontains(output.warning, "creating functions")
    error_message = "The warning must be of the base image, but is: ${output.warning}"
  }
}

run "the_newest_runtime_has_no_next_one_to_name" {
  module {
    source = "./runtime_support"
  }

  variables {
    runtime = "python3.14"
    now     = "2029-06-29T00:00:00Z"
  }

  assert {
    condition     = strcontains(output.warning, "Move to a newer runtime")
    error_message = "The warning must still advise, but is: ${output.warning}"
  }
}

run "a_runtime_that_is_not_built_for_is_refused" {
  command = plan

  module {
    source = "./runtime_support"
  }

  variables {
    runtime = "python3.10"
    now     = "2026-11-21T00:00:00Z"
  }

  expect_failures = [var.runtime]
}

run "a_package_type_that_lambda_has_not_is_refused" {
  command = plan

  module {
    source = "./runtime_support"
  }

  variables {
    runtime      = "python3.11"
    package_type = "zip"
    now          = "2026-11-21T00:00:00Z"
  }

  expect_failures = [var.package_type]
}
