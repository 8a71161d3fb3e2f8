variable "alarms" {
  description = "Who is told of alarms (`emails`, nobody), and from what on they ring in a minute: `errors` (1), `throttles` (1), `duration_percent` (90) of the timeout, `api_5xx_percent` (5) of the requests."
  type = object({
    emails           = optional(set(string))
    errors           = optional(number)
    throttles        = optional(number)
    duration_percent = optional(number)
    api_5xx_percent  = optional(number)
  })
  default  = {}
  nullable = false
}

module "alarms" {
  source = "./modules/alarms"

  name = local.project_name

  functions = {
    chat      = module.chat.function
    inference = module.inference.function
  }
  apis = { api = module.api.id }

  emails     = var.alarms.emails
  thresholds = var.alarms
}

output "alarm_topic_arn" {
  description = "SNS topic that alarms are published to."
  value       = module.alarms.topic_arn
}
