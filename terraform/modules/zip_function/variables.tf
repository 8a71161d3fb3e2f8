variable "name" {
  description = "Name of the function, its role and its log group."
  type        = string
  nullable    = false
}

variable "description" {
  description = "What the function does, as the Lambda console shows it."
  type        = string
  default     = null
}

variable "package" {
  description = <<-EOT
    What is packaged:
    - `source`: the folder with the function's code, relative to the root module;
    - `requirements`: what names its packages, relative to `source`: a requirements file, pyproject.toml,
      uv.lock or pylock.toml; "" for a function without any;
    - `name`: what the ZIP is called, `<name>_function.zip`; by default the function's name;
    - `output_dir`: where packages are written, relative to the root module;
    - `provided`: packages that are left out because the runtime or a layer has them, e.g. boto3;
    - `build_in_docker`: packages with native code that have no wheels are compiled in a container like
      the runtime, while Terraform plans, instead of refused;
    - `archive_above_mb`: archive_file zips packages of up to so many MB unzipped, anew at every
      plan and apply; a larger one is zipped by the build, when it has changed;
    - `bucket`: name of an S3 bucket in the function's region, through which the ZIP is uploaded.
      Absent: directly, which Lambda takes up to 50 MB.
  EOT
  type = object({
    source           = string
    requirements     = optional(string, "requirements.txt")
    name             = optional(string)
    output_dir       = optional(string, "lambda_packages")
    provided         = optional(list(string), [])
    build_in_docker  = optional(bool, false)
    archive_above_mb = optional(number, 30)
    bucket           = optional(string)
  })
  nullable = false

  validation {
    condition     = trimspace(var.package.source) != ""
    error_message = "package.source is empty. Name the folder that holds the function's code, e.g. \"$${path.module}/src\"."
  }

  validation {
    condition     = !startswith(var.package.requirements, "/")
    error_message = "package.requirements is \"${var.package.requirements}\", an absolute path. Give it relative to package.source, or \"\" for a function without requirements."
  }

  validation {
    condition     = var.package.name == null ? true : can(regex("^[a-zA-Z0-9][a-zA-Z0-9._-]*$", var.package.name))
    error_message = "package.name is \"${coalesce(var.package.name, "-")}\", and becomes a file's name: letters, digits, \".\", \"-\" and \"_\". Choose such a name, or leave it out."
  }

  validation {
    condition     = !startswith(var.package.output_dir, "/")
    error_message = "package.output_dir is \"${var.package.output_dir}\", an absolute path, which would plan a change in every other checkout. Give a path relative to the root module."
  }

  validation {
    condition     = var.package.archive_above_mb >= 0
    error_message = "package.archive_above_mb is ${var.package.archive_above_mb}: a size has no sign. Say 0 to have the build make every ZIP, or leave it out."
  }
}

variable "runtime" {
  description = "Lambda's Python runtime: python3.11 to python3.14. Deprecation is said at plan, from 180 days before."
  type        = string
  default     = "python3.11"
  nullable    = false
}

variable "handler" {
  description = "The function that Lambda calls, as module.function."
  type        = string
  default     = "index.handler"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z_][a-zA-Z0-9_]*([./][a-zA-Z_][a-zA-Z0-9_]*)*\\.[a-zA-Z_][a-zA-Z0-9_]*$", var.handler))
    error_message = "handler is \"${var.handler}\": Lambda takes module.function, e.g. \"index.handler\" for the function handler in index.py. Name yours like that."
  }
}

variable "layers" {
  description = "ARNs of layer versions, at most five, a later one over an earlier one."
  type        = list(string)
  default     = null
}

# What follows is passed on to the module function, which defaults and checks it.

variable "architecture" {
  description = "Machine that the function runs on and is built for: x86_64 (default) or arm64."
  type        = string
  default     = "x86_64"
  nullable    = false
}

variable "compute" {
  description = "What an invocation gets: memory_mb (256), timeout_s (30), storage_mb (512) of /tmp, reserved_concurrency (none)."
  type = object({
    memory_mb            = optional(number)
    timeout_s            = optional(number)
    storage_mb           = optional(number)
    reserved_concurrency = optional(number)
  })
  default = null
}

variable "environment" {
  description = "Environment variables of the function. Not for secrets: everybody who may read the function may read them."
  type        = map(string)
  default     = null
}

variable "permissions" {
  description = "What the function may do, beside writing its log: statements by name, each allowing `actions` on `resources`, under `conditions` if there are any."
  type = map(object({
    actions   = list(string)
    resources = list(string)
    conditions = optional(list(object({
      test     = string
      variable = string
      values   = list(string)
    })))
  }))
  default = null
}

variable "permissions_boundary" {
  description = "ARN of the IAM policy beyond which the function's role gets nothing, whatever it is granted. Absent: none."
  type        = string
  default     = null
}

variable "network" {
  description = "Subnets and security groups of a VPC that the function is to reach. Absent: no VPC."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
  default = null
}

variable "tracing" {
  description = "X-Ray: Active, or PassThrough (default)."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Days for which CloudWatch keeps the function's log (30); 0 keeps it for ever."
  type        = number
  default     = null
}

variable "dead_letter" {
  description = "SQS queue or SNS topic, by ARN, that takes asynchronous events which failed for good."
  type = object({
    arn = string
  })
  default = null
}

variable "release" {
  description = "Which version the alias `live` serves. Absent: the newest. Present: `version`, except for the share (0 to 1) that `additional_version_weights` gives another version."
  type = object({
    version                    = string
    additional_version_weights = optional(map(number))
  })
  default = null
}
