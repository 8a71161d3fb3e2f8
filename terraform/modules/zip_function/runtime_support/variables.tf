variable "runtime" {
  description = "Lambda's name of the runtime, e.g. python3.11."
  type        = string
  nullable    = false

  validation {
    condition     = contains(keys(local.deprecated_on), var.runtime)
    error_message = "runtime is \"${var.runtime}\": packages are built for ${join(", ", keys(local.deprecated_on))}. Choose one of them."
  }
}

variable "now" {
  description = "The time of the plan, RFC 3339."
  type        = string
  nullable    = false
}
