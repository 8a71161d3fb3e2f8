output "function" {
  description = "The function, as every trigger takes it: name, arn, version, alias_name, alias_arn, invoke_arn (of the alias), role_name, role_arn, log_group_name, timeout_s, architecture, runtime (null for an image)."
  value       = one(concat(module.zip[*].function, module.image[*].function))
}

output "package" {
  description = "What is deployed: `path` of the ZIP; or `uri` of the image, by digest, its `repository_url` and `tag`; and what either was built from, `digest` and `lock`. What there is not is null."
  value = {
    path           = one(module.zip[*].package.path)
    uri            = one(module.image[*].package.uri)
    repository_url = one(module.image[*].package.repository_url)
    tag            = one(module.image[*].package.tag)
    digest         = one(concat(module.zip[*].package.digest, module.image[*].package.digest))
    lock           = one(concat(module.zip[*].package.lock, module.image[*].package.lock))
  }
}
