locals {
  newest_version = aws_lambda_function.this.version
  newest_weight  = var.release == null ? 0 : var.release.newest_weight

  # Lambda refuses to weigh a version against itself, as when the newest is the one that is served.
  newest_weights = local.newest_weight == 0 ? {} : {
    for version in [local.newest_version] : version => local.newest_weight if version != var.release.version
  }
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "What callers get."
  function_name    = aws_lambda_function.this.function_name
  function_version = var.release == null ? local.newest_version : var.release.version

  dynamic "routing_config" {
    for_each = length(local.newest_weights) == 0 ? [] : [local.newest_weights]

    content {
      additional_version_weights = routing_config.value
    }
  }
}
