locals {
  project_name = join("-", compact([var.project_name, var.environment]))

  permissions_boundary = var.permissions_boundary_path == null ? null : "arn:${data.aws_partition.this.partition}:iam::${data.aws_caller_identity.this.account_id}:policy${var.permissions_boundary_path}${local.project_name}"

  # Relative to the root, so that the stack plans the same in every folder.
  backend_dir  = "${path.root}/../backend"
  packages_dir = "${path.root}/../lambda_packages"
}
