# Marina's image; see README.md. With podman, `--format docker` keeps the health check.
# Bun has the version of package.json. Without access to a registry use scripts/container/stand-in-base.sh.
ARG BASE=docker.io/oven/bun:1.4.5-slim

FROM ${BASE} AS dependencies
# An npm registry other than the public one.
ARG NPM_CONFIG_REGISTRY=
WORKDIR /app
COPY package.json package-lock.json ./
# The locked production dependencies, without those that are not needed at run time: bun is in the base image, and
# TypeScript is a peer dependency that only provides types.
RUN bun install --production --frozen-lockfile --ignore-scripts \
  && rm -rf node_modules/.bin node_modules/bun node_modules/@oven node_modules/typescript node_modules/@typescript

FROM ${BASE}
LABEL org.opencontainers.image.title="Marina" \
  org.opencontainers.image.description="An OCI distribution registry whose state is an event log kept beside the blobs" \
  org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
# A new named volume gets its owner from this folder.
RUN mkdir /data && chown 1000:1000 /data
COPY --from=dependencies /app/node_modules node_modules
# Bun reads from tsconfig.json how to compile JSX.
COPY package.json bunfig.toml tsconfig.json ./
COPY scripts/container/health.ts scripts/container/
COPY src src
COPY workers workers
# If the store is S3, the volume holds only the blob cache.
ENV STORAGE_PATH=/data BLOB_CACHE_PATH=/data/blob-cache
VOLUME /data
EXPOSE 5000
# The base image's user bun, as a number, so that Kubernetes can verify that it is not root.
USER 1000:1000
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["bun", "/app/scripts/container/health.ts"]
# Bun sizes its pool for disk I/O when it starts. It is process 1 and receives SIGTERM, on which the server drains.
ENTRYPOINT ["/bin/sh", "-c", "exec env UV_THREADPOOL_SIZE=\"${IO_THREADS:-32}\" bun \"$@\"", "marina"]
# A worker of a cluster: workers/all.ts
CMD ["src/main.ts"]
