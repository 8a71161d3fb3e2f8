data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

data "aws_region" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.name

  reserved_environments = ["packages", "plan", "state"]

  # Apart from the functions' roles, which lie at "/": what a deploy role may do to those, it may do
  # to none of these.
  path = "/bootstrap/"

  # What the stack's names start with; a name that goes on has a "-" next, so that no environment
  # reaches into another whose name only begins alike.
  prefixes = { for name in var.environments : name => "${var.project_name}-${name}" }

  # Where an environment's state lies in the bucket, beside its lock.
  state_keys = { for name in var.environments : name => "stack/${name}.tfstate" }
}

locals {
  in_region = "${local.region}:${local.account}"

  lambda_arn     = "arn:${local.partition}:lambda:${local.in_region}"
  logs_arn       = "arn:${local.partition}:logs:${local.in_region}"
  ecr_arn        = "arn:${local.partition}:ecr:${local.in_region}"
  sqs_arn        = "arn:${local.partition}:sqs:${local.in_region}"
  sns_arn        = "arn:${local.partition}:sns:${local.in_region}"
  events_arn     = "arn:${local.partition}:events:${local.in_region}"
  scheduler_arn  = "arn:${local.partition}:scheduler:${local.in_region}"
  cloudwatch_arn = "arn:${local.partition}:cloudwatch:${local.in_region}"
  dashboard_arn  = "arn:${local.partition}:cloudwatch::${local.account}:dashboard"
  iam_arn        = "arn:${local.partition}:iam::${local.account}"
  s3_arn         = "arn:${local.partition}:s3:::"
  # API Gateway's ids are random, so its ARNs tell no name.
  api_arn = "arn:${local.partition}:apigateway:${local.region}::"
}
