# What no role of an environment's functions gets beyond, whatever it is granted: so a deploy role can
# make roles, and cannot make itself more than it is. It grants nothing. The stack puts it on the roles
# by its name, which is the environment's prefix.
#
# Where your functions need another service, this is the place: add it, as narrowly, and apply.
resource "aws_iam_policy" "boundary" {
  #checkov:skip=CKV_AWS_290:A boundary grants nothing; what has no resource to name is bounded by its action
  #checkov:skip=CKV_AWS_355:As above
  for_each = local.prefixes

  name        = each.value
  path        = local.path
  description = "The most that a function of ${each.value} may do."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Logs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${local.logs_arn}:log-group:/aws/lambda/${each.value}-*"]
      },
      {
        # Neither has a resource to name: modules/function says why a function needs them.
        Sid    = "TracingAndNetwork"
        Effect = "Allow"
        Action = [
          "ec2:AssignPrivateIpAddresses",
          "ec2:CreateNetworkInterface",
          "ec2:DeleteNetworkInterface",
          "ec2:DescribeNetworkInterfaces",
          "ec2:DescribeSubnets",
          "ec2:UnassignPrivateIpAddresses",
          "xray:PutTelemetryRecords",
          "xray:PutTraceSegments",
        ]
        Resource = ["*"]
      },
      {
        # The regions are those of the inference profile that a function is granted.
        Sid    = "Models"
        Effect = "Allow"
        Action = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
        Resource = [
          "arn:${local.partition}:bedrock:*::foundation-model/*",
          "arn:${local.partition}:bedrock:*:${local.account}:application-inference-profile/*",
          "arn:${local.partition}:bedrock:*:${local.account}:inference-profile/*",
        ]
      },
      {
        Sid    = "OwnData"
        Effect = "Allow"
        Action = [
          "dynamodb:BatchGetItem",
          "dynamodb:BatchWriteItem",
          "dynamodb:ConditionCheckItem",
          "dynamodb:DeleteItem",
          "dynamodb:GetItem",
          "dynamodb:PutItem",
          "dynamodb:Query",
          "dynamodb:Scan",
          "dynamodb:UpdateItem",
          "lambda:InvokeFunction",
          "secretsmanager:GetSecretValue",
          "sns:Publish",
          "sqs:ChangeMessageVisibility",
          "sqs:DeleteMessage",
          "sqs:GetQueueAttributes",
          "sqs:GetQueueUrl",
          "sqs:ReceiveMessage",
          "sqs:SendMessage",
          "ssm:GetParameter",
          "ssm:GetParameters",
          "ssm:GetParametersByPath",
        ]
        Resource = [
          "arn:${local.partition}:dynamodb:${local.in_region}:table/${each.value}-*",
          "${local.lambda_arn}:function:${each.value}-*",
          "arn:${local.partition}:secretsmanager:${local.in_region}:secret:${each.value}-*",
          "${local.sns_arn}:${each.value}-*",
          "${local.sqs_arn}:${each.value}-*",
          "arn:${local.partition}:ssm:${local.in_region}:parameter/${each.value}/*",
          "arn:${local.partition}:ssm:${local.in_region}:parameter/${each.value}-*",
        ]
      },
      {
        # A bucket's name is the world's: without the account, a bucket of somebody else's that
        # begins alike would do.
        Sid       = "OwnBuckets"
        Effect    = "Allow"
        Action    = ["s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"]
        Resource  = ["${local.s3_arn}${each.value}-*", "${local.s3_arn}${each.value}-*/*"]
        Condition = { StringEquals = { "aws:ResourceAccount" = local.account } }
      },
      {
        Sid      = "OwnPackages"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["${aws_s3_bucket.packages.arn}/${each.value}-*"]
      },
    ]
  })
}
