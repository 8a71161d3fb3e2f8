locals {
  route_key = "^(\\$default|(ANY|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT) /\\S*)$"

  # Fixed by AWS: "Amazon API Gateway quotas", HTTP API, integration timeout.
  integration_timeout_s = 30

  # What a permission's source ARN says of a route, after the stage: the method and the path as the
  # route has them, with variables; "*" for any method.
  route_arn_tails = {
    for key in keys(var.routes) : key => replace(replace(key, "/^ANY /", "*"), " ", "")
  }
}
