mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  name = "hello"
  zip = {
    path    = "tests/hello_function.zip"
    sha256  = filebase64sha256("tests/hello_function.zip")
    digest  = "the build's inputs"
    runtime = "python3.13"
    handler = "index.handler"
  }
}

run "a_function_needs_nothing_but_a_name_and_code" {
  assert {
    condition     = aws_lambda_function.this.function_name == "hello" && aws_lambda_function.this.publish
    error_message = "The function must be named as asked, and every change published."
  }

  assert {
    condition     = aws_lambda_function.this.memory_size == 256 && aws_lambda_function.this.timeout == 30 && aws_lambda_function.this.ephemeral_storage[0].size == 512
    error_message = "The defaults of compute must be 256 MB, 30 s and 512 MB of /tmp."
  }

  assert {
    condition     = aws_lambda_function.this.architectures == tolist(["x86_64"]) && aws_lambda_function.this.tracing_config[0].mode == "PassThrough"
    error_message = "The defaults must be x86_64 and PassThrough."
  }

  assert {
    condition     = aws_iam_role.this.permissions_boundary == null
    error_message = "Without a boundary there must be none."
  }

  assert {
    condition     = length(aws_lambda_function.this.environment) == 0
    error_message = "Without variables there must be no environment block: an empty one is a difference in every plan."
  }

  assert {
    condition     = length(aws_lambda_function.this.vpc_config) == 0 && length(aws_lambda_function.this.dead_letter_config) == 0
    error_message = "Without network and dead_letter there must be none."
  }

  # Code changes with the build's inputs, and not with the ZIP's bytes.
  assert {
    condition     = aws_lambda_function.this.source_code_hash == "the build's inputs"
    error_message = "source_code_hash must be the digest, which is the same on every machine."
  }

  assert {
    condition     = aws_lambda_function.this.filename == "tests/hello_function.zip"
    error_message = "filename must stay relative."
  }

  assert {
    condition     = aws_lambda_function.this.package_type == "Zip" && aws_lambda_function.this.runtime == "python3.13" && aws_lambda_function.this.handler == "index.handler"
    error_message = "A ZIP must be run by the runtime, from the handler."
  }

  assert {
    condition     = aws_lambda_function.this.image_uri == null && length(aws_lambda_function.this.image_config) == 0
    error_message = "A ZIP must have nothing of an image."
  }

  assert {
    condition     = length(aws_s3_object.zip) == 0 && aws_lambda_function.this.s3_bucket == null && aws_lambda_function.this.s3_key == null
    error_message = "Without a bucket the file must be uploaded directly."
  }

  # The log is the function's own, and does not grow for ever.
  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/hello" && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "The log group must be the one that Lambda writes to, and keep 30 days."
  }

  # The role is Lambda's, and allows the log only.
  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy) == {
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow"
        Principal = { Service = "lambda.amazonaws.com" }
        Action    = "sts:AssumeRole"
      }]
    }
    error_message = "Only Lambda may take the role."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.this.policy).Statement == [{
      Sid      = "Logs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = ["arn:aws:logs:eu-central-1:123456789012:log-group:mocked:*"]
    }]
    error_message = "Without permissions the function may write its own log, and nothing else."
  }

  # Without a release the alias follows the newest version.
  assert {
    condition     = aws_lambda_alias.live.name == "live" && aws_lambda_alias.live.function_version == aws_lambda_function.this.version
    error_message = "The alias live must serve the newest version."
  }

  assert {
    condition     = length(aws_lambda_alias.live.routing_config) == 0
    error_message = "The newest version must take all requests."
  }

  # Callers get the alias.
  assert {
    condition     = output.function.alias_arn == aws_lambda_alias.live.arn && output.function.invoke_arn == aws_lambda_alias.live.invoke_arn
    error_message = "What triggers take must be the alias's."
  }

  assert {
    condition = keys(output.function) == [
      "alias_arn", "alias_name", "architecture", "arn", "invoke_arn", "log_group_name", "name",
      "role_arn", "role_name", "runtime", "timeout_s", "version",
    ]
    error_message = "Triggers rely on these attributes."
  }
}

run "permissions_become_statements_and_a_topic_is_published_to" {
  variables {
    permissions_boundary = "arn:aws:iam::123456789012:policy/bootstrap/hello"
    permissions = {
      ReadUploads = {
        actions   = ["s3:GetObject"]
        resources = ["arn:aws:s3:::uploads/*"]
        conditions = [
          { test = "StringEquals", variable = "aws:ResourceAccount", values = ["123456789012"] },
          { test = "StringEquals", variable = "aws:ResourceTag/use", values = ["uploads"] },
          { test = "Bool", variable = "aws:SecureTransport", values = ["true"] },
        ]
      }
    }
    dead_letter = { arn = "arn:aws:sns:eu-central-1:123456789012:failed" }
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.this.policy).Statement[2] == {
      Sid      = "ReadUploads"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["arn:aws:s3:::uploads/*"]
      Condition = {
        StringEquals = { "aws:ResourceAccount" = ["123456789012"], "aws:ResourceTag/use" = ["uploads"] }
        Bool         = { "aws:SecureTransport" = ["true"] }
      }
    }
    error_message = "A named statement must arrive as it was given."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.this.policy).Statement[0].Action == ["sns:Publish"] && aws_lambda_function.this.dead_letter_config[0].target_arn == var.dead_letter.arn
    error_message = "The function must be allowed to publish to the topic, and told to."
  }

  assert {
    condition     = aws_iam_role.this.permissions_boundary == var.permissions_boundary
    error_message = "The role must be bound."
  }
}

run "tracing_network_and_dead_letter_bring_what_they_need" {
  variables {
    tracing     = "Active"
    network     = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
    dead_letter = { arn = "arn:aws:sqs:eu-central-1:123456789012:failed" }
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Sid] == ["DeadLetter", "Logs", "Network", "Tracing"]
    error_message = "Each brings one statement."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.this.policy).Statement[0] == {
      Sid      = "DeadLetter"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = ["arn:aws:sqs:eu-central-1:123456789012:failed"]
    }
    error_message = "A queue is sent to."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.this.policy).Statement[3].Action == ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    error_message = "Tracing needs to write segments, and nothing else."
  }

  assert {
    condition     = aws_lambda_function.this.vpc_config[0].subnet_ids == toset(["subnet-1", "subnet-2"]) && aws_lambda_function.this.vpc_config[0].security_group_ids == toset(["sg-1"])
    error_message = "The function must be in the subnets, with the security group."
  }
}

run "a_release_keeps_the_alias_whatever_is_published" {
  variables {
    release = { version = "5" }
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "5" && length(aws_lambda_alias.live.routing_config) == 0
    error_message = "The alias must serve version 5 alone."
  }

  assert {
    condition     = output.function.version == "7"
    error_message = "The newest version must still be told, so that it can be released."
  }
}

run "a_release_gives_another_version_its_share_whatever_is_published" {
  variables {
    release = { version = "5", additional_version_weights = { "6" = 0.1 } }
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "5" && aws_lambda_alias.live.routing_config[0].additional_version_weights == tomap({ "6" = 0.1 })
    error_message = "One in ten requests must go to version 6, the others to 5, and none to 7, the newest."
  }
}

run "with_a_bucket_the_file_goes_through_it" {
  variables {
    zip = {
      path    = "tests/hello_function.zip"
      sha256  = filebase64sha256("tests/hello_function.zip")
      digest  = "n+/9vSzDI4Gc5QZ3w3qF1lWcs/SmvNxVJm3oZ0fbUvE="
      runtime = "python3.13"
      handler = "index.handler"
      bucket  = "packages"
    }
  }

  assert {
    condition     = aws_lambda_function.this.s3_bucket == "packages" && aws_lambda_function.this.s3_key == aws_s3_object.zip[0].key && aws_lambda_function.this.filename == null
    error_message = "The function must take its code from the object, and not from the file."
  }

  assert {
    condition     = aws_s3_object.zip[0].source == "tests/hello_function.zip"
    error_message = "The object must be the file."
  }

  # The key decides, and follows the inputs alone; hashes of the bytes differ between machines.
  assert {
    condition     = aws_s3_object.zip[0].key == "hello/n-_9vSzDI4Gc5QZ3w3qF1lWcs_SmvNxVJm3oZ0fbUvE.zip" && aws_s3_object.zip[0].source_hash == null
    error_message = "The object must be named by the digest, in letters that every S3 client takes."
  }

  assert {
    condition     = aws_lambda_function.this.source_code_hash == "n+/9vSzDI4Gc5QZ3w3qF1lWcs/SmvNxVJm3oZ0fbUvE="
    error_message = "source_code_hash must be the digest, as without a bucket."
  }

  assert {
    condition     = length(aws_s3_object.zip[0].override_provider[0].default_tags[0].tags) == 0
    error_message = "The stack's tags may be more than the ten that S3 takes."
  }
}

run "another_file_at_the_path_is_not_uploaded" {
  command = plan

  variables {
    zip = {
      path    = "tests/hello_function.zip"
      sha256  = "bm90IHRoZSBmaWxlIHRoYXQgd2FzIHBsYW5uZWQuLi4="
      digest  = "the build's inputs"
      runtime = "python3.13"
      handler = "index.handler"
      bucket  = "packages"
    }
  }

  expect_failures = [aws_s3_object.zip]
}

run "another_file_at_the_path_is_refused" {
  command = plan

  variables {
    zip = {
      path    = "tests/hello_function.zip"
      sha256  = "bm90IHRoZSBmaWxlIHRoYXQgd2FzIHBsYW5uZWQuLi4="
      digest  = "the build's inputs"
      runtime = "python3.13"
      handler = "index.handler"
    }
  }

  expect_failures = [aws_lambda_function.this]
}

run "no_file_at_the_path_is_refused" {
  command = plan

  variables {
    zip = {
      path    = "tests/missing.zip"
      sha256  = "bm90IHRoZSBmaWxlIHRoYXQgd2FzIHBsYW5uZWQuLi4="
      digest  = "the build's inputs"
      runtime = "python3.13"
      handler = "index.handler"
    }
  }

  expect_failures = [aws_lambda_function.this]
}

run "an_image_takes_the_place_of_the_zip" {
  variables {
    zip   = null
    image = { uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hello@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" }
  }

  assert {
    condition     = aws_lambda_function.this.package_type == "Image" && aws_lambda_function.this.image_uri == var.image.uri
    error_message = "The function must be the image."
  }

  # Lambda refuses each of them beside an image.
  assert {
    condition     = aws_lambda_function.this.runtime == null && aws_lambda_function.this.handler == null && aws_lambda_function.this.layers == null && aws_lambda_function.this.filename == null
    error_message = "An image must have nothing of a ZIP."
  }

  assert {
    condition     = length(aws_lambda_function.this.image_config) == 0
    error_message = "Without settings there must be no block of them: an empty one is a difference in every plan."
  }

  # All else is as for a ZIP.
  assert {
    condition     = aws_lambda_function.this.publish && aws_lambda_function.this.architectures == tolist(["x86_64"]) && aws_lambda_function.this.memory_size == 256
    error_message = "What is not packaging must be as for a ZIP."
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "7" && output.function.alias_arn == aws_lambda_alias.live.arn && output.function.runtime == null
    error_message = "Callers must get the alias, which serves the newest version."
  }
}

run "an_image_is_released_as_a_zip_is" {
  variables {
    zip     = null
    image   = { uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hello@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" }
    release = { version = "5", additional_version_weights = { "7" = 0.1 } }
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "5" && aws_lambda_alias.live.routing_config[0].additional_version_weights == tomap({ "7" = 0.1 })
    error_message = "One in ten requests must go to version 7, the others to 5."
  }
}

run "an_image_may_be_started_in_another_way" {
  command = plan

  variables {
    zip = null
    image = {
      uri               = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hello@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
      entry_point       = ["python3.11", "-m", "awslambdaric"]
      command           = ["other.handler"]
      working_directory = "/opt/app"
    }
  }

  assert {
    condition     = aws_lambda_function.this.image_config[0].entry_point == tolist(["python3.11", "-m", "awslambdaric"]) && aws_lambda_function.this.image_config[0].command == tolist(["other.handler"]) && aws_lambda_function.this.image_config[0].working_directory == "/opt/app"
    error_message = "The image must be started as asked."
  }
}

run "one_setting_of_an_image_leaves_the_others_to_it" {
  command = plan

  variables {
    zip   = null
    image = { uri = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/hello@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", command = ["other.handler"] }
  }

  assert {
    condition     = aws_lambda_function.this.image_config[0].command == tolist(["other.handler"]) && aws_lambda_function.this.image_config[0].entry_point == null && aws_lambda_function.this.image_config[0].working_directory == null
    error_message = "Only the command must be another."
  }
}
