output "api_url" {
  description = "Where the API answers, without a slash at the end."
  value       = module.api.url
}

output "api_id" {
  description = "The API's id."
  value       = module.api.id
}

output "api_log_group" {
  description = "Log group of the API's access log."
  value       = module.api.log_group_name
}

output "chat_function_name" {
  description = "Name of chat's function."
  value       = module.chat.function.name
}

output "chat_function_alias_arn" {
  description = "What to invoke: chat's alias live."
  value       = module.chat.function.alias_arn
}

output "chat_function_version" {
  description = "Newest published version of chat."
  value       = module.chat.function.version
}

output "chat_log_group" {
  description = "Log group of chat's function."
  value       = module.chat.function.log_group_name
}

output "chat_package" {
  description = "What is deployed for chat: path of the ZIP, or uri of the image, by digest, its repository_url and tag; digest and lock of what was built."
  value       = module.chat.package
}

output "inference_function_name" {
  description = "Name of inference's function."
  value       = module.inference.function.name
}

output "inference_function_alias_arn" {
  description = "What to invoke: inference's alias live."
  value       = module.inference.function.alias_arn
}

output "inference_function_version" {
  description = "Newest published version of inference."
  value       = module.inference.function.version
}

output "inference_log_group" {
  description = "Log group of inference's function."
  value       = module.inference.function.log_group_name
}

output "inference_package" {
  description = "What is deployed for inference: uri of the image, by digest, and its repository_url; tag, digest and lock where it was built here."
  value       = module.inference.package
}
