output "function" {
  description = "The function, as every trigger takes it: name, arn, version, alias_name, alias_arn, invoke_arn (of the alias), role_name, role_arn, log_group_name, timeout_s, architecture, runtime."
  value       = module.function.function
}

output "package" {
  description = "What was built: `path` of the ZIP, `digest` of the build's inputs, `lock` (its SHA-256, or \"\" without one), `unzipped_bytes`."
  value = {
    path           = data.archive_file.this.output_path
    digest         = data.external.build.result.digest
    lock           = data.external.build.result.lock
    unzipped_bytes = tonumber(data.external.build.result.unzipped_bytes)
  }
}
