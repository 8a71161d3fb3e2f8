locals {
  # Not the folder's name: several functions of a root may each lie in a folder src.
  package_name = coalesce(var.package.name, var.name)
  zip_path     = "${var.package.output_dir}/${local.package_name}_function.zip"

  # Lambda quotas: 50 MB for a direct upload, counted in units of 1,024 × 1,024 bytes.
  upload_limit_bytes = 50 * 1024 * 1024
}

# Stages code and dependencies in a folder of their own. Runs at plan, and does next to nothing
# when nothing has changed; nothing unknown may reach `query`, or it would run at apply.
data "external" "build" {
  # A file of the standard library only: it finds the project's environment, or brings one.
  program = ["python3", "${path.module}/../../../scripts/run_lambda_build.py", "terraform"]

  query = {
    name         = local.package_name
    source       = var.package.source
    requirements = var.package.requirements
    runtime      = var.runtime
    architecture = var.architecture
    handler      = var.handler
    output_dir   = var.package.output_dir
  }
}

data "archive_file" "this" {
  type        = "zip"
  source_dir  = data.external.build.result.source_dir
  output_path = local.zip_path

  lifecycle {
    postcondition {
      condition     = self.output_size <= local.upload_limit_bytes
      error_message = "${local.zip_path} has ${ceil(self.output_size / 1024 / 1024)} MB, and Lambda takes 50 MB by direct upload. Leave out what the function does not need: files by .lambdaignore in ${var.package.source}, packages in ${var.package.requirements}."
    }
  }
}

module "function" {
  source = "../function"

  name         = var.name
  description  = var.description
  architecture = var.architecture

  zip = {
    path    = data.archive_file.this.output_path
    sha256  = data.archive_file.this.output_base64sha256
    digest  = data.external.build.result.digest
    runtime = var.runtime
    handler = var.handler
    layers  = var.layers
  }

  compute            = var.compute
  environment        = var.environment
  permissions        = var.permissions
  network            = var.network
  tracing            = var.tracing
  log_retention_days = var.log_retention_days
  dead_letter        = var.dead_letter
  release            = var.release
}
