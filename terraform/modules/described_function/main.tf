locals {
  # What the build script reads too.
  described = jsondecode(file("${var.folder}/function.json"))
  carried   = lookup(local.described, "dependencies", "zip")

  package = {
    name            = basename(var.folder)
    source          = var.folder
    requirements    = lookup(local.described, "requirements", "requirements.txt")
    output_dir      = var.output_dir
    provided        = lookup(local.described, "provided", [])
    build_in_docker = lookup(local.described, "build_in_docker", false)
  }
}

# One of the two. What has no value has the default of the module that it is passed to.
module "zip" {
  source = "../zip_function"
  count  = local.carried == "zip" ? 1 : 0

  name        = var.name
  description = lookup(local.described, "description", null)
  package     = local.package

  runtime      = lookup(local.described, "runtime", null)
  architecture = lookup(local.described, "architecture", null)
  handler      = lookup(local.described, "handler", null)

  compute              = var.compute
  environment          = var.environment
  permissions          = var.permissions
  permissions_boundary = var.permissions_boundary
  tracing              = var.tracing
  log_retention_days   = var.log_retention_days
  release              = var.release
}

module "image" {
  source = "../container_function"
  count  = local.carried == "image" ? 1 : 0

  name        = var.name
  description = lookup(local.described, "description", null)
  package = merge(local.package, {
    base_image = var.base_image == null ? lookup(local.described, "base_image", "") : var.base_image
  })
  image_uri = var.image_uri

  runtime      = lookup(local.described, "runtime", null)
  architecture = lookup(local.described, "architecture", null)
  handler      = lookup(local.described, "handler", null)

  compute              = var.compute
  environment          = var.environment
  permissions          = var.permissions
  permissions_boundary = var.permissions_boundary
  tracing              = var.tracing
  log_retention_days   = var.log_retention_days
  release              = var.release
}
