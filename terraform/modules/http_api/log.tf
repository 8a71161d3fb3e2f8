locals {
  # API Gateway developer guide, "Customize HTTP API access logs". Neither addresses of callers nor
  # what they send; the request id leads from here to the function's log.
  access_log = {
    request_id         = "$context.requestId"
    time               = "$context.requestTime"
    method             = "$context.httpMethod"
    path               = "$context.path"
    route              = "$context.routeKey"
    status             = "$context.status"
    latency_ms         = "$context.responseLatency"
    integration_ms     = "$context.integrationLatency"
    integration_status = "$context.integrationStatus"
    response_bytes     = "$context.responseLength"
    error              = "$context.error.message"
    integration_error  = "$context.integrationErrorMessage"
  }
}

# Under /aws/vendedlogs/ AWS needs no line in the account's log resource policy, which holds only
# 5,120 characters.
resource "aws_cloudwatch_log_group" "access" {
  #checkov:skip=CKV_AWS_158:Encrypted with CloudWatch's key; a key of one's own costs every month, and whoever may read could use it
  #checkov:skip=CKV_AWS_338:How long a log is kept is the caller's to say: log_retention_days
  name = "/aws/vendedlogs/http-api/${var.name}"
  # The provider refuses, at plan, what CloudWatch does not offer.
  retention_in_days = var.log_retention_days
}
