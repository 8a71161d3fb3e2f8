resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_173:Encrypted with Lambda's key; the variables are no place for secrets, as their description says
  #checkov:skip=CKV_AWS_272:The precondition below holds the code to the file that was planned; images cannot be signed this way at all
  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn
  publish       = true

  package_type  = var.image == null ? "Zip" : "Image"
  architectures = [var.architecture]

  # A ZIP; what has no value here belongs to an image, which has its digest in its address.
  filename = local.bucket == null ? one(var.zip[*].path) : null
  # Not one(…[*]): while the object is being removed, that is unknown, and the apply fails.
  s3_bucket        = local.bucket == null ? null : aws_s3_object.zip[0].bucket
  s3_key           = local.bucket == null ? null : aws_s3_object.zip[0].key
  source_code_hash = one(var.zip[*].digest)
  runtime          = one(var.zip[*].runtime)
  handler          = one(var.zip[*].handler)
  layers           = one(var.zip[*].layers)

  image_uri = one(var.image[*].uri)

  # An empty block is a difference in every plan.
  dynamic "image_config" {
    for_each = [for image in var.image[*] : image if anytrue([for setting in [image.entry_point, image.command, image.working_directory] : setting != null])]

    content {
      entry_point       = image_config.value.entry_point
      command           = image_config.value.command
      working_directory = image_config.value.working_directory
    }
  }

  memory_size                    = var.compute.memory_mb
  timeout                        = var.compute.timeout_s
  reserved_concurrent_executions = var.compute.reserved_concurrency

  ephemeral_storage {
    size = var.compute.storage_mb
  }

  tracing_config {
    mode = var.tracing
  }

  # An empty block is a difference in every plan.
  dynamic "environment" {
    for_each = length(var.environment) == 0 ? [] : [var.environment]

    content {
      variables = environment.value
    }
  }

  dynamic "vpc_config" {
    for_each = var.network[*]

    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  dynamic "dead_letter_config" {
    for_each = var.dead_letter[*]

    content {
      target_arn = dead_letter_config.value.arn
    }
  }

  lifecycle {
    # A saved plan uploads whatever lies at the path when it is applied; this is asked again then.
    precondition {
      condition     = local.is_planned_file
      error_message = local.other_file
    }
  }

  # The first invocation must already be allowed to log.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}
