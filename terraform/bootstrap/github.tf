# GitHub signs a token for each job; IAM takes it for a role's credentials, for an hour. Nothing that
# lasts is kept at GitHub.
resource "aws_iam_openid_connect_provider" "github" {
  count = var.github_oidc_provider_arn == null ? 1 : 0

  url            = "https://${local.github}"
  client_id_list = [local.audience]
}

locals {
  github   = "token.actions.githubusercontent.com"
  audience = "sts.amazonaws.com"

  provider_arn = var.github_oidc_provider_arn == null ? one(aws_iam_openid_connect_provider.github[*].arn) : var.github_oidc_provider_arn

  # Who is trusted, as the tokens' subjects say it; each in full. A job that names an environment has
  # the environment's subject only, and GitHub lets it begin when the environment's rules do.
  subjects = merge(
    {
      plan = [
        # Pull requests from branches of this repository: GitHub gives those of forks no token.
        "repo:${var.repository}:pull_request",
        # The job that builds and plans what is then deployed.
        "repo:${var.repository}:ref:refs/heads/${var.branch}",
      ]
    },
    { for name in var.environments : name => ["repo:${var.repository}:environment:${name}"] },
  )

  trust = {
    for role, subjects in local.subjects : role => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Sid       = "GitHubActions"
        Effect    = "Allow"
        Principal = { Federated = local.provider_arn }
        Action    = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "${local.github}:aud" = local.audience
            "${local.github}:sub" = subjects
          }
        }
      }]
    })
  }
}
