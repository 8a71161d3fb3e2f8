data "aws_region" "this" {}

locals {
  function_widgets = flatten([
    for key, function in var.functions : [
      {
        title = "${function.name}: requests"
        metrics = [
          for metric in ["Invocations", "Errors", "Throttles"] :
          concat(["AWS/Lambda", metric], flatten([for name, value in local.alias_dimensions[key] : [name, value]]), [{ stat = "Sum" }])
        ]
      },
      {
        title = "${function.name}: duration in ms, of ${function.timeout_s * 1000}"
        metrics = [
          for stat in ["p50", "p99", "Maximum"] :
          concat(["AWS/Lambda", "Duration"], flatten([for name, value in local.alias_dimensions[key] : [name, value]]), [{ stat = stat, label = stat }])
        ]
      },
    ]
  ])

  api_widgets = flatten([
    for key, id in var.apis : [
      {
        title   = "${key}: requests"
        metrics = [for metric in ["Count", "4xx", "5xx"] : ["AWS/ApiGateway", metric, "ApiId", id, { stat = "Sum" }]]
      },
      {
        title   = "${key}: latency in ms"
        metrics = [for stat in ["p50", "p99"] : ["AWS/ApiGateway", "Latency", "ApiId", id, { stat = stat, label = stat }]]
      },
    ]
  ])
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [
      for number, widget in concat(local.api_widgets, local.function_widgets) : {
        type   = "metric"
        x      = number % 2 * 12
        y      = floor(number / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = widget.title
          metrics = widget.metrics
          region  = data.aws_region.this.name
          period  = 60
          view    = "timeSeries"
        }
      }
    ]
  })
}
