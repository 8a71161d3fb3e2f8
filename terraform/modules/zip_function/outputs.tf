output "function" {
  description = "The function, as every trigger takes it: name, arn, version, alias_name, alias_arn, invoke_arn (of the alias), role_name, role_arn, log_group_name, timeout_s, architecture, runtime."
  value       = module.function.function
}

output "package" {
  description = "What was built: `path` of the ZIP, `digest` of the build's inputs, `lock` (its SHA-256, or \"\" without one)."
  # Not its sizes: they follow the machine's Python and compressor, and an output that differs is a
  # change in a plan.
  value = {
    path   = local.zip_path
    digest = data.external.build.result.digest
    lock   = data.external.build.result.lock
  }

  precondition {
    condition     = local.zip.bytes <= local.upload_limit_mb * local.megabyte_bytes || var.package.bucket != null
    error_message = "${local.zip_path} has ${ceil(local.zip.bytes / local.megabyte_bytes)} MB, and Lambda takes ${local.upload_limit_mb} MB by direct upload. Name an S3 bucket of the function's region, which it is then uploaded through, in package.bucket; or leave out what the function does not need: files by .lambdaignore in ${var.package.source}, packages in ${var.package.requirements}."
  }
}
