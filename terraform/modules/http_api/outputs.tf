output "url" {
  description = "Where the API answers, without a slash at the end."
  value       = aws_apigatewayv2_api.this.api_endpoint

  # It answers once there is a stage that may invoke the functions.
  depends_on = [aws_apigatewayv2_stage.this, aws_lambda_permission.this]
}

output "id" {
  description = "The API's id."
  value       = aws_apigatewayv2_api.this.id
}

output "execution_arn" {
  description = "ARN of the API in permissions; a request's is `<execution_arn>/<stage>/<method><path>`."
  value       = aws_apigatewayv2_api.this.execution_arn
}

output "log_group_name" {
  description = "Log group of the access log."
  value       = aws_cloudwatch_log_group.access.name
}
