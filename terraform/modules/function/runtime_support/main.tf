# How long Lambda supports a Python runtime, told for a given day so that it can be tested.

terraform {
  required_version = ">= 1.11"
}

locals {
  # Lambda developer guide, "Lambda runtimes", as of 2026-11. AWS's base image of a runtime is kept up
  # as long as the runtime.
  deprecated_on = {
    "python3.11" = "2027-06-30"
    "python3.12" = "2028-10-31"
    "python3.13" = "2029-06-30"
    "python3.14" = "2029-06-30"
  }

  # Beside the security patches, which end for both.
  consequence = {
    Zip   = "; AWS stops creating functions on it a month later, updating them after two"
    Image = ""
  }[var.package_type]

  subject = {
    Zip   = var.runtime
    Image = "AWS's base image of ${var.runtime}"
  }[var.package_type]

  notice = "4320h" # 180 days, about what AWS itself gives

  date          = local.deprecated_on[var.runtime]
  midnight      = "${local.date}T00:00:00Z"
  is_deprecated = timecmp(var.now, local.midnight) >= 0
  is_near       = timecmp(timeadd(var.now, local.notice), local.midnight) >= 0
  successors    = [for runtime, date in local.deprecated_on : runtime if timecmp("${date}T00:00:00Z", local.midnight) > 0]
  advice        = "Move to ${length(local.successors) == 0 ? "a newer runtime" : local.successors[0]}: set runtime, then make the lock for it."
}
