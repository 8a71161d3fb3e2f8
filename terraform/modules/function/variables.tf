# Everything that function modules share is described, defaulted and checked here, and only here:
# zip_function and container_function pass their variables through, and null means "as function says".

variable "name" {
  description = "Name of the function, its role and its log group."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.name))
    error_message = "name is \"${var.name}\": Lambda takes 1 to 64 letters, digits, \"-\" and \"_\". Choose such a name."
  }
}

variable "description" {
  description = "What the function does, as the Lambda console shows it."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = length(var.description) <= 256
    error_message = "description has ${length(var.description)} characters, and Lambda takes 256. Shorten it."
  }
}

variable "zip" {
  description = <<-EOT
    The code, as a ZIP; this or `image`:
    - `path`: the file, relative to the root module (an absolute path would plan a change in every checkout);
    - `sha256`: the base64 SHA-256 of the file that was planned: another file at `path` is refused;
    - `digest`: what decides whether the code has changed; the same on every machine;
    - `runtime`, `handler`: how Lambda runs it;
    - `layers`: ARNs of layer versions, at most five, a later one over an earlier one;
    - `bucket`: name of an S3 bucket in the function's region, through which the file is uploaded.
      Absent: directly, which Lambda takes up to 50 MB.
  EOT
  type = object({
    path    = string
    sha256  = string
    digest  = string
    runtime = string
    handler = string
    layers  = optional(list(string), [])
    bucket  = optional(string)
  })
  default = null

  validation {
    condition     = alltrue([for path in var.zip[*].path : !startswith(path, "/")])
    error_message = "zip.path is \"${join("", var.zip[*].path)}\", an absolute path, which would plan a change in every other checkout. Give a path relative to the root module."
  }

  # Amazon S3 user guide, "General purpose bucket naming rules"; an ARN or a URL is no name.
  validation {
    condition     = alltrue([for bucket in compact(var.zip[*].bucket) : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", bucket))])
    error_message = "The bucket of the package is \"${join("", compact(var.zip[*].bucket))}\": S3's names have 3 to 63 lower-case letters, digits, \".\" and \"-\". Give the name of a bucket that exists, e.g. aws_s3_bucket.this.bucket, not its ARN."
  }

  validation {
    condition     = length(flatten(var.zip[*].layers)) <= 5
    error_message = "layers has ${length(flatten(var.zip[*].layers))} entries, and Lambda takes 5. Put the packages of several layers into one."
  }

  validation {
    condition     = alltrue([for arn in flatten(var.zip[*].layers) : can(regex("^arn:[^:]+:lambda:[^:]+:[^:]+:layer:[^:]+:[0-9]+$", arn))])
    error_message = "layers has ${join(", ", [for arn in flatten(var.zip[*].layers) : "\"${arn}\"" if !can(regex("^arn:[^:]+:lambda:[^:]+:[^:]+:layer:[^:]+:[0-9]+$", arn))])}: Lambda takes ARNs of layer versions. Use the ARN that ends in a version, e.g. aws_lambda_layer_version.this.arn."
  }
}

variable "image" {
  description = <<-EOT
    The code, as a container image; this or `zip`:
    - `uri`: its address in an ECR repository of the function's region, by digest:
      `<repository>@sha256:…`. What a tag means may change without a plan that says so;
    - `entry_point`, `command`, `working_directory`: in place of the image's own.
  EOT
  type = object({
    uri               = string
    entry_point       = optional(list(string))
    command           = optional(list(string))
    working_directory = optional(string)
  })
  default = null

  # Both rules stand here: two variables that each ask the other are a cycle.
  validation {
    condition     = var.zip != null || var.image != null
    error_message = "There is neither zip nor image, so ${var.name} would have no code. Give one of them."
  }

  validation {
    condition     = var.image == null || var.zip == null
    error_message = "There are both zip and image, and Lambda takes one of them. Leave the other out."
  }

  validation {
    condition     = alltrue([for uri in var.image[*].uri : can(regex("^[^@[:space:]]+/[^@[:space:]]+@sha256:[0-9a-f]{64}$", uri))])
    error_message = "The image's URI is \"${join("", var.image[*].uri)}\": an image is deployed by its digest, <repository>@sha256:…, so that a plan shows each change of it. See the digest:\n  aws ecr describe-images --repository-name NAME --image-ids imageTag=TAG --query imageDetails[].imageDigest"
  }

  # An empty list means the image's own to Lambda, and would be a difference in every plan.
  validation {
    condition     = alltrue([for words in concat(var.image[*].entry_point, var.image[*].command) : words == null ? true : length(words) > 0])
    error_message = "The image's entry_point or command is an empty list. Leave it out to have the image's own."
  }

  validation {
    condition     = alltrue([for folder in compact(var.image[*].working_directory) : startswith(folder, "/")])
    error_message = "The image's working_directory is \"${join("", compact(var.image[*].working_directory))}\", and Lambda takes an absolute path. Give it from \"/\", e.g. \"/var/task\"."
  }
}

variable "architecture" {
  description = "Machine that the function runs on: x86_64 or arm64."
  type        = string
  default     = "x86_64"
  nullable    = false

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture is \"${var.architecture}\": Lambda has x86_64 and arm64. Choose one of them."
  }
}

variable "compute" {
  description = <<-EOT
    What an invocation gets:
    - `memory_mb` (256): 128 to 10240; CPU grows with it;
    - `timeout_s` (30): 1 to 900;
    - `storage_mb` (512): size of /tmp, 512 to 10240;
    - `reserved_concurrency` (absent): instances kept for this function, and its limit; 0 stops it.
  EOT
  type = object({
    memory_mb            = optional(number, 256)
    timeout_s            = optional(number, 30)
    storage_mb           = optional(number, 512)
    reserved_concurrency = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.compute.memory_mb >= 128 && var.compute.memory_mb <= 10240 && floor(var.compute.memory_mb) == var.compute.memory_mb
    error_message = "compute.memory_mb is ${var.compute.memory_mb}: Lambda takes whole numbers from 128 to 10240. Choose one of them."
  }

  validation {
    condition     = var.compute.timeout_s >= 1 && var.compute.timeout_s <= 900 && floor(var.compute.timeout_s) == var.compute.timeout_s
    error_message = "compute.timeout_s is ${var.compute.timeout_s}: Lambda takes whole seconds from 1 to 900. Longer work belongs into several invocations or into another service."
  }

  validation {
    condition     = var.compute.storage_mb >= 512 && var.compute.storage_mb <= 10240 && floor(var.compute.storage_mb) == var.compute.storage_mb
    error_message = "compute.storage_mb is ${var.compute.storage_mb}: Lambda takes whole numbers from 512 to 10240. Choose one of them."
  }

  validation {
    condition     = var.compute.reserved_concurrency == null ? true : var.compute.reserved_concurrency >= 0 && floor(var.compute.reserved_concurrency) == var.compute.reserved_concurrency
    error_message = "compute.reserved_concurrency is ${coalesce(var.compute.reserved_concurrency, 0)}: Lambda takes whole numbers from 0. Leave it out to reserve nothing."
  }
}

variable "environment" {
  description = "Environment variables of the function. Not for secrets: everybody who may read the function may read them."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[a-zA-Z][a-zA-Z0-9_]+$", name))])
    error_message = "environment has ${join(", ", [for name in keys(var.environment) : "\"${name}\"" if !can(regex("^[a-zA-Z][a-zA-Z0-9_]+$", name))])}: Lambda takes names of two or more letters, digits and \"_\" that start with a letter. Rename it."
  }

  validation {
    condition     = length(setintersection(keys(var.environment), local.reserved_names)) == 0
    error_message = "environment has ${join(", ", setintersection(keys(var.environment), local.reserved_names))}: Lambda sets these itself and refuses them. Use another name; the function reads these without your setting them."
  }

  # Lambda measures the variables as JSON. length() counts characters, and base64 has four for every
  # three bytes.
  validation {
    condition     = floor(length(trim(base64encode(jsonencode(var.environment)), "=")) * 3 / 4) <= 4096
    error_message = "environment takes ${floor(length(trim(base64encode(jsonencode(var.environment)), "=")) * 3 / 4)} bytes, and Lambda takes 4096. Move large values into the package, SSM or Secrets Manager."
  }
}

variable "permissions" {
  description = <<-EOT
    What the function may do, beside writing its log: statements by name (letters and digits), each
    allowing `actions` on `resources`, under `conditions` (all must hold) if there are any.
  EOT
  type = map(object({
    actions   = list(string)
    resources = list(string)
    conditions = optional(list(object({
      test     = string
      variable = string
      values   = list(string)
    })), [])
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.permissions) : can(regex("^[a-zA-Z0-9]+$", name))])
    error_message = "permissions has ${join(", ", [for name in keys(var.permissions) : "\"${name}\"" if !can(regex("^[a-zA-Z0-9]+$", name))])}: a name becomes the statement's Sid, and IAM takes letters and digits only. Rename it."
  }

  validation {
    condition     = length(setintersection(keys(var.permissions), ["DeadLetter", "Logs", "Network", "Tracing"])) == 0
    error_message = "permissions has ${join(", ", setintersection(keys(var.permissions), ["DeadLetter", "Logs", "Network", "Tracing"]))}: the module uses this name itself. Rename the statement."
  }

  validation {
    condition     = alltrue([for statement in values(var.permissions) : length(statement.actions) > 0 && length(statement.resources) > 0])
    error_message = "permissions has no actions or no resources in ${join(", ", [for name, statement in var.permissions : name if length(statement.actions) == 0 || length(statement.resources) == 0])}: IAM refuses such a statement. Name them, or remove the statement."
  }

  validation {
    condition     = alltrue([for action in flatten(values(var.permissions)[*].actions) : can(regex("^[a-z0-9-]+:[a-zA-Z]+\\*?$", action))])
    error_message = "permissions allows ${join(", ", [for action in flatten(values(var.permissions)[*].actions) : "\"${action}\"" if !can(regex("^[a-z0-9-]+:[a-zA-Z]+\\*?$", action))])}: a function is granted named actions, such as s3:GetObject or s3:Get*. Name those that its code calls."
  }
}

variable "permissions_boundary" {
  description = "ARN of the IAM policy beyond which the function's role gets nothing, whatever it is granted. Absent: none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary == null ? true : can(regex("^arn:[^:]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary))
    error_message = "permissions_boundary is \"${coalesce(var.permissions_boundary, "-")}\": IAM takes the ARN of a policy. See those of the account:\n  aws iam list-policies --scope Local --query Policies[].Arn"
  }
}

variable "network" {
  description = "Subnets and security groups of a VPC that the function is to reach. Absent: no VPC, and the internet is within reach."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
  default = null

  validation {
    condition     = var.network == null ? true : length(var.network.subnet_ids) > 0
    error_message = "network.subnet_ids is empty: Lambda needs a subnet. Name at least one, better one for each of two availability zones, or leave network out."
  }

  validation {
    condition     = var.network == null ? true : length(var.network.security_group_ids) > 0
    error_message = "network.security_group_ids is empty: Lambda needs a security group. Name at least one, or leave network out."
  }
}

variable "tracing" {
  description = "X-Ray: Active samples requests by itself, PassThrough traces only what a caller traces."
  type        = string
  default     = "PassThrough"
  nullable    = false

  validation {
    condition     = contains(["Active", "PassThrough"], var.tracing)
    error_message = "tracing is \"${var.tracing}\": Lambda has Active and PassThrough. Choose one of them."
  }
}

variable "log_retention_days" {
  description = "Days for which CloudWatch keeps the function's log; 0 keeps it for ever."
  type        = number
  default     = 30
  nullable    = false
}

variable "dead_letter" {
  description = "SQS queue or SNS topic, by ARN, that takes asynchronous events which failed for good."
  type = object({
    arn = string
  })
  default = null

  validation {
    condition     = var.dead_letter == null ? true : can(regex("^arn:[^:]+:(sqs|sns):[^:]+:[^:]+:[^:]+$", var.dead_letter.arn))
    error_message = "dead_letter.arn is \"${var.dead_letter == null ? "" : var.dead_letter.arn}\": Lambda takes the ARN of an SQS queue or an SNS topic. Give its arn, not its URL."
  }
}

variable "release" {
  description = <<-EOT
    Which version the alias `live` serves. Absent: the newest, at once. Present: `version`, whatever
    is published, except for the share (0 to 1) that `additional_version_weights` gives another
    version, by its number: so an apply neither rolls out by surprise nor undoes a roll-back.
  EOT
  type = object({
    version                    = string
    additional_version_weights = optional(map(number), {})
  })
  default = null

  validation {
    condition     = var.release == null ? true : can(regex("^[1-9][0-9]*$", var.release.version))
    error_message = "release.version is \"${var.release == null ? "" : var.release.version}\": an alias points at a published version, a number. See which there are:\n  aws lambda list-versions-by-function --function-name ${var.name}"
  }

  # Lambda developer guide, "Implement Lambda canary deployments using a weighted alias".
  validation {
    condition     = var.release == null ? true : length(var.release.additional_version_weights) <= 1
    error_message = "release.additional_version_weights names the versions ${join(", ", keys(var.release == null ? {} : var.release.additional_version_weights))}: an alias serves two versions at most. Keep one of them."
  }

  validation {
    condition     = var.release == null ? true : alltrue([for version in keys(var.release.additional_version_weights) : can(regex("^[1-9][0-9]*$", version)) && version != var.release.version])
    error_message = "release.additional_version_weights names \"${join(", ", keys(var.release == null ? {} : var.release.additional_version_weights))}\": it takes the number of a published version other than release.version. See which there are:\n  aws lambda list-versions-by-function --function-name ${var.name}"
  }

  validation {
    condition     = var.release == null ? true : alltrue([for weight in values(var.release.additional_version_weights) : weight > 0 && weight <= 1])
    error_message = "release.additional_version_weights gives ${join(", ", values(var.release == null ? {} : var.release.additional_version_weights))}: it is a share of the requests, above 0 and up to 1. For one in ten, say 0.1; for none, leave the version out."
  }
}
