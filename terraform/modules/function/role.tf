locals {
  log_statement = {
    Logs = {
      actions    = ["logs:CreateLogStream", "logs:PutLogEvents"]
      resources  = ["${aws_cloudwatch_log_group.this.arn}:*"]
      conditions = []
    }
  }

  # Lambda itself makes the network interfaces, with the function's role, before they have a name:
  # the Lambda developer guide, "Giving Lambda functions access to resources in a VPC", asks for
  # these on every resource.
  network_statement = var.network == null ? {} : {
    Network = {
      actions = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
      ]
      resources  = ["*"]
      conditions = []
    }
  }

  # X-Ray has no resource to name for these two: Service Authorization Reference, "AWS X-Ray".
  tracing_statement = var.tracing != "Active" ? {} : {
    Tracing = {
      actions    = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      resources  = ["*"]
      conditions = []
    }
  }

  dead_letter_statement = var.dead_letter == null ? {} : {
    DeadLetter = {
      actions    = [split(":", var.dead_letter.arn)[2] == "sqs" ? "sqs:SendMessage" : "sns:Publish"]
      resources  = [var.dead_letter.arn]
      conditions = []
    }
  }

  statements = merge(
    local.log_statement,
    local.network_statement,
    local.tracing_statement,
    local.dead_letter_statement,
    var.permissions,
  )
}

resource "aws_iam_role" "this" {
  name        = var.name
  description = "What the function ${var.name} may do."

  permissions_boundary = var.permissions_boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = var.name
  role = aws_iam_role.this.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for name, statement in local.statements : merge(
      {
        Sid      = name
        Effect   = "Allow"
        Action   = statement.actions
        Resource = statement.resources
      },
      length(statement.conditions) == 0 ? {} : {
        Condition = {
          for test in distinct(statement.conditions[*].test) : test => {
            for condition in statement.conditions : condition.variable => condition.values
            if condition.test == test
          }
        }
      },
    )]
  })
}
