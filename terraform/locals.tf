locals {
  project_name = join("-", compact([var.project_name, var.environment]))

  # Relative to the root, so that the stack plans the same in every folder.
  backend_dir  = "${path.root}/../backend"
  packages_dir = "${path.root}/../lambda_packages"
}
