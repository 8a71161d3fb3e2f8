# Terraform's state: the stack's, one object an environment, and this configuration's own.
resource "aws_s3_bucket" "state" {
  #checkov:skip=CKV_AWS_18:Who reads and writes is in CloudTrail; access logs would need a bucket more
  #checkov:skip=CKV_AWS_144:Versions bring back a state that was lost; another region would hold a second copy of what is in it
  #checkov:skip=CKV_AWS_145:Encrypted with S3's key; a key of one's own costs every month, and whoever may read the object could use it
  #checkov:skip=CKV2_AWS_62:Nobody waits for events of this bucket
  bucket = "${var.project_name}-state-${local.account}"
}

# A state that an apply has spoilt is put right from the version before.
resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket = aws_s3_bucket.state.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "state" {
  bucket = aws_s3_bucket.state.id
  policy = local.tls_only["state"]

  # S3 refuses two changes of one bucket's access at a time.
  depends_on = [aws_s3_bucket_public_access_block.state]
}

resource "aws_s3_bucket_lifecycle_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    id     = "old-versions"
    status = "Enabled"

    # Every object: an empty filter says so.
    filter {}

    noncurrent_version_expiration {
      noncurrent_days           = 90
      newer_noncurrent_versions = 20
    }

    # Locks are deleted when they are let go, which leaves a marker each.
    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  # Rules for versions of a bucket that has none are refused.
  depends_on = [aws_s3_bucket_versioning.state]
}

locals {
  tls_only = {
    for name, arn in { state = aws_s3_bucket.state.arn, packages = aws_s3_bucket.packages.arn } : name => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Sid       = "OnlyTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [arn, "${arn}/*"]
        Condition = {
          Bool = { "aws:SecureTransport" = "false" }
        }
      }]
    })
  }
}
