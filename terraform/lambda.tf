locals {
  # What the build script reads too.
  chat = jsondecode(file("${local.backend_dir}/chat/function.json"))
}

module "chat" {
  source = "./modules/zip_function"

  name        = "${local.project_name}-chat"
  description = local.chat.description

  package = {
    name         = "chat"
    source       = "${local.backend_dir}/chat"
    requirements = lookup(local.chat, "requirements", "requirements.txt")
    output_dir   = local.packages_dir
    provided     = lookup(local.chat, "provided", [])
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

  permissions        = local.model_permissions
  tracing            = var.tracing
  log_retention_days = var.log_retention_days
  release            = var.chat_release
}
