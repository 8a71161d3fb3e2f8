locals {
  # Not the folder's name: several functions of a root may each lie in a folder src.
  package_name = coalesce(var.package.name, var.name)
  zip_path     = "${var.package.output_dir}/${local.package_name}_function.zip"

  # Lambda quotas: 50 MB for a direct upload, counted in units of 1,024 × 1,024 bytes.
  megabyte_bytes  = 1024 * 1024
  upload_limit_mb = 50

  is_archived = data.external.build.result.archive != ""

  # The path is that of both ways, so a package that crosses the border between them plans nothing.
  zip = local.is_archived ? {
    sha256 = data.external.build.result.archive_sha256
    bytes  = tonumber(data.external.build.result.archive_bytes)
    } : {
    sha256 = data.archive_file.this[0].output_base64sha256
    bytes  = data.archive_file.this[0].output_size
  }
}

# Stages code and dependencies in a folder of their own, or makes a large package's ZIP. Runs at
# plan, and does next to nothing when nothing has changed; nothing unknown may reach `query`, or it
# would run at apply.
data "external" "build" {
  # A file of the standard library only: it finds the project's environment, or brings one.
  program = ["python3", "${path.module}/../../../scripts/run_lambda_build.py", "terraform"]

  query = {
    name                = local.package_name
    source              = var.package.source
    requirements        = var.package.requirements
    runtime             = var.runtime
    architecture        = var.architecture
    handler             = var.handler
    output_dir          = var.package.output_dir
    provided            = jsonencode(var.package.provided)
    build_in_docker     = var.package.build_in_docker
    archive_above_bytes = floor(var.package.archive_above_mb * local.megabyte_bytes)
  }
}

# It zips anew at every plan and apply, which is why large packages come as a ZIP.
data "archive_file" "this" {
  count = local.is_archived ? 0 : 1

  type        = "zip"
  source_dir  = data.external.build.result.source_dir
  output_path = local.zip_path
}

module "function" {
  source = "../function"

  name         = var.name
  description  = var.description
  architecture = var.architecture

  zip = {
    path    = local.zip_path
    sha256  = local.zip.sha256
    bucket  = var.package.bucket
    digest  = data.external.build.result.digest
    runtime = var.runtime
    handler = var.handler
    layers  = var.layers
  }

  compute              = var.compute
  environment          = var.environment
  permissions          = var.permissions
  permissions_boundary = var.permissions_boundary
  network              = var.network
  tracing              = var.tracing
  log_retention_days   = var.log_retention_days
  dead_letter          = var.dead_letter
  release              = var.release
}
