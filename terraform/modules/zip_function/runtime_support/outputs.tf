output "warning" {
  description = "What to tell the user about the runtime's age; empty while there is nothing to tell."
  value = (
    local.is_deprecated ? "${var.runtime} is deprecated since ${local.date}: it gets no security patches, and AWS stops creating functions on it a month later, updating them after two. ${local.advice}" :
    local.is_near ? "${var.runtime} will be deprecated on ${local.date}, and then get no security patches; AWS stops creating functions on it a month later, updating them after two. ${local.advice}" :
    ""
  )
}
