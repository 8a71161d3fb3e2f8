"""The Lambda handler: HTTP API events in, the application's answers out."""

from image_facts.application import application
from mangum import Mangum

handler = Mangum(application, lifespan="off")
