# What an image is made of decides at plan whether one is built at apply: image.tf. Where it goes:
# repository.tf.
module "function" {
  source = "../function"

  name         = var.name
  description  = var.description
  architecture = var.architecture

  image = {
    uri               = local.is_built ? data.aws_ecr_image.pushed[0].image_uri : var.image_uri
    entry_point       = one(var.image_config[*].entry_point)
    command           = one(var.image_config[*].command)
    working_directory = one(var.image_config[*].working_directory)
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
