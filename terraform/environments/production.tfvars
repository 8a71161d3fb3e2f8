# terraform apply -var-file=environments/production.tfvars
environment        = "production"
log_retention_days = 90
tracing            = "Active"

api_throttling = {
  requests_per_second = 100
  burst               = 200
}

# Which version is live is a decision of its own: set it, and no apply changes it.
#   chat_release = { version = "7", newest_weight = 0.1 }
