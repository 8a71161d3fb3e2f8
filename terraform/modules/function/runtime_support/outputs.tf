output "warning" {
  description = "What to tell the user about the runtime's age; empty while there is nothing to tell."
  value = (
    local.is_deprecated ? "${local.subject} is deprecated since ${local.date}, and gets no security patches${local.consequence}. ${local.advice}" :
    local.is_near ? "${local.subject} will be deprecated on ${local.date}, and then get no security patches${local.consequence}. ${local.advice}" :
    ""
  )
}
