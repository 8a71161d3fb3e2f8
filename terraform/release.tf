# Who moves the aliases is said here. Nobody says anything: they follow the newest versions at each
# apply. Somebody does, such as `lambda-release pin` before a plan: they stay as they are told, and
# `lambda-release release` moves them afterwards.

variable "release" {
  description = "Which versions are live, by function: `version`, but for the share (0 to 1) of another one in `additional_version_weights`. A function that is not named follows its newest version. `lambda-release pin` writes it."
  type = map(object({
    version                    = string
    additional_version_weights = optional(map(number))
  }))
  default  = {}
  nullable = false

  validation {
    condition     = length(setsubtract(keys(var.release), ["chat", "inference"])) == 0
    error_message = "release names ${join(", ", setsubtract(keys(var.release), ["chat", "inference"]))}: there are the functions chat and inference. Remove it; `lambda-release pin` writes the right ones."
  }
}

output "functions" {
  description = "What lambda-release moves: function and alias, the route that a version is checked by, and the alarms that it is watched by."
  value = {
    chat = {
      function_name = module.chat.function.name
      alias_name    = module.chat.function.alias_name
      check         = { route = "GET /chat/health" }
      alarms        = concat(module.alarms.function_alarms.chat, module.alarms.api_alarms.api)
    }
    inference = {
      function_name = module.inference.function.name
      alias_name    = module.inference.function.alias_name
      check         = { route = "GET /inference/health" }
      alarms        = concat(module.alarms.function_alarms.inference, module.alarms.api_alarms.api)
    }
  }
}
