variable "name" {
  description = "Name of the function, its role and its log group; in lower case, of its repository."
  type        = string
  nullable    = false

  # Amazon ECR API reference, "CreateRepository".
  validation {
    condition     = var.package == null ? true : can(regex("^[a-z0-9]+([._-][a-z0-9]+)*$", lower(var.name))) && length(var.name) > 1
    error_message = "name is \"${var.name}\", and becomes the name of a repository: ECR takes 2 or more letters and digits, with single \"-\" or \"_\" between them. Choose such a name, or give image_uri without package."
  }
}

variable "description" {
  description = "What the function does, as the Lambda console shows it."
  type        = string
  default     = null
}

variable "package" {
  description = <<-EOT
    What the image is built from, at apply, and pushed to a repository of this function:
    - `source`: the folder with the function's code, relative to the root module; its Dockerfile is
      used, and without one AWS's base image gets requirements and source;
    - `requirements`: what names its packages, relative to `source`: a requirements file, pyproject.toml,
      uv.lock or pylock.toml; "" for a function without any;
    - `base_image`: what the Dockerfile starts from (its argument BASE_IMAGE), best by digest; "" is
      AWS's own of the runtime, public.ecr.aws/lambda/python;
    - `name`: what the image is called on this machine; by default the function's name;
    - `output_dir`: where the build writes, relative to the root module;
    - `provided`: packages that are left out because the base image has them, e.g. boto3;
    - `build_in_docker`: packages with native code that have no wheels are compiled in a container like
      the runtime, while Terraform plans, instead of refused;
    - `keep_images`: how many images the repository keeps, for roll-backs.
  EOT
  type = object({
    source          = string
    requirements    = optional(string, "requirements.txt")
    base_image      = optional(string, "")
    name            = optional(string)
    output_dir      = optional(string, "lambda_packages")
    provided        = optional(list(string), [])
    build_in_docker = optional(bool, false)
    keep_images     = optional(number, 20)
  })
  default = null

  validation {
    condition     = var.package != null || var.image_uri != null
    error_message = "There is neither package nor image_uri, so the function would have no code. Give one of them."
  }

  validation {
    condition     = alltrue([for source in var.package[*].source : trimspace(source) != ""])
    error_message = "package.source is empty. Name the folder that holds the function's code, e.g. \"$${path.module}/src\"."
  }

  validation {
    condition     = alltrue([for requirements in var.package[*].requirements : !startswith(requirements, "/")])
    error_message = "package.requirements is \"${join("", var.package[*].requirements)}\", an absolute path. Give it relative to package.source, or \"\" for a function without requirements."
  }

  validation {
    condition     = alltrue([for base in var.package[*].base_image : !can(regex("[[:space:]]|://", base))])
    error_message = "package.base_image is \"${join("", var.package[*].base_image)}\", and Docker takes a reference without a scheme or spaces. Give it like public.ecr.aws/amazonlinux/amazonlinux:2023."
  }

  validation {
    condition     = alltrue([for name in compact(var.package[*].name) : can(regex("^[a-z0-9]+([._-][a-z0-9]+)*$", name))])
    error_message = "package.name is \"${join("", compact(var.package[*].name))}\", and becomes an image's name: lower-case letters and digits, with single \".\", \"-\" or \"_\" between them. Choose such a name, or leave it out."
  }

  validation {
    condition     = alltrue([for folder in var.package[*].output_dir : !startswith(folder, "/")])
    error_message = "package.output_dir is \"${join("", var.package[*].output_dir)}\", an absolute path, which would plan a change in every other checkout. Give a path relative to the root module."
  }

  validation {
    condition     = alltrue([for number in var.package[*].keep_images : number >= 1 && floor(number) == number])
    error_message = "package.keep_images is ${join("", var.package[*].keep_images)}: the repository would lose the image that is deployed. Choose a whole number from 1; 20 leave room for roll-backs."
  }
}

variable "image_uri" {
  description = "An image that something else has built, deployed as it is: its address in an ECR repository of the region, by digest, <repository>@sha256:…. Absent: it is built from `package`. Beside `package`, whose repository then stays, nothing is built."
  type        = string
  default     = null
}

variable "image_config" {
  description = "How the image is started, where not as it says itself: entry_point, command, working_directory."
  type = object({
    entry_point       = optional(list(string))
    command           = optional(list(string))
    working_directory = optional(string)
  })
  default = null
}

variable "runtime" {
  description = "The Python that the image is built for: python3.11 to python3.14, by the name of Lambda's runtime. The deprecation of AWS's base image is said at plan, from 180 days before."
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
