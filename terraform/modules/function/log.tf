# Made before the function, or Lambda makes one that keeps everything for ever.
resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:Encrypted with CloudWatch's key; a key of one's own costs every month, and whoever may read could use it
  #checkov:skip=CKV_AWS_338:How long a log is kept is the caller's to say: log_retention_days
  name = "/aws/lambda/${var.name}"
  # The provider refuses, at plan, what CloudWatch does not offer.
  retention_in_days = var.log_retention_days
}
