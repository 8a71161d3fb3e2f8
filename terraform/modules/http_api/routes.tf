resource "aws_apigatewayv2_integration" "this" {
  for_each = var.routes

  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = each.value.function.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "this" {
  #checkov:skip=CKV_AWS_309:Routes are for everybody here, bounded by throttling; a function that is not asks for its own key
  for_each = var.routes

  api_id    = aws_apigatewayv2_api.this.id
  route_key = each.key
  target    = "integrations/${aws_apigatewayv2_integration.this[each.key].id}"
}

resource "aws_lambda_permission" "this" {
  for_each = var.routes

  # A route key has characters that a statement id has not.
  statement_id  = "${var.name}-${substr(sha256(each.key), 0, 12)}"
  function_name = each.value.function.name
  qualifier     = each.value.function.alias_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/${local.route_arn_tails[each.key]}"
}

check "integration_timeout" {
  assert {
    condition     = alltrue([for route in values(var.routes) : route.function.timeout_s <= local.integration_timeout_s])
    error_message = "${join(", ", [for key, route in var.routes : "${route.function.name} (${key}, ${route.function.timeout_s} s)" if route.function.timeout_s > local.integration_timeout_s])}: an HTTP API answers 503 after ${local.integration_timeout_s} s, while the function goes on and is paid for. Set its timeout_s to at most ${local.integration_timeout_s}, or give the long work to a queue."
  }
}
