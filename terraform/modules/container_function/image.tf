locals {
  # An image from outside is deployed as it is, and nothing is built.
  is_built     = var.package != null && var.image_uri == null
  package_name = coalesce(one(var.package[*].name), lower(var.name))
  build_script = "${path.module}/../../../scripts/run_lambda_build.py"
}

# Tells the digest of the image's inputs, and needs Docker for build_in_docker only. Runs at plan; nothing unknown may reach
# `query`, or it would run at apply.
data "external" "build" {
  count = local.is_built ? 1 : 0

  # A file of the standard library only: it finds the project's environment, or brings one.
  program = ["python3", local.build_script, "terraform-image"]

  query = {
    name            = local.package_name
    source          = var.package.source
    requirements    = var.package.requirements
    runtime         = var.runtime
    architecture    = var.architecture
    handler         = var.handler
    base_image      = var.package.base_image
    output_dir      = var.package.output_dir
    provided        = jsonencode(var.package.provided)
    build_in_docker = var.package.build_in_docker
  }
}

locals {
  build = one(data.external.build[*].result)
}

# The image that is wanted. While it is new, its output is unknown until the apply, and so is whatever
# is asked by it.
resource "terraform_data" "wanted" {
  count = local.is_built ? 1 : 0

  input = {
    tag         = local.build.tag
    registry_id = aws_ecr_repository.this[0].registry_id
  }
}

# A token lasts twelve hours. For an image that is to be pushed it is fetched at apply: a saved plan
# may be older, and travels.
data "aws_ecr_authorization_token" "this" {
  count = local.is_built ? 1 : 0

  registry_id = terraform_data.wanted[0].output.registry_id
}

# Builds and pushes, unless the repository holds the tag.
resource "terraform_data" "image" {
  count = local.is_built ? 1 : 0

  input            = local.build.tag
  triggers_replace = [local.build.tag, aws_ecr_repository.this[0].repository_url]

  provisioner "local-exec" {
    # An argument list, and no shell.
    interpreter = ["python3", local.build_script]
    command     = "push-image"

    environment = {
      LAMBDA_BUILD_IMAGE = jsonencode(merge(data.external.build[0].query, {
        tag            = local.build.tag
        base_image     = local.build.base_image
        repository_url = aws_ecr_repository.this[0].repository_url
      }))
      LAMBDA_BUILD_REGISTRY_USER = data.aws_ecr_authorization_token.this[0].user_name
      # Terraform shows no environment of a program. Left sensitive, the token would have it hide all
      # that the build says.
      LAMBDA_BUILD_REGISTRY_PASSWORD = nonsensitive(data.aws_ecr_authorization_token.this[0].password)
    }
  }

  # Lambda may pull as soon as there is something to pull.
  depends_on = [aws_ecr_repository_policy.this]
}

# By what was pushed: asked after it, and again at each plan.
data "aws_ecr_image" "pushed" {
  count = local.is_built ? 1 : 0

  repository_name = aws_ecr_repository.this[0].name
  image_tag       = terraform_data.image[0].output
}
