# What a function is, and how its packages are carried, is said in function.json in its folder.

module "chat" {
  source = "./modules/described_function"

  name       = "${local.project_name}-chat"
  folder     = "${local.backend_dir}/chat"
  output_dir = local.packages_dir

  # Where function.json says image.
  base_image = var.chat_base_image
  image_uri  = var.chat_image_uri

  compute = {
    memory_mb = var.chat_lambda_memory
    timeout_s = var.lambda_timeout
  }

  environment = {
    BEDROCK_MODEL_ID = var.chat_model_id
    LOG_LEVEL        = var.log_level
  }

  permissions          = local.model_permissions
  permissions_boundary = local.permissions_boundary
  tracing              = var.tracing
  log_retention_days   = var.log_retention_days
  release              = lookup(var.release, "chat", null)
}

module "inference" {
  source = "./modules/described_function"

  name       = "${local.project_name}-inference"
  folder     = "${local.backend_dir}/inference"
  output_dir = local.packages_dir

  base_image = var.inference_base_image
  image_uri  = var.inference_image_uri

  compute = {
    memory_mb = var.inference_lambda_memory
    timeout_s = var.lambda_timeout
  }

  environment = {
    LOG_LEVEL = var.log_level
  }

  permissions_boundary = local.permissions_boundary
  tracing              = var.tracing
  log_retention_days   = var.log_retention_days
  release              = lookup(var.release, "inference", null)
}
