locals {
  # AWS Lambda developer guide, "Types of metrics for Lambda functions". What callers get is the
  # alias; by the function's name alone, requests past it would count, too, such as a release's checks.
  alias_dimensions = {
    for key, function in var.functions : key => {
      FunctionName = function.name
      Resource     = "${function.name}:${function.alias_name}"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  for_each = var.functions

  alarm_name        = "${each.value.name}-errors"
  alarm_description = "${each.value.name} failed. Its log says how."

  namespace   = "AWS/Lambda"
  metric_name = "Errors"
  dimensions  = local.alias_dimensions[each.key]
  statistic   = "Sum"
  period      = 60

  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = var.thresholds.errors
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"

  alarm_actions = [aws_sns_topic.this.arn]
  ok_actions    = [aws_sns_topic.this.arn]
}

# Of the newest version alone, and at the first failure: while it has a tenth of the requests, what
# is wrong with it is a tenth of what the other alarm counts.
resource "aws_cloudwatch_metric_alarm" "new_version" {
  for_each = var.functions

  alarm_name        = "${each.value.name}-new-version-errors"
  alarm_description = "Version ${each.value.version} of ${each.value.name}, the newest, failed while it had a share of the requests."

  namespace   = "AWS/Lambda"
  metric_name = "Errors"
  # By the version's own name there is nothing when it is called by an alias.
  dimensions = merge(local.alias_dimensions[each.key], { ExecutedVersion = each.value.version })
  statistic  = "Sum"
  period     = 60

  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"

  alarm_actions = [aws_sns_topic.this.arn]
  ok_actions    = [aws_sns_topic.this.arn]
}

resource "aws_cloudwatch_metric_alarm" "throttles" {
  for_each = var.functions

  alarm_name        = "${each.value.name}-throttles"
  alarm_description = "${each.value.name} was refused: too many of it, or of the account's functions, ran at once."

  namespace   = "AWS/Lambda"
  metric_name = "Throttles"
  dimensions  = local.alias_dimensions[each.key]
  statistic   = "Sum"
  period      = 60

  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = var.thresholds.throttles
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"

  alarm_actions = [aws_sns_topic.this.arn]
  ok_actions    = [aws_sns_topic.this.arn]
}

resource "aws_cloudwatch_metric_alarm" "duration" {
  for_each = var.functions

  alarm_name        = "${each.value.name}-duration"
  alarm_description = "${each.value.name} takes nearly its timeout of ${each.value.timeout_s} s."

  namespace          = "AWS/Lambda"
  metric_name        = "Duration"
  dimensions         = local.alias_dimensions[each.key]
  extended_statistic = "p99"
  period             = 60

  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.timeout_s * 1000 * var.thresholds.duration_percent / 100 # ms
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"

  alarm_actions = [aws_sns_topic.this.arn]
  ok_actions    = [aws_sns_topic.this.arn]
}
