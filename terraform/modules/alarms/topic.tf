resource "aws_sns_topic" "this" {
  # checkov:skip=CKV_AWS_26:What is published is the state of alarms. CloudWatch may not use AWS's own key for SNS, and a key of one's own costs more than all the alarms.
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.emails

  topic_arn = aws_sns_topic.this.arn
  protocol  = "email"
  endpoint  = each.value
}
