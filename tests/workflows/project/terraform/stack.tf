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

variable "chat_release" {
  description = "Which version of chat is live, as in the project's stack."
  type = object({
    version       = string
    newest_weight = optional(number)
  })
  default = null
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

  release = var.chat_release
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

output "api_id" {
  description = "The API's id."
  value       = module.api.id
}

output "chat_function_name" {
  description = "Name of chat's function."
  value       = module.chat.function.name
}

output "chat_function_alias_arn" {
  description = "chat's alias live."
  value       = module.chat.function.alias_arn
}

output "chat_function_version" {
  description = "Newest published version of chat."
  value       = module.chat.function.version
}
