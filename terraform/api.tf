module "api" {
  source = "./modules/http_api"

  name        = local.project_name
  description = "HTTP API of ${local.project_name}."

  routes = {
    "POST /chat"       = { function = module.chat.function }
    "GET /chat/health" = { function = module.chat.function }

    # Routes are exact, and people write the slash.
    "POST /inference"       = { function = module.inference.function }
    "POST /inference/"      = { function = module.inference.function }
    "GET /inference/health" = { function = module.inference.function }
    "GET /inference/model"  = { function = module.inference.function }
  }

  throttling         = var.api_throttling
  cors               = var.api_cors
  log_retention_days = var.log_retention_days
}
