output "function" {
  description = "The function, as every trigger takes it: name, arn, version, alias_name, alias_arn, invoke_arn (of the alias), role_name, role_arn, log_group_name, timeout_s, architecture, runtime (null for an image)."
  value       = module.function.function
}

output "package" {
  description = "What is deployed: `uri` of the image, by digest; and, where it was built here, `digest` of its inputs, its `tag`, and `lock` (its SHA-256, or \"\" without one); `repository_url` where there is a package."
  value = {
    uri            = local.is_built ? data.aws_ecr_image.pushed[0].image_uri : var.image_uri
    repository_url = one(aws_ecr_repository.this[*].repository_url)
    digest         = one(data.external.build[*].result.digest)
    tag            = one(data.external.build[*].result.tag)
    lock           = one(data.external.build[*].result.lock)
  }
}
