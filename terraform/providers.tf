# Credentials and endpoints come from the environment, so that the same stack applies to AWS and to
# the local AWS.
provider "aws" {
  region = var.aws_region

  default_tags {
    tags = merge({ Project = local.project_name, ManagedBy = "Terraform" }, var.tags)
  }
}
