# Made before the function, or Lambda makes one that keeps everything for ever.
resource "aws_cloudwatch_log_group" "this" {
  name = "/aws/lambda/${var.name}"
  # The provider refuses, at plan, what CloudWatch does not offer.
  retention_in_days = var.log_retention_days
}
