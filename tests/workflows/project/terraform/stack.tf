# A stack as small as can be, of the project's own modules: what the deploy workflow needs.
terraform {
  required_version = ">= 1.11"

  # As make bootstrap writes it.
  backend "s3" {}

  required_providers {
    archive = {
      source  = "hashicorp/archive"
      version = "~> 2.7"
    }
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
    external = {
      source  = "hashicorp/external"
      version = "~> 2.3"
    }
  }
}

variable "environment" {
  description = "Name of the environment."
  type        = string
}

variable "front_url" {
  description = "Where the APIs of the local AWS answer, each at /ID."
  type        = string
}

variable "has_docker" {
  description = "Whether inference can be built."
  type        = bool
}

variable "release" {
  description = "Which versions are live, by function, as in the project's stack."
  type = map(object({
    version                    = string
    additional_version_weights = optional(map(number))
  }))
  default  = {}
  nullable = false
}

module "chat" {
  source = "./modules/zip_function"

  name = "python-lambda-${var.environment}-chat"

  package = {
    name         = "chat"
    source       = "${path.root}/../backend/chat"
    requirements = ""
    output_dir   = "${path.root}/../lambda_packages"
  }

  release = lookup(var.release, "chat", null)
}

module "inference" {
  source = "./modules/container_function"
  count  = var.has_docker ? 1 : 0

  name = "python-lambda-${var.environment}-inference"

  package = {
    name         = "inference"
    source       = "${path.root}/../backend/inference"
    requirements = ""
    base_image   = "public.ecr.aws/lambda/python:3.11@sha256:${sha256("its Dockerfile has none")}"
    output_dir   = "${path.root}/../lambda_packages"
  }
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "python-lambda-${var.environment}-chat-errors"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 1
  metric_name         = "Errors"
  namespace           = "AWS/Lambda"
  period              = 60
  statistic           = "Sum"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  dimensions          = { FunctionName = module.chat.function.name }
}

module "api" {
  source = "./modules/http_api"

  name   = "python-lambda-${var.environment}"
  routes = { "GET /chat/health" = { function = module.chat.function } }
}

output "api_url" {
  description = "Where the API answers, here."
  value       = "${var.front_url}/${module.api.id}"
}

output "inference_package" {
  description = "What is deployed for inference, where there is Docker."
  value       = one(module.inference[*].package)
}

output "functions" {
  description = "What lambda-release moves, as in the project's stack."
  value = {
    chat = {
      function_name = module.chat.function.name
      alias_name    = module.chat.function.alias_name
      check         = { route = "GET /chat/health" }
      alarms        = [aws_cloudwatch_metric_alarm.errors.alarm_name]
    }
  }
}
