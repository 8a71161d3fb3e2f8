resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "What callers get."
  function_name    = aws_lambda_function.this.function_name
  function_version = var.release == null ? aws_lambda_function.this.version : var.release.version

  # An empty block is a difference in every plan.
  dynamic "routing_config" {
    for_each = [for release in var.release[*] : release.additional_version_weights if length(release.additional_version_weights) > 0]

    content {
      additional_version_weights = routing_config.value
    }
  }

  lifecycle {
    # Whoever moves the alias outside of Terraform says there what it did: scripts/lambda_release.
    ignore_changes = [description]
  }
}
