output "function" {
  description = "The function, as every trigger takes it. `invoke_arn` and `alias_arn` are those of the alias `live`: callers never get the bare function. `runtime` is null for an image, as Lambda has it."
  value = {
    name           = aws_lambda_function.this.function_name
    arn            = aws_lambda_function.this.arn
    version        = aws_lambda_function.this.version
    alias_name     = aws_lambda_alias.live.name
    alias_arn      = aws_lambda_alias.live.arn
    invoke_arn     = aws_lambda_alias.live.invoke_arn
    role_name      = aws_iam_role.this.name
    role_arn       = aws_iam_role.this.arn
    log_group_name = aws_cloudwatch_log_group.this.name
    timeout_s      = aws_lambda_function.this.timeout
    architecture   = var.architecture
    runtime        = one(var.zip[*].runtime)
  }
}
