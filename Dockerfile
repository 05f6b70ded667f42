# syntax=docker/dockerfile:1
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev
COPY proto ./proto
COPY config/envoy ./config/envoy
COPY docker/epp ./epp
# Orchestrators run it under any user id: everybody may read, nobody may write, whatever the checkout's modes were.
RUN rm -r src tsconfig.json tsconfig.build.json .npmrc package-lock.json \
 && chmod -R a+rX,a-w . && chmod a+x epp

FROM node:24-bookworm-slim
ENV NODE_ENV=production
COPY --from=build /app /app
# What orchestrators rely on: the program by its path, and a sleep for their preStop hook.
RUN /app/epp version && test -x /bin/sleep
WORKDIR /
USER 65532:65532
# ext-proc, health, metrics, KV-cache events
EXPOSE 9002 9003 9090 5557
ENTRYPOINT ["/app/epp"]
