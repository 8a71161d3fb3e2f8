output "function_alarms" {
  description = "Names of each function's alarms, by the function's name in `functions`."
  value = {
    for key in keys(var.functions) : key => [
      aws_cloudwatch_metric_alarm.duration[key].alarm_name,
      aws_cloudwatch_metric_alarm.errors[key].alarm_name,
      aws_cloudwatch_metric_alarm.new_version[key].alarm_name,
      aws_cloudwatch_metric_alarm.throttles[key].alarm_name,
    ]
  }
}

output "api_alarms" {
  description = "Names of each API's alarms, by the API's name in `apis`."
  value       = { for key in keys(var.apis) : key => [aws_cloudwatch_metric_alarm.api_5xx[key].alarm_name] }
}

output "topic_arn" {
  description = "The topic that alarms are published to, for other subscribers than e-mail."
  value       = aws_sns_topic.this.arn
}
