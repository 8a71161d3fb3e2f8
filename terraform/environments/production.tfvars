# terraform apply -var-file=environments/production.tfvars
environment        = "production"
log_retention_days = 90
tracing            = "Active"

api_throttling = {
  requests_per_second = 100
  burst               = 200
}

# Which versions are live is a decision of its own: a deployment and, after a bootstrap, `make apply` leave
# it, by `lambda-release pin`. An apply with this file alone moves every alias to its newest version.
