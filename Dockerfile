# Marina as an image: docs in README.md. With podman, `--format docker` keeps the health check.
# The version of Bun is that of package.json. Where no registry can be reached: scripts/container/stand-in-base.sh
ARG BASE=docker.io/oven/bun:1.4.5-slim

FROM ${BASE} AS dependencies
# Another npm registry than the public one, if set.
ARG NPM_CONFIG_REGISTRY=
WORKDIR /app
COPY package.json package-lock.json ./
# What the lock file says, without what only development needs: bun is in the base image, and TypeScript is there for
# the types of a dependency.
RUN bun install --production --frozen-lockfile --ignore-scripts \
  && rm -rf node_modules/.bin node_modules/bun node_modules/@oven node_modules/typescript node_modules/@typescript

FROM ${BASE}
LABEL org.opencontainers.image.title="Marina" \
  org.opencontainers.image.description="An OCI distribution registry whose state is an event log kept beside the blobs" \
  org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
# A new named volume takes its owner from here.
RUN mkdir /data && chown 1000:1000 /data
COPY --from=dependencies /app/node_modules node_modules
COPY package.json bunfig.toml ./
COPY scripts/container/health.ts scripts/container/
COPY src src
COPY workers workers
# Of a node whose store is S3 only copies of blobs are in the volume.
ENV STORAGE_PATH=/data BLOB_CACHE_PATH=/data/blob-cache
VOLUME /data
EXPOSE 5000
# The user bun of the base image; a number, so that Kubernetes can see that it is not root.
USER 1000:1000
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["bun", "/app/scripts/container/health.ts"]
# Bun itself is process 1 and gets SIGTERM, on which the server drains.
ENTRYPOINT ["bun"]
# A worker of a cluster: workers/all.ts
CMD ["src/main.ts"]
