# Packages over the 50 MB that Lambda takes directly: modules/zip_function, package.bucket.
resource "aws_s3_bucket" "packages" {
  #checkov:skip=CKV_AWS_18:Who reads and writes is in CloudTrail; access logs would need a bucket more
  #checkov:skip=CKV_AWS_21:An object is named by its digest, so none is written over, and Lambda holds the code by itself
  #checkov:skip=CKV_AWS_144:Lambda copies the code; what is lost here is built again
  #checkov:skip=CKV_AWS_145:Encrypted with S3's key; a key of one's own costs every month, and whoever may read the object could use it
  #checkov:skip=CKV2_AWS_62:Nobody waits for events of this bucket
  bucket = "${var.project_name}-packages-${local.account}"
}

resource "aws_s3_bucket_server_side_encryption_configuration" "packages" {
  bucket = aws_s3_bucket.packages.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "packages" {
  bucket = aws_s3_bucket.packages.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "packages" {
  bucket = aws_s3_bucket.packages.id
  policy = local.tls_only["packages"]

  # S3 refuses two changes of one bucket's access at a time.
  depends_on = [aws_s3_bucket_public_access_block.packages]
}

# The objects are the stack's: one that went by age would be a change in its next plan.
resource "aws_s3_bucket_lifecycle_configuration" "packages" {
  bucket = aws_s3_bucket.packages.id

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}
