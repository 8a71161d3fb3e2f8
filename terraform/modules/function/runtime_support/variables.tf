variable "runtime" {
  description = "Lambda's name of the runtime, e.g. python3.11."
  type        = string
  nullable    = false

  validation {
    condition     = contains(keys(local.deprecated_on), var.runtime)
    error_message = "runtime is \"${var.runtime}\": packages are built for ${join(", ", keys(local.deprecated_on))}. Choose one of them."
  }
}

variable "package_type" {
  description = "What runs on it: Zip, a function on the runtime itself; Image, one on AWS's base image of it."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["Image", "Zip"], var.package_type)
    error_message = "package_type is \"${var.package_type}\": Lambda has Image and Zip. Choose one of them."
  }
}

variable "now" {
  description = "The time of the plan, RFC 3339."
  type        = string
  nullable    = false
}
