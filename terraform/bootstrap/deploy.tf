# Deploys one environment: makes, changes and removes what the stack consists of, by the environment's
# prefix, and releases it. Managed policies, because a role holds 10,240 characters of its own.
resource "aws_iam_role" "deploy" {
  for_each = var.environments

  name               = "${var.project_name}-deploy-${each.key}"
  path               = local.path
  description        = "Deploys ${local.prefixes[each.key]} in GitHub Actions of ${var.repository}."
  assume_role_policy = local.trust[each.key]
}

resource "aws_iam_policy" "deploy" {
  for_each = local.deploy_policies

  name        = "${var.project_name}-deploy-${each.key}"
  path        = local.path
  description = each.value.description

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = each.value.statements
  })
}

resource "aws_iam_role_policy_attachment" "deploy" {
  for_each = local.deploy_policies

  role       = aws_iam_role.deploy[each.value.environment].name
  policy_arn = aws_iam_policy.deploy[each.key].arn
}

locals {
  deploy_policies = merge([
    for name, prefix in local.prefixes : {
      "${name}-read" = {
        environment = name
        description = "Read what a plan of ${prefix} reads, and keep its state."
        statements  = concat(local.read_statements[name], local.state_statements[name])
      }
      "${name}-functions" = {
        environment = name
        description = "Change the functions of ${prefix}, their code, roles and logs."
        statements  = local.function_statements[name]
      }
      "${name}-triggers" = {
        environment = name
        description = "Change what calls, watches and feeds the functions of ${prefix}."
        statements  = local.trigger_statements[name]
      }
    }
  ]...)

  state_statements = {
    for name, key in local.state_keys : name => [
      {
        Sid      = "State"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = ["${aws_s3_bucket.state.arn}/${key}"]
      },
      {
        # S3 native locking: `use_lockfile` in the backend.
        Sid      = "StateLock"
        Effect   = "Allow"
        Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource = ["${aws_s3_bucket.state.arn}/${key}.tflock"]
      },
      {
        Sid      = "StateKeys"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [aws_s3_bucket.state.arn]
      },
    ]
  }

  function_statements = {
    for name, prefix in local.prefixes : name => [
      {
        Sid    = "Functions"
        Effect = "Allow"
        Action = [
          "lambda:AddPermission",
          "lambda:CreateAlias",
          "lambda:CreateFunction",
          "lambda:DeleteAlias",
          "lambda:DeleteFunction",
          "lambda:DeleteFunctionConcurrency",
          "lambda:DeleteFunctionEventInvokeConfig",
          # A new version is asked whether it works before it gets requests.
          "lambda:InvokeFunction",
          "lambda:PublishVersion",
          "lambda:PutFunctionConcurrency",
          "lambda:PutFunctionEventInvokeConfig",
          "lambda:RemovePermission",
          "lambda:TagResource",
          "lambda:UntagResource",
          "lambda:UpdateAlias",
          "lambda:UpdateFunctionCode",
          "lambda:UpdateFunctionConfiguration",
          "lambda:UpdateFunctionEventInvokeConfig",
        ]
        Resource = ["${local.lambda_arn}:function:${prefix}-*"]
      },
      {
        Sid      = "Layers"
        Effect   = "Allow"
        Action   = ["lambda:DeleteLayerVersion", "lambda:PublishLayerVersion"]
        Resource = ["${local.lambda_arn}:layer:${prefix}-*"]
      },
      {
        # Their ids are random; the function is what they are told by.
        Sid    = "EventSourceMappings"
        Effect = "Allow"
        Action = [
          "lambda:CreateEventSourceMapping",
          "lambda:DeleteEventSourceMapping",
          "lambda:UpdateEventSourceMapping",
        ]
        Resource  = ["*"]
        Condition = { ArnLike = { "lambda:FunctionArn" = "${local.lambda_arn}:function:${prefix}-*" } }
      },
      {
        Sid      = "EventSourceMappingTags"
        Effect   = "Allow"
        Action   = ["lambda:TagResource", "lambda:UntagResource"]
        Resource = ["${local.lambda_arn}:event-source-mapping:*"]
      },
      {
        # What such a role is granted counts only as far as the boundary goes.
        Sid    = "BoundRoles"
        Effect = "Allow"
        Action = [
          "iam:CreateRole",
          "iam:DeleteRolePolicy",
          "iam:PutRolePermissionsBoundary",
          "iam:PutRolePolicy",
        ]
        Resource  = ["${local.iam_arn}:role/${prefix}-*"]
        Condition = { StringEquals = { "iam:PermissionsBoundary" = aws_iam_policy.boundary[name].arn } }
      },
      {
        Sid    = "Roles"
        Effect = "Allow"
        Action = [
          "iam:DeleteRole",
          "iam:TagRole",
          "iam:UntagRole",
          "iam:UpdateAssumeRolePolicy",
          "iam:UpdateRole",
          "iam:UpdateRoleDescription",
        ]
        Resource = ["${local.iam_arn}:role/${prefix}-*"]
      },
      {
        Sid       = "PassRoles"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = ["${local.iam_arn}:role/${prefix}-*"]
        Condition = { StringEquals = { "iam:PassedToService" = ["lambda.amazonaws.com", "scheduler.amazonaws.com"] } }
      },
      {
        # API Gateway makes it when an account's first API is made.
        Sid       = "ApiGatewaysOwnRole"
        Effect    = "Allow"
        Action    = ["iam:CreateServiceLinkedRole"]
        Resource  = ["${local.iam_arn}:role/aws-service-role/ops.apigateway.amazonaws.com/AWSServiceRoleForAPIGateway"]
        Condition = { StringEquals = { "iam:AWSServiceName" = "ops.apigateway.amazonaws.com" } }
      },
      {
        Sid    = "LogGroups"
        Effect = "Allow"
        Action = [
          "logs:CreateLogGroup",
          "logs:DeleteLogGroup",
          "logs:DeleteRetentionPolicy",
          "logs:PutRetentionPolicy",
          "logs:TagResource",
          "logs:UntagResource",
        ]
        Resource = local.log_groups[name]
      },
      {
        # An HTTP API's access log: these have no resource to name. API Gateway developer guide,
        # "Configure logging for HTTP APIs".
        Sid    = "LogDelivery"
        Effect = "Allow"
        Action = [
          "logs:CreateLogDelivery",
          "logs:DeleteLogDelivery",
          "logs:DescribeResourcePolicies",
          "logs:GetLogDelivery",
          "logs:ListLogDeliveries",
          "logs:PutResourcePolicy",
          "logs:UpdateLogDelivery",
        ]
        Resource = ["*"]
      },
      {
        Sid    = "Repositories"
        Effect = "Allow"
        Action = [
          "ecr:BatchDeleteImage",
          "ecr:CompleteLayerUpload",
          "ecr:CreateRepository",
          "ecr:DeleteLifecyclePolicy",
          "ecr:DeleteRepository",
          "ecr:DeleteRepositoryPolicy",
          "ecr:InitiateLayerUpload",
          "ecr:PutImage",
          "ecr:PutImageScanningConfiguration",
          "ecr:PutImageTagMutability",
          "ecr:PutLifecyclePolicy",
          "ecr:SetRepositoryPolicy",
          "ecr:TagResource",
          "ecr:UntagResource",
          "ecr:UploadLayerPart",
        ]
        Resource = ["${local.ecr_arn}:repository/${prefix}-*"]
      },
      {
        # An image is built once, and goes on from one environment to the next.
        Sid      = "PullImages"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer"]
        Resource = ["${local.ecr_arn}:repository/${var.project_name}-*"]
      },
      {
        Sid      = "Packages"
        Effect   = "Allow"
        Action   = ["s3:DeleteObject", "s3:PutObject", "s3:PutObjectTagging"]
        Resource = ["${aws_s3_bucket.packages.arn}/${prefix}-*"]
      },
    ]
  }

  # Tagging is in no list of API Gateway's actions, and a stage that is made with tags is refused
  # without it: docs/surprises.md.
  api_actions = [
    "apigateway:DELETE",
    "apigateway:PATCH",
    "apigateway:POST",
    "apigateway:PUT",
    "apigateway:TagResource",
    "apigateway:UntagResource",
  ]

  trigger_statements = {
    for name, prefix in local.prefixes : name => [
      {
        Sid    = "Apis"
        Effect = "Allow"
        Action = local.api_actions
        Resource = [
          "${local.api_arn}/apis",
          "${local.api_arn}/apis/*",
          "${local.api_arn}/tags/*",
        ]
      },
      {
        # Told apart by the tag that the provider gives everything: ids are random.
        Sid      = "ApisOfOthers"
        Effect   = "Deny"
        Action   = local.api_actions
        Resource = ["${local.api_arn}/apis/*"]
        Condition = {
          Null            = { "aws:ResourceTag/Project" = "false" }
          StringNotEquals = { "aws:ResourceTag/Project" = prefix }
        }
      },
      {
        Sid    = "Queues"
        Effect = "Allow"
        Action = [
          "sqs:CreateQueue",
          "sqs:DeleteQueue",
          "sqs:SetQueueAttributes",
          "sqs:TagQueue",
          "sqs:UntagQueue",
        ]
        Resource = ["${local.sqs_arn}:${prefix}-*"]
      },
      {
        Sid    = "Topics"
        Effect = "Allow"
        Action = [
          "sns:CreateTopic",
          "sns:DeleteTopic",
          "sns:SetSubscriptionAttributes",
          "sns:SetTopicAttributes",
          "sns:Subscribe",
          "sns:TagResource",
          "sns:Unsubscribe",
          "sns:UntagResource",
        ]
        Resource = ["${local.sns_arn}:${prefix}-*"]
      },
      {
        Sid    = "Rules"
        Effect = "Allow"
        Action = [
          "events:DeleteRule",
          "events:DisableRule",
          "events:EnableRule",
          "events:PutRule",
          "events:PutTargets",
          "events:RemoveTargets",
          "events:TagResource",
          "events:UntagResource",
        ]
        Resource = ["${local.events_arn}:rule/${prefix}-*"]
      },
      {
        Sid    = "Schedules"
        Effect = "Allow"
        Action = [
          "scheduler:CreateSchedule",
          "scheduler:CreateScheduleGroup",
          "scheduler:DeleteSchedule",
          "scheduler:DeleteScheduleGroup",
          "scheduler:TagResource",
          "scheduler:UntagResource",
          "scheduler:UpdateSchedule",
        ]
        Resource = [
          "${local.scheduler_arn}:schedule/*/${prefix}-*",
          "${local.scheduler_arn}:schedule-group/${prefix}-*",
        ]
      },
      {
        Sid    = "Alarms"
        Effect = "Allow"
        Action = [
          "cloudwatch:DeleteAlarms",
          "cloudwatch:PutCompositeAlarm",
          "cloudwatch:PutMetricAlarm",
          "cloudwatch:TagResource",
          "cloudwatch:UntagResource",
        ]
        Resource = ["${local.cloudwatch_arn}:alarm:${prefix}-*"]
      },
      {
        Sid      = "Dashboards"
        Effect   = "Allow"
        Action   = ["cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard"]
        Resource = ["${local.dashboard_arn}/${prefix}", "${local.dashboard_arn}/${prefix}-*"]
      },
      {
        # The release watches how a new version does; metrics have no resource to name.
        Sid      = "Metrics"
        Effect   = "Allow"
        Action   = ["cloudwatch:GetMetricData", "cloudwatch:GetMetricStatistics"]
        Resource = ["*"]
      },
      {
        Sid    = "Buckets"
        Effect = "Allow"
        Action = [
          "s3:CreateBucket",
          "s3:DeleteBucket",
          "s3:DeleteBucketPolicy",
          "s3:ListBucketVersions",
          "s3:PutBucketCORS",
          "s3:PutBucketNotification",
          "s3:PutBucketOwnershipControls",
          "s3:PutBucketPolicy",
          "s3:PutBucketPublicAccessBlock",
          "s3:PutBucketTagging",
          "s3:PutBucketVersioning",
          "s3:PutEncryptionConfiguration",
          "s3:PutLifecycleConfiguration",
        ]
        Resource = ["${local.s3_arn}${prefix}-*"]
      },
      {
        # Packages that functions fetch, and what is left in a bucket that goes.
        Sid    = "Objects"
        Effect = "Allow"
        Action = [
          "s3:DeleteObject",
          "s3:DeleteObjectVersion",
          "s3:GetObject",
          "s3:GetObjectTagging",
          "s3:PutObject",
          "s3:PutObjectTagging",
        ]
        Resource = ["${local.s3_arn}${prefix}-*/*"]
      },
    ]
  }
}
