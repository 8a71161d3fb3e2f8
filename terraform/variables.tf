variable "project_name" {
  description = "What the names of all resources start with."
  type        = string
  default     = "python-lambda"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,29}$", var.project_name))
    error_message = "project_name is \"${var.project_name}\": names of functions, roles and buckets start with it, so 1 to 30 lower-case letters, digits and \"-\", a letter first. Choose such a name."
  }
}

variable "environment" {
  description = "Name of the environment, e.g. dev; it follows the project's name in all names. Absent: there is only one."
  type        = string
  default     = null

  validation {
    condition     = var.environment == null ? true : can(regex("^[a-z0-9]{1,12}$", var.environment))
    error_message = "environment is \"${coalesce(var.environment, "-")}\": it becomes part of names, so 1 to 12 lower-case letters and digits. Choose such a name."
  }
}

variable "aws_region" {
  description = "AWS region; terraform/bootstrap writes it into bootstrap.auto.tfvars. Absent: the one of the environment or the profile, such as AWS_REGION."
  type        = string
  default     = null
}

variable "permissions_boundary_path" {
  description = "Path of the IAM policies that bound the functions' roles, each named like its environment's resources; terraform/bootstrap writes it into bootstrap.auto.tfvars. Absent: roles have no boundary."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_path == null ? true : can(regex("^/([!-~]+/)?$", var.permissions_boundary_path))
    error_message = "permissions_boundary_path is \"${coalesce(var.permissions_boundary_path, "-")}\": IAM's paths begin and end with \"/\". Give it as terraform/bootstrap wrote it, \"/bootstrap/\"."
  }

  validation {
    condition     = var.permissions_boundary_path == null || var.environment != null
    error_message = "permissions_boundary_path is set and environment is not: boundaries are made for environments. Name one, e.g.\n  make plan ENVIRONMENT=staging"
  }
}

variable "tags" {
  description = "Tags of all resources, beside Project and ManagedBy."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "lambda_timeout" {
  description = "Seconds that a function behind the API may take: 1 to 30, after which the API has answered 503."
  type        = number
  default     = 29
  nullable    = false

  validation {
    condition     = var.lambda_timeout >= 1 && var.lambda_timeout <= 30
    error_message = "lambda_timeout is ${var.lambda_timeout}: the HTTP API answers 503 after 30 s, whatever the function still does. Choose 1 to 30."
  }
}

variable "log_retention_days" {
  description = "Days for which CloudWatch keeps the logs of functions and API; 0 keeps them for ever."
  type        = number
  default     = 30
  nullable    = false
}

variable "log_level" {
  description = "The least level that functions log: DEBUG, INFO, WARNING, ERROR."
  type        = string
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "log_level is \"${var.log_level}\": functions know DEBUG, INFO, WARNING and ERROR. Choose one of them."
  }
}

variable "tracing" {
  description = "X-Ray for functions: Active, or PassThrough."
  type        = string
  default     = "PassThrough"
  nullable    = false
}

variable "api_throttling" {
  description = "Limits of the API: steady requests_per_second (20) and burst (40). They bound what a flood of requests costs."
  type = object({
    requests_per_second = optional(number)
    burst               = optional(number)
  })
  default  = {}
  nullable = false
}

variable "api_cors" {
  description = "Which web pages of other origins may call the API, e.g. { allow_origins = [\"https://example.com\"] }. Absent: none."
  type = object({
    allow_origins = list(string)
  })
  default = null
}

variable "chat_lambda_memory" {
  description = "MB of memory of chat's function, 128 to 10240; CPU grows with it."
  type        = number
  default     = 512
  nullable    = false
}

variable "chat_model_id" {
  description = <<-EOT
    Bedrock model that chat talks to: the id or ARN of a foundation model or of an inference profile.
    The account needs access to it in the region. The default is inexpensive and available on demand
    in us-east-1; elsewhere it may need the inference profile, e.g. eu.amazon.nova-lite-v1:0.
  EOT
  type        = string
  default     = "amazon.nova-lite-v1:0"
  nullable    = false

  validation {
    condition     = can(regex(local.model_id_pattern, var.chat_model_id)) || can(regex(local.model_arn_pattern, var.chat_model_id))
    error_message = "chat_model_id is \"${var.chat_model_id}\": Bedrock takes the id of a model (amazon.nova-lite-v1:0) or of an inference profile (eu.amazon.nova-lite-v1:0), or the ARN of either. See which there are:\n  aws bedrock list-foundation-models --query modelSummaries[].modelId\n  aws bedrock list-inference-profiles"
  }
}

variable "chat_image_uri" {
  description = "Image of chat that something else has built, by digest: <repository>@sha256:…. For chat as an image (backend/chat/function.json). Absent: it is built at apply."
  type        = string
  default     = null
}

variable "chat_base_image" {
  description = "What chat's image is built on. For chat as an image. Absent: as backend/chat/function.json says, else AWS's own of the runtime."
  type        = string
  default     = null
}

variable "inference_lambda_memory" {
  description = "MB of memory of inference's function, 128 to 10240; CPU grows with it."
  type        = number
  default     = 1024
  nullable    = false
}

variable "inference_image_uri" {
  description = "Image of inference that something else has built, in ECR and by digest: <repository>@sha256:…. Absent: it is built at apply, with Docker, when it has changed."
  type        = string
  default     = null
}

variable "inference_base_image" {
  description = "What inference's image is built on, best by digest, e.g. a mirror's Amazon Linux 2023. Absent: as backend/inference/function.json says."
  type        = string
  default     = null
}
