# One a function, in its region, as Lambda wants it; it stays as long as there is a package, for an
# image from outside may lie in it.
resource "aws_ecr_repository" "this" {
  #checkov:skip=CKV_AWS_136:Encrypted with ECR's key; a key of one's own costs every month, and whoever may pull could use it
  count = var.package == null ? 0 : 1

  name                 = lower(var.name)
  image_tag_mutability = "IMMUTABLE"
  # Images are built again from their inputs, and destroying must work while there are some.
  force_delete = true

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  count = var.package == null ? 0 : 1

  repository = aws_ecr_repository.this[0].name

  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "Nothing deployed is untagged: tags do not move."
        selection = {
          tagStatus   = "untagged"
          countType   = "sinceImagePushed"
          countUnit   = "days"
          countNumber = 14
        }
        action = { type = "expire" }
      },
      {
        rulePriority = 2
        description  = "The newest, for roll-backs."
        selection = {
          tagStatus      = "tagged"
          tagPatternList = ["*"]
          countType      = "imageCountMoreThan"
          countNumber    = var.package.keep_images
        }
        action = { type = "expire" }
      },
    ]
  })
}

locals {
  # arn:PARTITION:ecr:REGION:ACCOUNT:repository/NAME
  repository_arn = split(":", join("", aws_ecr_repository.this[*].arn))
}

# Where this is missing Lambda adds it by itself, for every function of the account, which is then a
# change in the next plan: Lambda developer guide, "Amazon ECR permissions".
resource "aws_ecr_repository_policy" "this" {
  count = var.package == null ? 0 : 1

  repository = aws_ecr_repository.this[0].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "LambdaECRImageRetrievalPolicy"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Condition = {
        ArnLike = {
          "aws:SourceArn" = [for suffix in ["", ":*"] : "arn:${local.repository_arn[1]}:lambda:${local.repository_arn[3]}:${local.repository_arn[4]}:function:${var.name}${suffix}"]
        }
      }
    }]
  })
}
