# Plans, and changes nothing: not even a lock, so its plans say -lock=false. What is planned is
# refused at apply when the state has moved on since.
#
# A plan runs what is in the branch, so whoever may push one may read what this role reads: the
# project's configuration and its state, and no logs, data or secrets.
resource "aws_iam_role" "plan" {
  name               = "${var.project_name}-plan"
  path               = local.path
  description        = "Plans ${var.project_name} in GitHub Actions of ${var.repository}."
  assume_role_policy = local.trust["plan"]
}

resource "aws_iam_policy" "plan" {
  name        = "${var.project_name}-plan"
  path        = local.path
  description = "Read what a plan of ${var.project_name} reads."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.read_statements["plan"], [
      {
        Sid      = "States"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = [for key in values(local.state_keys) : "${aws_s3_bucket.state.arn}/${key}"]
      },
      {
        Sid      = "StateKeys"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [aws_s3_bucket.state.arn]
      },
    ])
  })
}

resource "aws_iam_role_policy_attachment" "plan" {
  role       = aws_iam_role.plan.name
  policy_arn = aws_iam_policy.plan.arn
}

locals {
  # What Terraform reads of the stack, by role: the plan role of all environments, a deploy role of its own.
  read_statements = {
    for role, prefix in merge(local.prefixes, { plan = var.project_name }) : role => [
      {
        Sid    = "ReadFunctions"
        Effect = "Allow"
        Action = ["lambda:Get*", "lambda:List*"]
        Resource = [
          "${local.lambda_arn}:function:${prefix}-*",
          "${local.lambda_arn}:layer:${prefix}-*",
          # Their ids are random.
          "${local.lambda_arn}:event-source-mapping:*",
        ]
      },
      {
        Sid    = "ReadRoles"
        Effect = "Allow"
        Action = [
          "iam:GetRole",
          "iam:GetRolePolicy",
          "iam:ListAttachedRolePolicies",
          "iam:ListInstanceProfilesForRole",
          "iam:ListRolePolicies",
          "iam:ListRoleTags",
        ]
        Resource = ["${local.iam_arn}:role/${prefix}-*"]
      },
      {
        Sid      = "ReadApis"
        Effect   = "Allow"
        Action   = ["apigateway:GET"]
        Resource = ["${local.api_arn}/apis", "${local.api_arn}/apis/*", "${local.api_arn}/tags/*"]
      },
      {
        Sid    = "ReadRepositories"
        Effect = "Allow"
        Action = [
          "ecr:BatchGetImage",
          "ecr:Describe*",
          "ecr:GetLifecyclePolicy",
          "ecr:GetRepositoryPolicy",
          "ecr:ListImages",
          "ecr:ListTagsForResource",
        ]
        Resource = ["${local.ecr_arn}:repository/${prefix}-*"]
      },
      {
        Sid    = "ReadTriggers"
        Effect = "Allow"
        Action = [
          "events:DescribeRule",
          "events:ListTagsForResource",
          "events:ListTargetsByRule",
          "scheduler:GetSchedule",
          "scheduler:GetScheduleGroup",
          "scheduler:ListTagsForResource",
          "sns:GetSubscriptionAttributes",
          "sns:GetTopicAttributes",
          "sns:ListSubscriptionsByTopic",
          "sns:ListTagsForResource",
          "sqs:GetQueueAttributes",
          "sqs:GetQueueUrl",
          "sqs:ListQueueTags",
        ]
        Resource = [
          "${local.events_arn}:rule/${prefix}-*",
          "${local.scheduler_arn}:schedule/*/${prefix}-*",
          "${local.scheduler_arn}:schedule-group/${prefix}-*",
          "${local.sns_arn}:${prefix}-*",
          "${local.sqs_arn}:${prefix}-*",
        ]
      },
      {
        Sid    = "ReadAlarms"
        Effect = "Allow"
        Action = ["cloudwatch:GetDashboard", "cloudwatch:ListTagsForResource"]
        Resource = [
          "${local.cloudwatch_arn}:alarm:${prefix}-*",
          "${local.dashboard_arn}/${prefix}",
          "${local.dashboard_arn}/${prefix}-*",
        ]
      },
      {
        Sid      = "ReadLogGroups"
        Effect   = "Allow"
        Action   = ["logs:ListTagsForResource"]
        Resource = local.log_groups[role]
      },
      {
        # How buckets are set up, and not what lies in them.
        Sid    = "ReadBuckets"
        Effect = "Allow"
        Action = [
          "s3:GetAccelerateConfiguration",
          "s3:GetBucket*",
          "s3:GetEncryptionConfiguration",
          "s3:GetLifecycleConfiguration",
          "s3:GetReplicationConfiguration",
          "s3:ListBucket",
        ]
        Resource = ["${local.s3_arn}${prefix}-*"]
      },
      {
        Sid      = "ReadPackages"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:GetObjectTagging"]
        Resource = ["${aws_s3_bucket.packages.arn}/${prefix}-*"]
      },
      {
        # These have no resource to name, or are asked without one.
        Sid    = "ReadAnywhere"
        Effect = "Allow"
        Action = [
          "cloudwatch:DescribeAlarms",
          "ecr:GetAuthorizationToken",
          "lambda:GetEventSourceMapping",
          "lambda:ListEventSourceMappings",
          "logs:DescribeLogGroups",
        ]
        Resource = ["*"]
      },
    ]
  }

  log_groups = {
    for role, prefix in merge(local.prefixes, { plan = var.project_name }) : role => [
      "${local.logs_arn}:log-group:/aws/lambda/${prefix}-*",
      "${local.logs_arn}:log-group:/aws/vendedlogs/http-api/${prefix}",
      "${local.logs_arn}:log-group:/aws/vendedlogs/http-api/${prefix}:*",
      "${local.logs_arn}:log-group:/aws/vendedlogs/http-api/${prefix}-*",
    ]
  }
}
