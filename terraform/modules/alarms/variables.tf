variable "name" {
  description = "What the names of the topic, of the dashboard and of the APIs' alarms start with."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.name))
    error_message = "name is \"${var.name}\": it names an SNS topic and a dashboard, so 1 to 64 letters, digits, \"-\" and \"_\". Choose such a name."
  }
}

variable "functions" {
  description = "Functions to watch, by a name of your choice: the output `function` of a function module."
  type = map(object({
    name       = string
    alias_name = string
    version    = string
    timeout_s  = number
  }))
  nullable = false
}

variable "apis" {
  description = "HTTP APIs to watch, by a name of your choice: the output `id` of `http_api`."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "emails" {
  description = "Who is told of an alarm. AWS asks each address once whether it wants that."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))])
    error_message = "emails has ${join(", ", [for email in var.emails : "\"${email}\"" if !can(regex("^[^@\\s]+@[^@\\s]+$", email))])}: SNS takes addresses such as team@example.com. Write it like that."
  }
}

variable "thresholds" {
  description = <<-EOT
    From what on alarms ring, each in one minute:
    - `errors` (1): invocations of a function's alias that failed;
    - `throttles` (1): invocations that Lambda refused, because too many ran;
    - `duration_percent` (90): part of its timeout that the slowest hundredth of a function's
      invocations takes (p99);
    - `api_5xx_percent` (5): part of an API's requests that it answers with 500 to 599.
  EOT
  type = object({
    errors           = optional(number, 1)
    throttles        = optional(number, 1)
    duration_percent = optional(number, 90)
    api_5xx_percent  = optional(number, 5)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.thresholds.errors >= 1 && var.thresholds.throttles >= 1
    error_message = "thresholds has errors ${var.thresholds.errors} and throttles ${var.thresholds.throttles}: below 1 the alarm would always ring. Choose 1 or more."
  }

  validation {
    condition     = alltrue([for percent in [var.thresholds.duration_percent, var.thresholds.api_5xx_percent] : percent > 0 && percent <= 100])
    error_message = "thresholds has duration_percent ${var.thresholds.duration_percent} and api_5xx_percent ${var.thresholds.api_5xx_percent}: both are parts of a whole. Choose above 0 and up to 100."
  }
}
