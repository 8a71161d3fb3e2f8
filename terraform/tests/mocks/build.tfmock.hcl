# A build that has been: no test of a module runs one.

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
      lock           = "sha256:0f343b0931126a20f133d67c2b018a3b2c4f5b1e7d2f1e9a3c5d7b9f1e3a5c7d"
    }
  }
}
