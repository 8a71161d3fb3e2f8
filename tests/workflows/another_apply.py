"""What another apply leaves in the state in S3: another serial, by which a plan is stale."""

from __future__ import annotations

import json
import sys

import boto3

endpoint_url, bucket, key = sys.argv[1:]
s3 = boto3.client(
    "s3",
    endpoint_url=endpoint_url,
    region_name="us-east-1",
    aws_access_key_id="test",
    aws_secret_access_key="test",
)
state = json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])
state["serial"] += 1
s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(state))
