# The builds and the archive are mocked, so nothing is built.

mock_provider "aws" {
  source = "./tests/mocks"
}

mock_provider "external" {
  source = "./tests/mocks"
}

mock_provider "archive" {}

# The ZIP that is not built has no hash to compare, and the image that is not built would be pushed.
override_module {
  target = module.chat
  outputs = {
    function = {
      name           = "python-lambda-chat"
      arn            = "arn:aws:lambda:eu-central-1:123456789012:function:python-lambda-chat"
      version        = "7"
      alias_name     = "live"
      alias_arn      = "arn:aws:lambda:eu-central-1:123456789012:function:python-lambda-chat:live"
      invoke_arn     = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:123456789012:function:python-lambda-chat:live/invocations"
      role_name      = "python-lambda-chat"
      role_arn       = "arn:aws:iam::123456789012:role/python-lambda-chat"
      log_group_name = "/aws/lambda/python-lambda-chat"
      timeout_s      = 29
      architecture   = "x86_64"
      runtime        = "python3.11"
    }
    package = {
      path   = "./../lambda_packages/chat_function.zip"
      digest = "ZGlnZXN0"
      lock   = ""
    }
  }
}

override_module {
  target = module.inference
  outputs = {
    function = {
      name           = "python-lambda-inference"
      arn            = "arn:aws:lambda:eu-central-1:123456789012:function:python-lambda-inference"
      version        = "3"
      alias_name     = "live"
      alias_arn      = "arn:aws:lambda:eu-central-1:123456789012:function:python-lambda-inference:live"
      invoke_arn     = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:123456789012:function:python-lambda-inference:live/invocations"
      role_name      = "python-lambda-inference"
      role_arn       = "arn:aws:iam::123456789012:role/python-lambda-inference"
      log_group_name = "/aws/lambda/python-lambda-inference"
      timeout_s      = 29
      architecture   = "x86_64"
      runtime        = null
    }
    package = {
      uri            = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/python-lambda-inference@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
      repository_url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/python-lambda-inference"
      digest         = "ZGlnZXN0"
      tag            = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"
      lock           = ""
    }
  }
}

run "chat_answers_under_two_routes" {
  assert {
    condition     = output.api_url == "https://abcdefghij.execute-api.eu-central-1.amazonaws.com" && output.api_log_group == "/aws/vendedlogs/http-api/python-lambda"
    error_message = "The API must be told, with its log."
  }

  assert {
    condition     = output.chat_function_name == "python-lambda-chat" && endswith(output.chat_function_alias_arn, ":live")
    error_message = "The function must be told, by its alias."
  }

  # Its model is the only thing that it may use.
  assert {
    condition = local.model_permissions == {
      Model = {
        actions    = ["bedrock:InvokeModel"]
        resources  = ["arn:aws:bedrock:eu-central-1::foundation-model/amazon.nova-lite-v1:0"]
        conditions = []
      }
    }
    error_message = "Chat must be allowed to invoke the one foundation model."
  }
}

run "inference_answers_as_an_image" {
  assert {
    condition     = output.inference_function_name == "python-lambda-inference" && endswith(output.inference_function_alias_arn, ":live") && output.inference_log_group == "/aws/lambda/python-lambda-inference"
    error_message = "The function must be told, by its alias, with its log."
  }

  assert {
    condition     = output.inference_function_version == "3" && strcontains(output.inference_package.uri, "@sha256:")
    error_message = "What is deployed must be told, by its version and its digest."
  }
}

run "an_inference_profile_is_granted_with_its_models_through_it_only" {
  command = plan

  variables {
    chat_model_id = "eu.anthropic.claude-3-haiku-20240307-v1:0"
    environment   = "dev"
    # As bootstrap.auto.tfvars has it.
    permissions_boundary_path = "/bootstrap/"
  }

  assert {
    condition     = local.permissions_boundary == "arn:aws:iam::123456789012:policy/bootstrap/python-lambda-dev"
    error_message = "The boundary must be the environment's."
  }

  assert {
    condition     = local.model_permissions.InferenceProfile.resources == ["arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-3-haiku-20240307-v1:0"]
    error_message = "The profile must be granted by its ARN."
  }

  assert {
    condition = local.model_permissions.ModelsOfInferenceProfile == {
      actions   = ["bedrock:InvokeModel"]
      resources = ["arn:aws:bedrock:*::foundation-model/anthropic.claude-3-haiku-20240307-v1:0"]
      conditions = [{
        test     = "StringEquals"
        variable = "bedrock:InferenceProfileArn"
        values   = ["arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-3-haiku-20240307-v1:0"]
      }]
    }
    error_message = "The profile's model must be granted in every region of the profile, through the profile only."
  }

  assert {
    condition     = local.project_name == "python-lambda-dev"
    error_message = "The environment must follow the project's name."
  }
}

run "an_application_inference_profile_is_granted_with_whatever_models_it_has" {
  command = plan

  variables {
    chat_model_id = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc123def456"
  }

  assert {
    condition     = local.model_permissions.InferenceProfile.resources == [var.chat_model_id] && local.model_permissions.ModelsOfInferenceProfile.resources == ["arn:aws:bedrock:*::foundation-model/*"]
    error_message = "Only AWS knows the models of an application inference profile."
  }

  assert {
    condition     = local.model_permissions.ModelsOfInferenceProfile.conditions[0].values == [var.chat_model_id]
    error_message = "They must be granted through the profile only."
  }
}

run "a_model_of_another_region_is_granted_there" {
  command = plan

  variables {
    chat_model_id  = "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-pro-v1:0"
    project_name   = "a"
    lambda_timeout = 30
    log_level      = "ERROR"
  }

  assert {
    condition     = keys(local.model_permissions) == ["Model"] && local.model_permissions.Model.resources == [var.chat_model_id]
    error_message = "A foundation model's ARN must be granted as it is."
  }
}

run "a_release_tool_is_told_what_to_move_check_and_watch" {
  assert {
    condition = output.functions.chat == {
      function_name = "python-lambda-chat"
      alias_name    = "live"
      check         = { route = "GET /chat/health" }
      alarms        = ["python-lambda-chat-duration", "python-lambda-chat-errors", "python-lambda-chat-new-version-errors", "python-lambda-chat-throttles", "python-lambda-api-5xx"]
    }
    error_message = "Each function must be told with its alias, its check, and its own and the API's alarms."
  }

  assert {
    condition     = keys(output.functions) == ["chat", "inference"] && length(output.functions.inference.alarms) == 5
    error_message = "Every function must be told."
  }
}

run "a_release_of_a_function_that_is_not_there_is_refused" {
  command = plan

  variables {
    release = { chatt = { version = "5" } }
  }

  expect_failures = [var.release]
}

run "each_variable_refuses_what_breaks_its_rule" {
  command = plan

  variables {
    project_name   = "My Project"
    environment    = "pre-production"
    lambda_timeout = 31
    log_level      = "TRACE"
    chat_model_id  = "claude"
  }

  expect_failures = [
    var.project_name,
    var.environment,
    var.lambda_timeout,
    var.log_level,
    var.chat_model_id,
  ]
}

run "a_boundary_needs_an_environment" {
  command = plan

  variables {
    permissions_boundary_path = "/bootstrap/"
  }

  expect_failures = [var.permissions_boundary_path]
}

run "a_boundary_lies_at_a_path" {
  command = plan

  variables {
    environment               = "dev"
    permissions_boundary_path = "bootstrap"
  }

  expect_failures = [var.permissions_boundary_path]
}
