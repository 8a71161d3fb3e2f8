mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  name = "shop"
  routes = {
    "POST /orders" = {
      function = {
        name       = "shop-orders"
        alias_name = "live"
        invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:123456789012:function:shop-orders:live/invocations"
        timeout_s  = 30
      }
    }
  }
}

run "a_route_invokes_the_alias_and_may_do_so_for_itself_only" {
  assert {
    condition     = aws_apigatewayv2_route.this["POST /orders"].route_key == "POST /orders" && aws_apigatewayv2_route.this["POST /orders"].target == "integrations/${aws_apigatewayv2_integration.this["POST /orders"].id}"
    error_message = "The route must lead to its integration."
  }

  assert {
    condition     = aws_apigatewayv2_integration.this["POST /orders"].integration_uri == var.routes["POST /orders"].function.invoke_arn && aws_apigatewayv2_integration.this["POST /orders"].payload_format_version == "2.0"
    error_message = "The integration must call the alias, with payload format 2.0."
  }

  assert {
    condition     = aws_lambda_permission.this["POST /orders"].function_name == "shop-orders" && aws_lambda_permission.this["POST /orders"].qualifier == "live"
    error_message = "The permission must be for the alias."
  }

  assert {
    condition     = aws_lambda_permission.this["POST /orders"].source_arn == "arn:aws:execute-api:eu-central-1:123456789012:abcdefghij/*/POST/orders" && aws_lambda_permission.this["POST /orders"].principal == "apigateway.amazonaws.com"
    error_message = "The permission must name the route, but has ${aws_lambda_permission.this["POST /orders"].source_arn}."
  }

  # The stage deploys by itself, throttles and logs.
  assert {
    condition     = aws_apigatewayv2_stage.this.name == "$default" && aws_apigatewayv2_stage.this.auto_deploy
    error_message = "Changes must be deployed at once, at the API's root."
  }

  assert {
    condition     = aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit == 20 && aws_apigatewayv2_stage.this.default_route_settings[0].throttling_burst_limit == 40
    error_message = "Without throttling of its own a route must have the modest default."
  }

  assert {
    condition     = length(aws_apigatewayv2_stage.this.route_settings) == 0 && length(aws_apigatewayv2_api.this.cors_configuration) == 0
    error_message = "Nothing must be set that was not asked for."
  }

  assert {
    condition     = aws_apigatewayv2_stage.this.access_log_settings[0].destination_arn == aws_cloudwatch_log_group.access.arn && jsondecode(aws_apigatewayv2_stage.this.access_log_settings[0].format).request_id == "$context.requestId"
    error_message = "Every request must be logged as JSON, with its id."
  }

  assert {
    condition     = !strcontains(aws_apigatewayv2_stage.this.access_log_settings[0].format, "sourceIp")
    error_message = "The log must not hold callers' addresses."
  }

  assert {
    condition     = aws_cloudwatch_log_group.access.name == "/aws/vendedlogs/http-api/shop" && aws_cloudwatch_log_group.access.retention_in_days == 30
    error_message = "The access log must be the API's own, and keep 30 days."
  }

  assert {
    condition     = output.url == "https://abcdefghij.execute-api.eu-central-1.amazonaws.com"
    error_message = "The URL must have no slash at the end."
  }
}

run "every_kind_of_route_has_a_permission_of_its_own" {
  variables {
    routes = {
      for key in ["GET /", "ANY /pets", "GET /pets/{id}", "GET /pets-{id}", "PUT /files/{proxy+}", "$default"] : key => {
        function = {
          name       = "shop-pets"
          alias_name = "live"
          invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:123456789012:function:shop-pets:live/invocations"
          timeout_s  = 1
        }
        throttling = key == "GET /" ? { requests_per_second = 5, burst = 10 } : null
      }
    }
    throttling         = { requests_per_second = 50 }
    log_retention_days = 0
    cors = {
      allow_origins     = ["https://example.com", "http://localhost:3000"]
      allow_credentials = true
      max_age_s         = 86400
    }
  }

  assert {
    condition = { for key, permission in aws_lambda_permission.this : key => trimprefix(permission.source_arn, "arn:aws:execute-api:eu-central-1:123456789012:abcdefghij/*") } == {
      "GET /"               = "/GET/"
      "ANY /pets"           = "/*/pets"
      "GET /pets/{id}"      = "/GET/pets/{id}"
      "GET /pets-{id}"      = "/GET/pets-{id}"
      "PUT /files/{proxy+}" = "/PUT/files/{proxy+}"
      "$default"            = "/$default"
    }
    error_message = "Each permission must name its own route."
  }

  assert {
    condition     = length(distinct(values(aws_lambda_permission.this)[*].statement_id)) == 6
    error_message = "Statement ids must differ, also where route keys differ in punctuation only."
  }

  assert {
    condition     = [for settings in aws_apigatewayv2_stage.this.route_settings : [settings.route_key, settings.throttling_rate_limit, settings.throttling_burst_limit]] == [["GET /", 5, 10]]
    error_message = "A route's own throttling must be set for it alone."
  }

  assert {
    condition     = aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit == 50 && aws_apigatewayv2_stage.this.default_route_settings[0].throttling_burst_limit == 40
    error_message = "What throttling leaves out must have its default."
  }

  assert {
    condition     = aws_apigatewayv2_api.this.cors_configuration[0].allow_origins == toset(["https://example.com", "http://localhost:3000"]) && aws_apigatewayv2_api.this.cors_configuration[0].max_age == 86400
    error_message = "The origins must be allowed."
  }
}

run "a_function_slower_than_the_api_is_said_at_plan" {
  command = plan

  variables {
    routes = {
      "GET /slow" = {
        function = { name = "slow", alias_name = "live", invoke_arn = "arn:aws:slow", timeout_s = 31 }
      }
    }
  }

  expect_failures = [check.integration_timeout]
}

# One run breaks a rule of every variable that has one left.

run "each_variable_refuses_what_breaks_its_first_rule" {
  command = plan

  variables {
    name       = "my shop"
    routes     = {}
    throttling = { burst = 0 }
    cors       = { allow_origins = [] }
  }

  expect_failures = [var.name, var.routes, var.throttling, var.cors]
}

run "each_variable_refuses_what_breaks_its_second_rule" {
  command = plan

  variables {
    routes = {
      "get /orders" = { function = { name = "f", alias_name = "live", invoke_arn = "arn:aws:f", timeout_s = 1 } }
    }
    cors = { allow_origins = ["https://example.com/"] }
  }

  expect_failures = [var.routes, var.cors]
}

run "each_variable_refuses_what_breaks_its_third_rule" {
  command = plan

  variables {
    routes = {
      "GET /{proxy+}/orders" = { function = { name = "f", alias_name = "live", invoke_arn = "arn:aws:f", timeout_s = 1 } }
    }
    cors = { allow_origins = ["*"], allow_credentials = true }
  }

  expect_failures = [var.routes, var.cors]
}

run "each_variable_refuses_what_breaks_its_fourth_rule" {
  command = plan

  variables {
    routes = {
      "GET /orders" = {
        function   = { name = "f", alias_name = "live", invoke_arn = "arn:aws:f", timeout_s = 1 }
        throttling = { requests_per_second = 0, burst = 1 }
      }
    }
    cors = { allow_origins = ["*"], max_age_s = 86401 }
  }

  expect_failures = [var.routes, var.cors]
}
