# terraform apply -var-file=environments/staging.tfvars
environment        = "staging"
log_retention_days = 14
