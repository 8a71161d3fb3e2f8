mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  name = "shop"
  functions = {
    orders = { name = "shop-orders", alias_name = "live", version = "7", timeout_s = 20 }
  }
  apis = { shop = "abcdefghij" }
}

run "callers_are_watched_by_the_alias" {
  assert {
    condition = alltrue([
      for alarm in [aws_cloudwatch_metric_alarm.errors["orders"], aws_cloudwatch_metric_alarm.throttles["orders"], aws_cloudwatch_metric_alarm.duration["orders"]] :
      alarm.dimensions == tomap({ FunctionName = "shop-orders", Resource = "shop-orders:live" }) && alarm.treat_missing_data == "notBreaching" && alarm.alarm_actions == toset([aws_sns_topic.this.arn])
    ])
    error_message = "Errors, throttles and duration must be the alias's, quiet without requests, and told to the topic."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.new_version["orders"].dimensions == tomap({ FunctionName = "shop-orders", Resource = "shop-orders:live", ExecutedVersion = "7" }) && aws_cloudwatch_metric_alarm.new_version["orders"].threshold == 1
    error_message = "One failure of the newest version, called by the alias, must ring."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.duration["orders"].threshold == 18000 && aws_cloudwatch_metric_alarm.duration["orders"].extended_statistic == "p99"
    error_message = "Nine tenths of the timeout are 18,000 ms."
  }

  assert {
    condition     = [for query in aws_cloudwatch_metric_alarm.api_5xx["shop"].metric_query : query.metric[0].dimensions.ApiId if query.id != "percent"] == ["abcdefghij", "abcdefghij"] && aws_cloudwatch_metric_alarm.api_5xx["shop"].threshold == 5
    error_message = "Errors and requests must be the API's."
  }

  assert {
    condition = output.function_alarms == {
      orders = ["shop-orders-duration", "shop-orders-errors", "shop-orders-new-version-errors", "shop-orders-throttles"]
    } && output.api_alarms == { shop = ["shop-shop-5xx"] }
    error_message = "The alarms must be told by name."
  }

  assert {
    condition     = length(aws_sns_topic_subscription.email) == 0 && length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == 4
    error_message = "Nobody is written to unasked; the dashboard has two widgets for each API and function."
  }
}

run "addresses_and_thresholds_are_taken" {
  command = plan

  variables {
    emails     = ["team@example.com"]
    thresholds = { errors = 20, throttles = 5, duration_percent = 100, api_5xx_percent = 0.5 }
  }

  assert {
    condition     = aws_sns_topic_subscription.email["team@example.com"].protocol == "email" && aws_cloudwatch_metric_alarm.errors["orders"].threshold == 20 && aws_cloudwatch_metric_alarm.new_version["orders"].threshold == 1
    error_message = "The threshold is the function's; of the newest version one failure is enough."
  }
}

run "each_variable_refuses_what_breaks_its_first_rule" {
  command = plan

  variables {
    name       = "my shop"
    emails     = ["team"]
    thresholds = { errors = 0 }
  }

  expect_failures = [var.name, var.emails, var.thresholds]
}

run "parts_of_more_than_the_whole_are_refused" {
  command = plan

  variables {
    thresholds = { duration_percent = 101 }
  }

  expect_failures = [var.thresholds]
}
