# A build that has been: no test of a module runs one. Of a ZIP and of an image at once; each module
# reads its own.

mock_data "external" {
  defaults = {
    result = {
      source_dir     = "tests/staged"
      archive        = ""
      archive_sha256 = ""
      archive_bytes  = ""
      digest         = "cmVxdWlyZW1lbnRzLnR4dCBhbmQgc291cmNl"
      unzipped_bytes = "1048576"
      warnings       = ""
      base_image     = "public.ecr.aws/lambda/python:3.11@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
      tag            = "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"
      lock           = "sha256:0f343b0931126a20f133d67c2b018a3b2c4f5b1e7d2f1e9a3c5d7b9f1e3a5c7d"
    }
  }
}
