data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

data "aws_region" "this" {}

locals {
  # Amazon Bedrock user guide, "Supported Regions and models for inference profiles".
  model_geographies = ["apac", "au", "ca", "eu", "global", "jp", "us", "us-gov"]

  model_id_pattern  = "^((${join("|", local.model_geographies)})\\.)?[a-z0-9]+\\.[a-zA-Z0-9][a-zA-Z0-9.:-]*$"
  model_arn_pattern = "^arn:[^:]+:bedrock:[a-z0-9-]+:([0-9]{12}:(application-)?inference-profile|:foundation-model)/[a-zA-Z0-9.:-]+$"

  model_is_arn     = startswith(var.chat_model_id, "arn:")
  model_name       = reverse(split("/", var.chat_model_id))[0]
  model_is_profile = local.model_is_arn ? strcontains(var.chat_model_id, "inference-profile/") : contains(local.model_geographies, split(".", var.chat_model_id)[0])

  bedrock_arn = "arn:${data.aws_partition.this.partition}:bedrock:${data.aws_region.this.name}"
  profile_arn = local.model_is_arn ? var.chat_model_id : "${local.bedrock_arn}:${data.aws_caller_identity.this.account_id}:inference-profile/${local.model_name}"
  model_arn   = local.model_is_arn ? var.chat_model_id : "${local.bedrock_arn}::foundation-model/${local.model_name}"

  # Only AWS knows the models of an application inference profile.
  profile_model = strcontains(var.chat_model_id, "application-inference-profile/") ? "*" : trimprefix(local.model_name, "${split(".", local.model_name)[0]}.")

  # Converse asks for bedrock:InvokeModel: Amazon Bedrock API reference, "Converse".
  model_statements = {
    Model = {
      actions    = ["bedrock:InvokeModel"]
      resources  = [local.model_arn]
      conditions = []
    }
    InferenceProfile = {
      actions    = ["bedrock:InvokeModel"]
      resources  = [local.profile_arn]
      conditions = []
    }
    # A profile calls its models in regions that AWS may add to. The condition, and not a list that
    # grows old, holds the grant to them: the models through this profile, and in no other way.
    ModelsOfInferenceProfile = {
      actions   = ["bedrock:InvokeModel"]
      resources = ["arn:${data.aws_partition.this.partition}:bedrock:*::foundation-model/${local.profile_model}"]
      conditions = [{
        test     = "StringEquals"
        variable = "bedrock:InferenceProfileArn"
        values   = [local.profile_arn]
      }]
    }
  }

  model_permissions = {
    for name in local.model_is_profile ? ["InferenceProfile", "ModelsOfInferenceProfile"] : ["Model"] :
    name => local.model_statements[name]
  }
}
