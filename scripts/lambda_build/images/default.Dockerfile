# The image of a function that has no Dockerfile of its own: AWS's image of the runtime, which brings
# the runtime's client and, for use on a laptop, its emulator. lambda-build makes the build's context.
ARG BASE_IMAGE
# hadolint ignore=DL3006
FROM ${BASE_IMAGE}

# What changes seldom comes first: a changed line of code is a new last layer, and nothing else.
COPY dependencies/ /var/task/
COPY source/ /var/task/

# The function's handler is put here when the context is made.
CMD ["index.handler"]
