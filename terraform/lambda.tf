locals {
  # What the build script reads too.
  chat      = jsondecode(file("${local.backend_dir}/chat/function.json"))
  inference = jsondecode(file("${local.backend_dir}/inference/function.json"))
}

module "chat" {
  source = "./modules/zip_function"

  name        = "${local.project_name}-chat"
  description = local.chat.description

  package = {
    name            = "chat"
    source          = "${local.backend_dir}/chat"
    requirements    = lookup(local.chat, "requirements", "requirements.txt")
    output_dir      = local.packages_dir
    provided        = lookup(local.chat, "provided", [])
    build_in_docker = lookup(local.chat, "build_in_docker", false)
  }

  runtime      = local.chat.runtime
  architecture = local.chat.architecture
  handler      = local.chat.handler

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
  source = "./modules/container_function"

  name        = "${local.project_name}-inference"
  description = local.inference.description

  package = {
    name            = "inference"
    source          = "${local.backend_dir}/inference"
    requirements    = lookup(local.inference, "requirements", "requirements.txt")
    base_image      = var.inference_base_image == null ? lookup(local.inference, "base_image", "") : var.inference_base_image
    output_dir      = local.packages_dir
    provided        = lookup(local.inference, "provided", [])
    build_in_docker = lookup(local.inference, "build_in_docker", false)
  }

  # In place of a build.
  image_uri = var.inference_image_uri

  runtime      = local.inference.runtime
  architecture = local.inference.architecture
  handler      = local.inference.handler

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
