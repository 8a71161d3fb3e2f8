# terraform apply -var-file=environments/dev.tfvars
environment        = "dev"
log_level          = "DEBUG"
log_retention_days = 7
