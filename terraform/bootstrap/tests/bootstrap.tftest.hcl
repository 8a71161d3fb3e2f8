mock_provider "aws" {
  source = "../tests/mocks"
}

variables {
  repository = "acme@1001/shop@2002"
}

run "each_role_trusts_its_own_subjects_and_the_audience_word_for_word" {
  assert {
    condition     = aws_iam_openid_connect_provider.github[0].url == "https://token.actions.githubusercontent.com" && aws_iam_openid_connect_provider.github[0].client_id_list == toset(["sts.amazonaws.com"])
    error_message = "The account must trust GitHub's tokens that are meant for AWS."
  }

  assert {
    condition = { for name, role in aws_iam_role.deploy : name => jsondecode(role.assume_role_policy).Statement[0].Condition } == {
      for name in ["production", "staging"] : name => {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = ["repo:acme@1001/shop@2002:environment:${name}"]
        }
      }
    }
    error_message = "A deploy role must trust its environment only."
  }

  assert {
    condition     = jsondecode(aws_iam_role.plan.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == ["repo:acme@1001/shop@2002:pull_request", "repo:acme@1001/shop@2002:ref:refs/heads/main"]
    error_message = "The plan role must trust pull requests and the branch that is deployed."
  }

  assert {
    condition     = alltrue([for role in concat([aws_iam_role.plan], values(aws_iam_role.deploy)) : length(jsondecode(role.assume_role_policy).Statement) == 1 && role.path == "/bootstrap/"])
    error_message = "There must be one way in, and no role where deploy roles may change it."
  }

  # State and packages: private, encrypted, by TLS.
  assert {
    condition     = aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled"
    error_message = "The state's versions must be kept."
  }

  assert {
    condition     = alltrue([for block in [aws_s3_bucket_public_access_block.state, aws_s3_bucket_public_access_block.packages] : block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets])
    error_message = "Neither bucket may become public."
  }

  assert {
    condition     = alltrue([for policy in [aws_s3_bucket_policy.state, aws_s3_bucket_policy.packages] : jsondecode(policy.policy).Statement[0].Effect == "Deny" && jsondecode(policy.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"])
    error_message = "Both buckets must refuse what does not come by TLS."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.state.rule[0].noncurrent_version_expiration[0].noncurrent_days == 90 && length(aws_s3_bucket_lifecycle_configuration.packages.rule[0].expiration) == 0
    error_message = "Old states must go, and no package that the stack's state has."
  }

  # What comes next.
  assert {
    condition     = keys(output.backend_files) == ["backend.tf", "bootstrap.auto.tfvars", "bootstrap/backend.tf", "environments/production.s3.tfbackend", "environments/staging.s3.tfbackend"]
    error_message = "The files of the backend must be told, but are ${join(", ", keys(output.backend_files))}."
  }

  assert {
    condition     = strcontains(output.backend_files["environments/staging.s3.tfbackend"], "key          = \"stack/staging.tfstate\"") && alltrue([for path in ["bootstrap/backend.tf", "environments/staging.s3.tfbackend", "environments/production.s3.tfbackend"] : strcontains(output.backend_files[path], "use_lockfile = true")])
    error_message = "Each environment must have a state of its own, and each state a lock."
  }

  assert {
    condition     = strcontains(output.backend_files["bootstrap.auto.tfvars"], "\naws_region                = \"eu-central-1\"\npermissions_boundary_path = \"/bootstrap/\"\n")
    error_message = "The stack must lie where its roles reach, but gets:\n${output.backend_files["bootstrap.auto.tfvars"]}"
  }

  assert {
    condition     = keys(output.github_variables.repository) == ["AWS_PLAN_ROLE_ARN", "AWS_REGION"] && keys(output.github_variables.environments.staging) == ["AWS_DEPLOY_ROLE_ARN"]
    error_message = "GitHub's variables must be told."
  }

  assert {
    condition     = strcontains(output.github_commands, "environments/staging/deployment-branch-policies' -f name='main'\n") && strcontains(output.github_commands, "gh variable set AWS_REGION --body 'eu-central-1'\n") && strcontains(output.github_commands, "gh variable set AWS_DEPLOY_ROLE_ARN --env staging --body 'arn:aws:iam::123456789012:role/mocked'")
    error_message = "The commands must set them, but are:\n${output.github_commands}"
  }
}

run "an_older_repository_another_branch_and_an_account_that_has_githubs_provider" {
  variables {
    repository               = "acme/shop"
    branch                   = "release/1.x"
    project_name             = "shop"
    environments             = ["live"]
    github_oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && jsondecode(aws_iam_role.plan.assume_role_policy).Statement[0].Principal.Federated == var.github_oidc_provider_arn
    error_message = "The account's own provider must be used."
  }

  assert {
    condition     = local.subjects == { plan = ["repo:acme/shop:pull_request", "repo:acme/shop:ref:refs/heads/release/1.x"], live = ["repo:acme/shop:environment:live"] }
    error_message = "Subjects must be those of the repository and the branch."
  }

  assert {
    condition     = aws_s3_bucket.state.bucket == "shop-state-123456789012" && aws_s3_bucket.packages.bucket == "shop-packages-123456789012" && aws_iam_role.deploy["live"].name == "shop-deploy-live" && aws_iam_policy.boundary["live"].name == "shop-live"
    error_message = "Names must start with the project's."
  }
}

# One run breaks a rule of every variable that has one left.

run "each_variable_refuses_what_breaks_its_first_rule" {
  command = plan

  variables {
    repository               = "https://github.com/acme/shop"
    branch                   = "*"
    project_name             = "Shop"
    environments             = []
    github_oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/example.com"
  }

  expect_failures = [var.repository, var.branch, var.project_name, var.environments, var.github_oidc_provider_arn]
}

run "each_variable_refuses_what_breaks_its_second_rule" {
  command = plan

  variables {
    repository   = "acme/shop@2002"
    environments = ["staging", "pre-production"]
  }

  expect_failures = [var.repository, var.environments]
}

run "an_environment_is_refused_whose_names_are_the_bootstraps_own" {
  command = plan

  variables {
    environments = ["state"]
  }

  expect_failures = [var.environments]
}

run "a_repository_with_a_wildcard_is_refused" {
  command = plan

  variables {
    repository = "acme/*"
  }

  expect_failures = [var.repository]
}
