# Terraform shows nothing of what a successful program writes to stderr.
check "build" {
  assert {
    condition     = data.external.build.result.warnings == ""
    error_message = "The build of ${local.package_name} says:\n${data.external.build.result.warnings}"
  }
}

module "runtime_support" {
  source = "../function/runtime_support"

  runtime      = var.runtime
  package_type = "Zip"
  now          = plantimestamp()
}

check "runtime" {
  assert {
    condition     = module.runtime_support.warning == ""
    error_message = "${var.name}: ${module.runtime_support.warning}"
  }
}
