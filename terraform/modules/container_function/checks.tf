# Terraform shows nothing of what a successful program writes to stderr.
check "build" {
  assert {
    condition     = alltrue([for build in data.external.build : build.result.warnings == ""])
    error_message = "The build of ${local.package_name} says:\n${join("\n", data.external.build[*].result.warnings)}"
  }
}

module "runtime_support" {
  source = "../function/runtime_support"

  runtime      = var.runtime
  package_type = "Image"
  now          = plantimestamp()
}

# Of another base, or of an image from outside, only its maker knows how long it is kept up.
check "runtime" {
  assert {
    condition     = module.runtime_support.warning == "" || !anytrue([for build in data.external.build : startswith(build.result.base_image, "public.ecr.aws/lambda/")])
    error_message = "${var.name}: ${module.runtime_support.warning}"
  }
}
