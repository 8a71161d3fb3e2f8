variable "name" {
  description = "Name of the function, its role and its log group; of an image, in lower case, of its repository."
  type        = string
  nullable    = false
}

variable "folder" {
  description = "Folder that holds the function's code, relative to the root module, and in it function.json: `description`, `runtime`, `architecture`, `handler`, `dependencies` (how packages are carried: zip, the default, or image), `requirements`, `provided`, `build_in_docker`, and for an image `base_image` and `glibc`."
  type        = string
  nullable    = false

  validation {
    condition     = fileexists("${var.folder}/function.json")
    error_message = "There is no ${var.folder}/function.json, which says what the function is. Write one, or use the module zip_function or container_function, which take it as variables."
  }

  validation {
    condition     = contains(["zip", "image"], try(jsondecode(file("${var.folder}/function.json")).dependencies, "zip"))
    error_message = "${var.folder}/function.json carries dependencies in \"${try(jsondecode(file("${var.folder}/function.json")).dependencies, "")}\". Say \"zip\" or \"image\"."
  }
}

variable "output_dir" {
  description = "Where packages are written, relative to the root module."
  type        = string
  default     = "lambda_packages"
  nullable    = false
}

variable "base_image" {
  description = "What an image is built on, in place of what function.json says. A ZIP has none."
  type        = string
  default     = null
}

variable "image_uri" {
  description = "An image that something else has built, by digest, <repository>@sha256:…: nothing is built then. A ZIP has none."
  type        = string
  default     = null

  validation {
    condition     = var.image_uri == null || try(jsondecode(file("${var.folder}/function.json")).dependencies, "zip") == "image"
    error_message = "image_uri is given, and ${var.folder}/function.json carries dependencies in a ZIP. Say \"dependencies\": \"image\" there, or leave image_uri out."
  }
}

# What follows is passed on to the module function, which defaults and checks it.

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

variable "release" {
  description = "Which version the alias `live` serves. Absent: the newest. Present: `version`, except for the share (0 to 1) that `additional_version_weights` gives another version."
  type = object({
    version                    = string
    additional_version_weights = optional(map(number))
  })
  default = null
}
