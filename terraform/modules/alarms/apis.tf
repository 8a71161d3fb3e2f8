# Functions that catch their errors answer 500 and do not fail: only the API counts these.
resource "aws_cloudwatch_metric_alarm" "api_5xx" {
  for_each = var.apis

  alarm_name        = "${var.name}-${each.key}-5xx"
  alarm_description = "The HTTP API ${each.key} of ${var.name} answers with errors of the server. Its access log says which route."

  metric_query {
    id          = "percent"
    label       = "5xx in percent of all requests"
    expression  = "100 * errors / requests"
    return_data = true
  }

  # API Gateway developer guide, "Monitor CloudWatch metrics for HTTP APIs".
  metric_query {
    id = "errors"

    metric {
      namespace   = "AWS/ApiGateway"
      metric_name = "5xx"
      dimensions  = { ApiId = each.value }
      stat        = "Sum"
      period      = 60
    }
  }

  metric_query {
    id = "requests"

    metric {
      namespace   = "AWS/ApiGateway"
      metric_name = "Count"
      dimensions  = { ApiId = each.value }
      stat        = "Sum"
      period      = 60
    }
  }

  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = var.thresholds.api_5xx_percent
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"

  alarm_actions = [aws_sns_topic.this.arn]
  ok_actions    = [aws_sns_topic.this.arn]
}
