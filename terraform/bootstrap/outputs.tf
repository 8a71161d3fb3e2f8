output "state_bucket" {
  description = "Bucket of Terraform's state."
  value       = aws_s3_bucket.state.bucket
}

output "packages_bucket" {
  description = "Bucket for packages over the direct upload limit: package.bucket of modules/zip_function."
  value       = aws_s3_bucket.packages.bucket
}

output "plan_role_arn" {
  description = "Role that plans, and only reads."
  value       = aws_iam_role.plan.arn
}

output "deploy_role_arns" {
  description = "Role that deploys, by environment."
  value       = { for name, role in aws_iam_role.deploy : name => role.arn }
}

output "boundary_arns" {
  description = "Permission boundary of the functions' roles, by environment."
  value       = { for name, policy in aws_iam_policy.boundary : name => policy.arn }
}

output "github_variables" {
  description = "GitHub Actions variables to set: `repository`'s, and those of each of `environments`. None is secret."
  value       = local.github_variables
}

output "github_commands" {
  description = "Commands that set them, with the GitHub CLI, and make the environments, for the branch only. Name reviewers after them: an environment that took other branches is made anew."
  value = join("\n", concat(
    [for variable, value in local.github_variables.repository : "gh variable set ${variable} --body '${value}'"],
    flatten([
      for name, variables in local.github_variables.environments : concat(
        [
          # A PUT replaces all rules of an environment, and what it does not say it takes away, such as
          # reviewers: so it is left out where there is nothing to set.
          "[ \"$(gh api 'repos/{owner}/{repo}/environments/${name}' --jq .deployment_branch_policy.custom_branch_policies 2>/dev/null)\" = true ] || gh api --silent --method PUT 'repos/{owner}/{repo}/environments/${name}' -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true'",
          "gh api --silent --method POST 'repos/{owner}/{repo}/environments/${name}/deployment-branch-policies' -f name='${var.branch}'",
        ],
        [for variable, value in variables : "gh variable set ${variable} --env ${name} --body '${value}'"],
      )
    ]),
  ))
}

output "backend_files" {
  description = "Files of terraform/ that say where the state and the stack lie, by path: `make bootstrap` writes them, and they are committed."
  value = merge(
    {
      "bootstrap/backend.tf" = <<-EOT
        # Written by make bootstrap; commit it.
        terraform {
          backend "s3" {
            bucket       = "${aws_s3_bucket.state.bucket}"
            key          = "bootstrap.tfstate"
            region       = "${local.region}"
            encrypt      = true
            use_lockfile = true
          }
        }
      EOT

      "backend.tf" = <<-EOT
        # Written by make bootstrap; commit it. Which state, environments/NAME.s3.tfbackend says:
        #   terraform init -reconfigure -backend-config=environments/NAME.s3.tfbackend
        terraform {
          backend "s3" {}
        }
      EOT

      "bootstrap.auto.tfvars" = <<-EOT
        # Written by make bootstrap; commit it. The state is of the stack in this region, whoever plans and
        # wherever; deploy roles reach no other, and make no function's role without its boundary.
        aws_region                = "${local.region}"
        permissions_boundary_path = "${local.path}"
      EOT
    },
    {
      for name, key in local.state_keys : "environments/${name}.s3.tfbackend" => <<-EOT
        # Written by make bootstrap; commit it.
        bucket       = "${aws_s3_bucket.state.bucket}"
        key          = "${key}"
        region       = "${local.region}"
        encrypt      = true
        use_lockfile = true
      EOT
    },
  )
}

locals {
  github_variables = {
    repository = {
      AWS_PLAN_ROLE_ARN = aws_iam_role.plan.arn
      AWS_REGION        = local.region
    }
    environments = {
      for name, role in aws_iam_role.deploy : name => { AWS_DEPLOY_ROLE_ARN = role.arn }
    }
  }
}
