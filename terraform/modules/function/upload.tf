locals {
  bucket = one(var.zip[*].bucket)

  # An image has no file: its address says what it is.
  is_planned_file = alltrue([for zip in var.zip[*] : fileexists(zip.path) ? filebase64sha256(zip.path) == zip.sha256 : false])
  other_file      = join("", [for zip in var.zip[*] : "${zip.path} is not the file that was planned for ${var.name} (SHA-256 ${zip.sha256}): it was built again, or is gone. Apply with the file that was planned, or make a new plan."])
}

# Lambda copies the code when a version is made of it: the object is there for the way only, and may
# go with the next one.
resource "aws_s3_object" "zip" {
  count = local.bucket == null ? 0 : 1

  bucket = local.bucket
  # Named by what decides whether the code has changed: where the bytes differ, because another
  # machine compressed or compiled them, there is no etag or hash that would plan an upload.
  key          = "${var.name}/${replace(replace(trim(var.zip.digest, "="), "+", "-"), "/", "_")}.zip"
  source       = var.zip.path
  content_type = "application/zip"

  # S3 takes ten tags an object, and those of the stack may be more.
  override_provider {
    default_tags {
      tags = {}
    }
  }

  lifecycle {
    # The function moves on to the new object before the old one goes.
    create_before_destroy = true

    precondition {
      condition     = local.is_planned_file
      error_message = local.other_file
    }
  }
}
