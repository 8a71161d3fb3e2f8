variable "repository" {
  description = <<-EOT
    The GitHub repository whose workflows may deploy, as GitHub's tokens name it: owner@OWNER_ID/name@ID
    for one that was made, renamed or moved after 2026-07-15, owner/name for an older one:
      gh api repos/OWNER/NAME/actions/oidc/customization/sub --jq .sub_claim_prefix
    (without "repo:").
  EOT
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9_-]*(@[0-9]+)?/[a-zA-Z0-9._-]+(@[0-9]+)?$", var.repository))
    error_message = "repository is \"${var.repository}\": roles trust one repository, owner/name or owner@OWNER_ID/name@ID, and no pattern or URL. See how GitHub's tokens name yours:\n  gh api repos/OWNER/NAME/actions/oidc/customization/sub --jq .sub_claim_prefix"
  }

  # One id alone is in no token, and whoever gets the other's name later could be trusted.
  validation {
    condition     = contains([0, 2], length(regexall("@", var.repository)))
    error_message = "repository is \"${var.repository}\", with one id: GitHub's tokens have the owner's and the repository's, or neither. See both:\n  gh api repos/OWNER/NAME/actions/oidc/customization/sub --jq .sub_claim_prefix"
  }
}

variable "branch" {
  description = "The branch whose pushes are deployed. Its jobs may plan; the environments' own rules say who may deploy."
  type        = string
  default     = "main"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9._/-]+$", var.branch))
    error_message = "branch is \"${var.branch}\": roles trust one branch by its name, and no pattern. Name it, e.g. \"main\"."
  }
}

variable "project_name" {
  description = "The stack's project_name: deploy roles reach what is named so, followed by the environment."
  type        = string
  default     = "python-lambda"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,29}$", var.project_name))
    error_message = "project_name is \"${var.project_name}\": names of functions, roles and buckets start with it, so 1 to 30 lower-case letters, digits and \"-\", a letter first. Give the stack's project_name."
  }
}

variable "environments" {
  description = "The environments of this account, named in GitHub as in the stack's terraform/environments/NAME.tfvars."
  type        = set(string)
  default     = ["staging", "production"]
  nullable    = false

  validation {
    condition     = length(var.environments) > 0
    error_message = "environments is empty, so nobody could deploy. Name at least one, e.g. [\"production\"]."
  }

  validation {
    condition     = alltrue([for name in var.environments : can(regex("^[a-z0-9]{1,12}$", name))])
    error_message = "environments has ${join(", ", [for name in var.environments : "\"${name}\"" if !can(regex("^[a-z0-9]{1,12}$", name))])}: an environment becomes part of names, so 1 to 12 lower-case letters and digits. Choose such a name."
  }

  # PROJECT-state-ACCOUNT would be a bucket of the environment "state", and its deploy role could
  # write every environment's state.
  validation {
    condition     = length(setintersection(var.environments, local.reserved_environments)) == 0
    error_message = "environments has ${join(", ", setintersection(var.environments, local.reserved_environments))}: names that start so are this configuration's own. Choose another name."
  }
}

variable "aws_region" {
  description = "AWS region of the buckets and of the stack. Absent: the one of the environment or the profile, such as AWS_REGION."
  type        = string
  default     = null
}

variable "github_oidc_provider_arn" {
  description = "ARN of the account's OIDC provider for GitHub Actions, which an account has once. Absent: it is made here."
  type        = string
  default     = null

  validation {
    condition     = var.github_oidc_provider_arn == null ? true : can(regex("^arn:[^:]+:iam::[0-9]{12}:oidc-provider/token\\.actions\\.githubusercontent\\.com$", var.github_oidc_provider_arn))
    error_message = "github_oidc_provider_arn is \"${coalesce(var.github_oidc_provider_arn, "-")}\": it is that of token.actions.githubusercontent.com. See whether there is one:\n  aws iam list-open-id-connect-providers"
  }
}
