variable "name" {
  description = "Name of the API and of its access log."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.name))
    error_message = "name is \"${var.name}\": it also names a log group and permissions, so 1 to 64 letters, digits, \"-\" and \"_\". Choose such a name."
  }
}

variable "description" {
  description = "What the API offers."
  type        = string
  default     = ""
  nullable    = false
}

variable "routes" {
  description = <<-EOT
    What answers which request, by route key (`GET /pets/{id}`, `ANY /{proxy+}`, `$default`):
    - `function`: the output `function` of a function module;
    - `throttling`: limits of this route alone.
  EOT
  type = map(object({
    function = object({
      name       = string
      alias_name = string
      invoke_arn = string
      timeout_s  = number
    })
    throttling = optional(object({
      requests_per_second = number
      burst               = number
    }))
  }))
  nullable = false

  validation {
    condition     = length(var.routes) > 0
    error_message = "routes is empty, so the API would answer nothing. Name at least one, e.g. { \"GET /\" = { function = module.hello.function } }."
  }

  validation {
    condition     = alltrue([for key in keys(var.routes) : can(regex(local.route_key, key))])
    error_message = "routes has ${join(", ", [for key in keys(var.routes) : "\"${key}\"" if !can(regex(local.route_key, key))])}: a route key is a method (DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, ANY), a space and a path from \"/\", or \"$default\". Write it like that."
  }

  validation {
    condition     = alltrue([for key in keys(var.routes) : !can(regex("{[^}]*\\+}.", key))])
    error_message = "routes has ${join(", ", [for key in keys(var.routes) : "\"${key}\"" if can(regex("{[^}]*\\+}.", key))])}: a greedy variable such as {proxy+} takes the rest of the path. Put it last."
  }

  validation {
    condition     = alltrue([for route in values(var.routes) : route.throttling == null ? true : route.throttling.requests_per_second > 0 && route.throttling.burst > 0])
    error_message = "routes has throttling that lets nothing through in ${join(", ", [for key, route in var.routes : "\"${key}\"" if route.throttling == null ? false : route.throttling.requests_per_second <= 0 || route.throttling.burst <= 0])}: API Gateway takes 0 as no requests at all. Give both values above 0, or remove the route."
  }
}

variable "throttling" {
  description = "Limits of each route that has none of its own: steady `requests_per_second`, and `burst` above it. They bound what a flood of requests costs."
  type = object({
    requests_per_second = optional(number, 20)
    burst               = optional(number, 40)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.throttling.requests_per_second > 0 && var.throttling.burst > 0
    error_message = "throttling is ${var.throttling.requests_per_second} requests_per_second with a burst of ${var.throttling.burst}: API Gateway takes 0 as no requests at all. Give both values above 0."
  }
}

variable "cors" {
  description = "Which web pages of other origins may call the API. Absent: none."
  type = object({
    allow_origins     = list(string)
    allow_methods     = optional(list(string), ["*"])
    allow_headers     = optional(list(string), ["content-type"])
    expose_headers    = optional(list(string), [])
    allow_credentials = optional(bool, false)
    max_age_s         = optional(number, 300)
  })
  default = null

  validation {
    condition     = var.cors == null ? true : length(var.cors.allow_origins) > 0
    error_message = "cors.allow_origins is empty. Name the origins, e.g. [\"https://example.com\"], or leave cors out."
  }

  validation {
    condition     = var.cors == null ? true : alltrue([for origin in var.cors.allow_origins : can(regex("^(\\*|https?://[^/\\s]+)$", origin))])
    error_message = "cors.allow_origins is ${jsonencode(var.cors == null ? [] : var.cors.allow_origins)}: an origin is a scheme and a host without a path or a slash at the end, such as https://example.com, or \"*\". Write it like that."
  }

  validation {
    condition     = var.cors == null ? true : !(var.cors.allow_credentials && contains(var.cors.allow_origins, "*"))
    error_message = "cors.allow_credentials is true while allow_origins has \"*\": browsers and API Gateway refuse that. Name the origins."
  }

  validation {
    condition     = var.cors == null ? true : var.cors.max_age_s >= 0 && var.cors.max_age_s <= 86400
    error_message = "cors.max_age_s is ${var.cors == null ? 0 : var.cors.max_age_s}: API Gateway takes 0 to 86400. Choose one of them."
  }
}

variable "log_retention_days" {
  description = "Days for which CloudWatch keeps the access log; 0 keeps it for ever."
  type        = number
  default     = 30
  nullable    = false
}
